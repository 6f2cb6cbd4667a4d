-- Feeds with everything on file: classification, management card, English, areas, tags.
-- Locks: exclusive on feed, agreement and device while columns are added; their rows are few.

alter table device add column tags text[] not null default '{}';

alter table feed
    add column tags                 text[],
    add column area                 polygon,
    add column title_en             text not null default '',
    add column description_en       text not null default '',
    add column contacts             text[] not null default '{}',
    -- KLASSA: 4 does not belong here.
    add column confidentiality      smallint check (confidentiality between 0 and 3),
    add column integrity            smallint check (integrity between 0 and 3),
    add column availability         smallint check (availability between 0 and 3),
    add column classified_by        text,
    add column classified_at        timestamptz,
    add column classified_under     text not null default '',
    add column classify_again_at    timestamptz,
    add column information_owner    text not null default '',
    add column operator             text not null default '',
    add column support              text not null default '',
    add column service_level        text not null default '',
    add column budget_line          text not null default '',
    add column retires_at           timestamptz,
    add column changed_at           timestamptz not null default now(),
    add check (num_nulls(confidentiality, integrity, availability, classified_at) in (0, 4));

alter table agreement add column area polygon;

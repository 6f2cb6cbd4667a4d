-- Parts of the city's work that several organisations share, with the people who answer for them.
-- Locks: none, every table is new.

create table business_area (
    id          text primary key,
    name        text not null,
    name_en     text not null default '',
    description text not null default '',
    created_at  timestamptz not null default now()
);

create table business_area_steward (
    area   text not null references business_area,
    person text not null references person,
    primary key (area, person)
);

create table business_area_organisation (
    area         text not null references business_area,
    organisation text not null references organisation,
    primary key (area, organisation)
);

create table business_area_feed (
    area text not null references business_area,
    feed text not null references feed,
    primary key (area, feed)
);
create index on business_area_feed (feed);

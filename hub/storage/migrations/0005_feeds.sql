-- Feeds, agreements, and the keys of those who read.
-- Locks: none that matter, every table is new.

create table feed (
    id           text primary key,
    organisation text not null references organisation,
    title        text not null,
    description  text not null default '',
    licence      text not null default '',
    state        text not null default 'published'
                 check (state in ('draft', 'classified', 'published', 'deprecated', 'retired')),
    devices      text[],                            -- the selection; null selects all
    kinds        text[],
    properties   text[],
    created_at   timestamptz not null default now()
);
create index on feed (organisation);

create table agreement (
    id                bigint generated always as identity primary key,
    feed              text not null references feed,
    consumer          text not null references organisation,
    state             text not null default 'active'
                      check (state in ('draft', 'active', 'suspended', 'terminated', 'revoked')),
    purpose           text not null,
    legal_basis       text not null,
    valid_from        timestamptz not null default now(),
    valid_until       timestamptz,
    -- the shape; null lets everything through
    properties        text[],
    finest_resolution interval check (finest_resolution > interval '0'),
    delay             interval not null default interval '0' check (delay >= interval '0'),
    position_decimals smallint check (position_decimals between 0 and 7),
    history           interval check (history > interval '0'),
    created_at        timestamptz not null default now(),
    check (valid_until is null or valid_until > valid_from)
);
-- At most one right per feed and organisation: what someone may see is never a matter of choice.
create unique index agreement_in_force on agreement (feed, consumer) where state = 'active';
create index on agreement (consumer);

create table application (
    id           text primary key,
    organisation text not null references organisation,
    name         text not null,
    scopes       text[] not null,
    created_at   timestamptz not null default now()
);

create table api_key (
    prefix     text primary key,                    -- shown in lists; says nothing of the secret
    application text not null references application,
    hash       bytea not null,                      -- SHA-256 of the whole key, which is random
    state      text not null default 'active' check (state in ('active', 'rotating', 'revoked')),
    created_at timestamptz not null default now(),
    expires_at timestamptz
);
create index on api_key (application);

-- Streams look at their right again when this bell rings.
create function ring_rights() returns trigger language plpgsql as $$
begin
    perform pg_notify('stadsnav_rights', '');
    return null;
end $$;

create trigger ring after insert or update or delete or truncate on feed
    for each statement execute function ring_rights();
create trigger ring after insert or update or delete or truncate on agreement
    for each statement execute function ring_rights();
create trigger ring after insert or update or delete or truncate on api_key
    for each statement execute function ring_rights();

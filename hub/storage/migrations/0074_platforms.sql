-- What else holds sensor data in the city, and what becomes of it.
-- Locks: none, the table is new.

create table platform (
    id             text primary key,
    name           text not null,
    organisation   text not null references organisation,
    description    text not null default '',
    supplier       text not null default '',
    contract_until date,
    area           text references business_area,
    state          text not null default 'found'
                   check (state in ('found', 'assessed', 'keep', 'connect', 'consolidate',
                                    'retire')),
    assessment     text not null default '',
    into_platform  text references platform,
    decision       bigint references decision,
    created_at     timestamptz not null default now(),
    check (into_platform <> id),
    check ((state in ('keep', 'connect', 'consolidate', 'retire')) = (decision is not null))
);
create index on platform (organisation);

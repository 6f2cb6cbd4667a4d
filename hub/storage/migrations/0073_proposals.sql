-- What organisations want from a business area, and what was decided about it.
-- Locks: none, every table is new.

-- Written down once: who finds a mistake records another decision.
create table decision (
    id          bigint generated always as identity primary key,
    area        text references business_area,      -- null: of the whole hub
    reference   text not null unique,               -- where it is filed
    title       text not null,
    text        text not null default '',
    decided_on  date not null,
    recorded_at timestamptz not null default now()
);
create index on decision (area, id);

create table decision_member (
    decision     bigint not null references decision,
    place        integer not null,                  -- in the order of the minutes
    name         text not null,
    organisation text references organisation,
    primary key (decision, place)
);

create table proposal (
    id           bigint generated always as identity primary key,
    area         text not null references business_area,
    kind         text not null check (kind in ('new-feed', 'new-sensor', 'share-request')),
    title        text not null,
    need         text not null,
    organisation text not null references organisation,
    submitted_by text not null,                     -- as the audit names actors
    submitted_at timestamptz not null,
    feed         text references feed,
    state        text not null default 'submitted'
                 check (state in ('submitted', 'assessed', 'prioritised', 'piloted', 'adopted',
                                  'declined')),
    assessment   text not null default '',
    priority     smallint check (priority between 1 and 5),
    answer       text not null default '',
    decision     bigint references decision,
    check ((kind = 'share-request') = (feed is not null)),
    check (state not in ('adopted', 'declined') or answer <> ''),
    check (state <> 'adopted' or decision is not null)
);
create index on proposal (area, id);
create index on proposal (organisation, id);

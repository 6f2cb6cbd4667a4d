-- What the hub knows before a reading arrives: who owns which device, and what it measures.
-- Locks: none that matter, every table is new.

create table organisation (
    id         text primary key,
    name       text not null,
    created_at timestamptz not null default now()
);
insert into organisation (id, name) values ('public', 'Everyone');

create table observed_property (
    id         text primary key,
    name       text not null,
    unit       text not null,                       -- UCUM code
    definition text,                                -- URI
    kind       text not null default 'number' check (kind in ('number', 'text')),
    low        double precision,                    -- plausible range, in the unit
    high       double precision,
    check (low is null or high is null or low <= high)
);

create table device (
    id           text primary key,
    organisation text not null references organisation,
    kind         text not null,
    name         text not null,
    lon          double precision check (lon between -180 and 180),
    lat          double precision check (lat between -90 and 90),
    moving       boolean not null default false,
    state        text not null default 'active'
                 check (state in ('planned', 'active', 'maintenance', 'quarantined', 'decommissioned')),
    created_at   timestamptz not null default now(),
    check ((lon is null) = (lat is null))
);
create index on device (organisation);

create table device_credential (
    device     text primary key references device,
    hash       text not null,                       -- as Mosquitto keeps it: $7$iterations$salt$hash
    created_at timestamptz not null default now()
);

create table datastream (
    id          integer generated always as identity primary key,
    device      text not null references device,
    property    text not null references observed_property,
    on_conflict text not null default 'keep' check (on_conflict in ('keep', 'overwrite')),
    unique (device, property)
);

create table connector (
    id              text primary key,
    on_unknown      text not null default 'reject' check (on_unknown in ('reject', 'register')),
    organisation    text references organisation,   -- owner of the devices it registers
    received        bigint not null default 0,
    stored          bigint not null default 0,
    duplicates      bigint not null default 0,
    rejected        bigint not null default 0,
    messages        bigint not null default 0,
    last_message_at timestamptz,
    check (on_unknown = 'reject' or organisation is not null),
    check (received = stored + duplicates + rejected)
);

-- Ingest and the broker's keeper hold the registry in memory; this bell tells them to look again.
create function ring_registry() returns trigger language plpgsql as $$
begin
    perform pg_notify('stadsnav_registry', '');
    return null;
end $$;

create trigger ring after insert or update or delete or truncate on device
    for each statement execute function ring_registry();
create trigger ring after insert or update or delete or truncate on device_credential
    for each statement execute function ring_registry();
create trigger ring after insert or update or delete or truncate on datastream
    for each statement execute function ring_registry();
create trigger ring after insert or update or delete or truncate on observed_property
    for each statement execute function ring_registry();
-- Only the columns that acceptance reads: the totals change with every batch.
create trigger ring after update of on_unknown, organisation on connector
    for each statement execute function ring_registry();

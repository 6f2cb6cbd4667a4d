-- The readings, and the ledger that accounts for every one of them.
-- Locks: none that matter, every table is new.

create table reading (
    datastream_id integer not null,                 -- no foreign key: it would cost a look-up per row
    time          timestamptz not null,             -- phenomenon time
    value         double precision,
    text          text,
    quality       smallint not null,
    received_at   timestamptz not null,
    lon           double precision,                 -- only where the device moves
    lat           double precision,
    batch_id      bigint not null,
    primary key (datastream_id, time)
);
-- Streams read whole batches. Ids grow, so the inserts stay on the right-most, cached page.
create index reading_batch on reading (batch_id);

create sequence batch_id;
create sequence batch_position;

create table batch (
    position     bigint primary key,                -- the order in which batches became visible
    id           bigint not null unique,
    connector    text not null references connector,
    messages     integer not null,
    received     integer not null,
    stored       integer not null,
    overwritten  integer not null,                  -- of stored: replaced a reading
    duplicates   integer not null,
    rejected     integer not null,
    first_time   timestamptz,                       -- range of phenomenon times, null if none
    last_time    timestamptz,
    committed_at timestamptz not null,
    check (received = stored + duplicates + rejected),
    check (overwritten <= stored)
);

create table rejection (
    id            bigint generated always as identity primary key,
    batch_id      bigint not null,
    connector     text not null,
    topic         text not null,
    received_at   timestamptz not null,
    reason        text not null,
    detail        text not null,
    readings      integer not null check (readings > 0),
    payload       bytea not null,
    payload_bytes integer not null
);
create index on rejection (received_at);
create index on rejection (batch_id);

-- The end of a batch: position, ledger, totals, bell. The lock is taken last and held until the
-- commit, so positions become visible in order whatever the number of writers, while the COPY
-- that went before ran beside theirs. One NOTIFY per batch: PostgreSQL serialises those commits.
create function close_batch(
    batch_id bigint, connector_id text, messages integer, stored integer, overwritten integer,
    duplicates integer, rejected integer, first_time timestamptz, last_time timestamptz
) returns bigint language plpgsql as $$
declare
    arrived  integer := stored + duplicates + rejected;
    placed   bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('stadsnav.batch_position', 0));
    insert into batch values (
        nextval('batch_position'), batch_id, connector_id, messages, arrived, stored, overwritten,
        duplicates, rejected, first_time, last_time, clock_timestamp()
    ) returning position into placed;
    update connector c set
        messages = c.messages + close_batch.messages,
        received = c.received + arrived,
        stored = c.stored + close_batch.stored,
        duplicates = c.duplicates + close_batch.duplicates,
        rejected = c.rejected + close_batch.rejected,
        last_message_at = clock_timestamp()
    where c.id = connector_id;
    perform pg_notify('stadsnav_batch', '');
    return placed;
end $$;

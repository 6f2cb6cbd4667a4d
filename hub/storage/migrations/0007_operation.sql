-- What operators look at: how ingest processes are, and how fast batches have come lately.
-- Locks: exclusive on batch while its index is built, about a second per million batches.

create table ingest_process (
    client_id    text primary key,                  -- at the broker, so one row per process
    connector    text not null,
    connected    boolean not null,
    in_flight    integer not null,                  -- readings received and not yet committed
    qos0_dropped bigint not null,                   -- since the process started
    reported_at  timestamptz not null
);

create index batch_committed_at on batch (committed_at);

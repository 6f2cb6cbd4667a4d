-- name: written
-- In bytes, so that it can be compared.
select (pg_current_wal_lsn() - '0/0')::bigint;

-- name: replayed
select (pg_last_wal_replay_lsn() - '0/0')::bigint;

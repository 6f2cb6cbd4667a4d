-- name: lock
-- One process maintains at a time; the lock goes with its connection.
select pg_try_advisory_lock(hashtextextended('stadsnav.maintenance', 0));

-- name: begin
insert into maintenance (task, every, started_at) values ($1, $2, now())
on conflict (task) do update set every = excluded.every, started_at = excluded.started_at;

-- name: end
update maintenance set
    succeeded_at = case when $2::text is null then now() else succeeded_at end,
    took = now() - started_at, error = $2
where task = $1;

-- name: tasks
select task, every, started_at, succeeded_at, took, error from maintenance order by task;

-- name: jobs
-- What the database runs by itself.
select job, succeeded_at, failures, every from background_jobs() order by job;

-- name: next_roll_up
select next_roll_up(now() - $1::interval);

-- name: roll_up
call roll_up($1);

-- name: late_hours
-- Only whole hours that are rolled up already; the others come with their first time.
select datastream_id, hour, marked_at from late_hour
where hour >= rolled_up_since() and hour <= rolled_up_until() - interval '61 minutes'
order by hour, datastream_id limit $1;

-- name: roll_up_again
call roll_up_again($1, $2);

-- name: unmark
-- What was marked again meanwhile stays marked.
delete from late_hour l
using unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) as d (stream, hour, marked_at)
where l.datastream_id = d.stream and l.hour = d.hour and l.marked_at = d.marked_at;

-- name: late
select count(*) as hours, min(marked_at) as since from late_hour
where hour >= rolled_up_since() and hour <= rolled_up_until() - interval '61 minutes';

-- name: rate
-- Readings a day, measured over the last week of batches; null before there is an hour of them.
select sum(stored) * 86400.0
           / nullif(extract(epoch from max(committed_at) - min(committed_at)), 0)::float8
from batch where committed_at > now() - interval '7 days'
having max(committed_at) - min(committed_at) >= interval '1 hour';

-- name: memory
-- What the server expects to be cached, in bytes.
select pg_size_bytes(current_setting('effective_cache_size'));

-- name: chunk_interval
select chunk_interval();

-- name: set_chunk_interval
select set_chunk_interval($1);

-- Roll-ups by the minute, hour and day as real-time continuous aggregates, each from the finer
-- one, and the columnstore for what has come to rest.
-- Locks: exclusive on reading while its columnstore is set up, which is instant.

create materialized view reading_minute
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select datastream_id, time_bucket(interval '1 minute', time) as bucket,
       count(*) as count, sum(value) as sum, min(value) as min, max(value) as max
from reading group by 1, 2
with no data;

create materialized view reading_hour
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select datastream_id, time_bucket(interval '1 hour', bucket) as bucket,
       sum(count)::bigint as count, sum(sum) as sum, min(min) as min, max(max) as max
from reading_minute group by 1, 2
with no data;

create materialized view reading_day
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select datastream_id, time_bucket(interval '1 day', bucket) as bucket,
       sum(count)::bigint as count, sum(sum) as sum, min(min) as min, max(max) as max
from reading_hour group by 1, 2
with no data;

-- Late readings: the last three days are refreshed as a matter of course. A reading that comes
-- later still invalidates its bucket, and is seen here when that range is refreshed by hand.
select add_continuous_aggregate_policy('reading_minute',
    start_offset => interval '3 days', end_offset => interval '2 minutes',
    schedule_interval => interval '1 minute');
select add_continuous_aggregate_policy('reading_hour',
    start_offset => interval '4 days', end_offset => interval '2 hours',
    schedule_interval => interval '10 minutes');
select add_continuous_aggregate_policy('reading_day',
    start_offset => interval '7 days', end_offset => interval '2 days',
    schedule_interval => interval '1 hour');

alter table reading set (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'datastream_id',
    timescaledb.orderby = 'time desc'
);
call add_columnstore_policy('reading', after => interval '7 days');

create function rollup_minute(streams integer[], since timestamptz, until timestamptz)
returns table (datastream_id integer, bucket timestamptz, count bigint,
               sum double precision, min double precision, max double precision)
language sql stable parallel safe as $$
    select m.datastream_id, m.bucket, m.count, m.sum, m.min, m.max from reading_minute m
    where m.datastream_id = any(streams) and m.bucket >= since and m.bucket < until
$$;

create function rollup_hour(streams integer[], since timestamptz, until timestamptz)
returns table (datastream_id integer, bucket timestamptz, count bigint,
               sum double precision, min double precision, max double precision)
language sql stable parallel safe as $$
    select h.datastream_id, h.bucket, h.count, h.sum, h.min, h.max from reading_hour h
    where h.datastream_id = any(streams) and h.bucket >= since and h.bucket < until
$$;

create function rollup_day(streams integer[], since timestamptz, until timestamptz)
returns table (datastream_id integer, bucket timestamptz, count bigint,
               sum double precision, min double precision, max double precision)
language sql stable parallel safe as $$
    select d.datastream_id, d.bucket, d.count, d.sum, d.min, d.max from reading_day d
    where d.datastream_id = any(streams) and d.bucket >= since and d.bucket < until
$$;

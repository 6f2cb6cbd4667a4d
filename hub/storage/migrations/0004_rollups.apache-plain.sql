-- Roll-ups by the minute, hour and day as views, for databases without continuous aggregates.
-- Locks: none.
--
-- The views are for people. The hub asks the functions: a filter on a view's bucket cannot use
-- the index on time, a function's parameters can, and the planner inlines it like a view.

create view reading_minute as
select datastream_id, date_bin('1 minute', time, '2001-01-01 00:00Z') as bucket,
       count(*) as count, sum(value) as sum, min(value) as min, max(value) as max
from reading group by 1, 2;

create view reading_hour as
select datastream_id, date_bin('1 hour', time, '2001-01-01 00:00Z') as bucket,
       count(*) as count, sum(value) as sum, min(value) as min, max(value) as max
from reading group by 1, 2;

create view reading_day as
select datastream_id, date_bin('1 day', time, '2001-01-01 00:00Z') as bucket,
       count(*) as count, sum(value) as sum, min(value) as min, max(value) as max
from reading group by 1, 2;

create function rollup_minute(streams integer[], since timestamptz, until timestamptz)
returns table (datastream_id integer, bucket timestamptz, count bigint,
               sum double precision, min double precision, max double precision)
language sql stable parallel safe as $$
    select r.datastream_id, date_bin('1 minute', r.time, '2001-01-01 00:00Z'),
           count(*), sum(r.value), min(r.value), max(r.value)
    from reading r
    where r.datastream_id = any(streams) and r.time >= since and r.time < until
    group by 1, 2
$$;

create function rollup_hour(streams integer[], since timestamptz, until timestamptz)
returns table (datastream_id integer, bucket timestamptz, count bigint,
               sum double precision, min double precision, max double precision)
language sql stable parallel safe as $$
    select r.datastream_id, date_bin('1 hour', r.time, '2001-01-01 00:00Z'),
           count(*), sum(r.value), min(r.value), max(r.value)
    from reading r
    where r.datastream_id = any(streams) and r.time >= since and r.time < until
    group by 1, 2
$$;

create function rollup_day(streams integer[], since timestamptz, until timestamptz)
returns table (datastream_id integer, bucket timestamptz, count bigint,
               sum double precision, min double precision, max double precision)
language sql stable parallel safe as $$
    select r.datastream_id, date_bin('1 day', r.time, '2001-01-01 00:00Z'),
           count(*), sum(r.value), min(r.value), max(r.value)
    from reading r
    where r.datastream_id = any(streams) and r.time >= since and r.time < until
    group by 1, 2
$$;

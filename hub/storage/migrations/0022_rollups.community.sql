-- Roll-ups by the minute, hour and day as real-time continuous aggregates with everything that
-- coarser ones need: counts by quality, sum, extremes, first and last. They take the place of the
-- former ones, are filled by their policies, and until then by maintenance.
-- Locks: exclusive on the former aggregates, for an instant.

drop function rollup_minute, rollup_hour, rollup_day;
drop materialized view reading_day;
drop materialized view reading_hour;
drop materialized view reading_minute;

create materialized view reading_minute
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select datastream_id, time_bucket(interval '1 minute', time) as bucket, count(*) as count,
       count(*) filter (where quality = 0) as good,
       count(*) filter (where quality & 1 <> 0) as implausible,
       count(*) filter (where quality & 2 <> 0) as clock_ahead,
       sum(value) as sum, min(value) as min, max(value) as max,
       first(value, time) as first, last(value, time) as last
from reading group by 1, 2
with no data;

create materialized view reading_hour
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select datastream_id, time_bucket(interval '1 hour', bucket) as bucket, sum(count)::bigint as count,
       sum(good)::bigint as good, sum(implausible)::bigint as implausible,
       sum(clock_ahead)::bigint as clock_ahead,
       sum(sum) as sum, min(min) as min, max(max) as max,
       first(first, bucket) as first, last(last, bucket) as last
from reading_minute group by 1, 2
with no data;

create materialized view reading_day
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select datastream_id, time_bucket(interval '1 day', bucket) as bucket, sum(count)::bigint as count,
       sum(good)::bigint as good, sum(implausible)::bigint as implausible,
       sum(clock_ahead)::bigint as clock_ahead,
       sum(sum) as sum, min(min) as min, max(max) as max,
       first(first, bucket) as first, last(last, bucket) as last
from reading_hour group by 1, 2
with no data;

-- Without a beginning: whatever is late is rolled up again at the next run, and a server that was
-- off for a month leaves no gap. Only what was invalidated is read. `shift_refresh` sets a
-- beginning where retention ends what the roll-ups are made from.
select add_continuous_aggregate_policy('reading_minute', start_offset => null,
    end_offset => interval '15 minutes', schedule_interval => interval '5 minutes');
select add_continuous_aggregate_policy('reading_hour', start_offset => null,
    end_offset => interval '1 hour', schedule_interval => interval '30 minutes');
select add_continuous_aggregate_policy('reading_day', start_offset => null,
    end_offset => interval '1 day', schedule_interval => interval '6 hours');

-- Nothing is rolled up before it is 15 minutes old, see the policies. One minute less, and a batch
-- has that minute to commit in.
create function rolled_up_until() returns timestamptz language sql volatile as $$
    select clock_timestamp() - interval '14 minutes'
$$;

create function rollup_minute(streams integer[], since timestamptz, until timestamptz)
returns setof reading_minute language sql stable parallel safe as $$
    select k.* from reading_minute k
    where k.datastream_id = any(streams) and k.bucket >= since and k.bucket < until
      and not exists (
          select from late_hour l where l.datastream_id = k.datastream_id
          and l.hour = time_bucket(interval '1 hour', k.bucket))
    union all
    select c.* from late_hour l cross join lateral (
        select r.datastream_id, time_bucket(interval '1 minute', r.time), count(*),
               count(*) filter (where r.quality = 0), count(*) filter (where r.quality & 1 <> 0),
               count(*) filter (where r.quality & 2 <> 0), sum(r.value), min(r.value),
               max(r.value), first(r.value, r.time), last(r.value, r.time)
        from reading r
        where r.datastream_id = l.datastream_id and r.time >= greatest(since, l.hour)
          and r.time < least(until, l.hour + interval '1 hour')
        group by 1, 2
    ) c
    where l.datastream_id = any(streams) and l.hour > since - interval '1 hour' and l.hour < until
$$;

create function rollup_hour(streams integer[], since timestamptz, until timestamptz)
returns setof reading_hour language sql stable parallel safe as $$
    select k.* from reading_hour k
    where k.datastream_id = any(streams) and k.bucket >= since and k.bucket < until
      and not exists (
          select from late_hour l where l.datastream_id = k.datastream_id and l.hour = k.bucket)
    union all
    select c.* from late_hour l cross join lateral (
        select r.datastream_id, l.hour, count(*),
               count(*) filter (where r.quality = 0), count(*) filter (where r.quality & 1 <> 0),
               count(*) filter (where r.quality & 2 <> 0), sum(r.value), min(r.value),
               max(r.value), first(r.value, r.time), last(r.value, r.time)
        from reading r
        where r.datastream_id = l.datastream_id and r.time >= l.hour
          and r.time < l.hour + interval '1 hour'
        group by 1
    ) c
    where l.datastream_id = any(streams) and l.hour >= since and l.hour < until
$$;

create function rollup_day(streams integer[], since timestamptz, until timestamptz)
returns setof reading_day language sql stable parallel safe as $$
    select k.* from reading_day k
    where k.datastream_id = any(streams) and k.bucket >= since and k.bucket < until
      and not exists (
          select from late_hour l where l.datastream_id = k.datastream_id
          and l.hour >= k.bucket and l.hour < k.bucket + interval '1 day')
    union all
    select c.* from (
        select distinct datastream_id, time_bucket(interval '1 day', hour) as day
        from late_hour
        where datastream_id = any(streams)
          and hour > since - interval '1 day' and hour < until + interval '1 day'
    ) l cross join lateral (
        select h.datastream_id, l.day, sum(h.count)::bigint, sum(h.good)::bigint,
               sum(h.implausible)::bigint, sum(h.clock_ahead)::bigint, sum(h.sum), min(h.min),
               max(h.max), first(h.first, h.bucket), last(h.last, h.bucket)
        from rollup_hour(array[l.datastream_id], l.day, l.day + interval '1 day') h
        group by 1
    ) c
    where l.day >= since and l.day < until
$$;

-- What is there already counts as late, until maintenance has rolled it up.
insert into late_hour
select distinct datastream_id, time_bucket(interval '1 hour', time), clock_timestamp() from reading;

-- Since when everything that a class is made from is still there, for every datastream: a refresh
-- must never look further back. It would find nothing, and keep that.
create function made_since(kept text) returns timestamptz language sql stable as $$
    select max(since) from forgotten
    where class = case kept when 'minute' then 'raw' when 'hour' then 'minute' else 'hour' end
$$;

-- The policies refresh no further back than the shortest retention of what they read.
create function shift_refresh() returns void language plpgsql as $$
declare
    job record;
begin
    for job in
        select j.job_id, j.config, s.begins
        from timescaledb_information.jobs j
        join timescaledb_information.continuous_aggregates c
          on j.hypertable_name = c.materialization_hypertable_name
        join (values
            ('reading_minute', (select min(raw) from retention)),
            ('reading_hour', (select min(minute) from retention)),
            ('reading_day', (select min(hour) from retention))
        ) as s (view, begins) on s.view = c.view_name
        where j.proc_name = 'policy_refresh_continuous_aggregate'
          and (j.config ->> 'start_offset')::interval is distinct from s.begins
    loop
        perform alter_job(job.job_id, config => job.config || jsonb_build_object(
            'start_offset', job.begins::text));
    end loop;
end $$;

-- The policies roll up by themselves: there is nothing to do step by step.
create function next_roll_up(until timestamptz) returns timestamptz language sql stable as $$
    select null::timestamptz
$$;

-- Roll up the readings before `until`, without waiting for the policies. A refresh refuses a window
-- without a whole bucket.
create procedure roll_up(until timestamptz) language plpgsql as $$
declare
    level record;
begin
    for level in
        select kept, since from (values ('minute', interval '1 minute'), ('hour', '1 hour'),
                                        ('day', '1 day')) as l (kept, width)
        cross join lateral made_since(kept) as since
        where since is null
           or time_bucket(width, since + width - interval '1 us') + width <= until
    loop
        call refresh_continuous_aggregate(('reading_' || level.kept)::regclass, level.since, until);
        commit;
    end loop;
end $$;

-- Late hours before this stay marked, and are answered from the readings as long as those are kept.
create function rolled_up_since() returns timestamptz language sql stable as $$
    select coalesce(greatest(made_since('minute'), made_since('day') + interval '1 day'),
                    '-infinity')
$$;

-- Roll up again what late readings changed: these hours, and their days. Only what was invalidated
-- is computed; that it is done for all datastreams together is how continuous aggregates are.
create procedure roll_up_again(streams integer[], hours timestamptz[]) language plpgsql as $$
declare
    first_hours timestamptz[]; last_hours timestamptz[]; days timestamptz[];
begin
    select array_agg(low), array_agg(high + interval '1 hour'), array_agg(day)
    into first_hours, last_hours, days
    from (
        select time_bucket(interval '1 day', hour) as day, min(hour) as low, max(hour) as high
        from unnest(hours) as hour group by 1 order by 1
    ) d;
    for i in 1 .. coalesce(cardinality(days), 0) loop
        call refresh_continuous_aggregate('reading_minute', first_hours[i], last_hours[i]);
        commit;
        call refresh_continuous_aggregate('reading_hour', first_hours[i], last_hours[i]);
        commit;
        -- The day that is not over is not rolled up yet.
        if days[i] + interval '1 day' <= rolled_up_until() - interval '1 minute' then
            call refresh_continuous_aggregate('reading_day', days[i], days[i] + interval '1 day');
            commit;
        end if;
    end loop;
end $$;

create function background_jobs()
returns table (job text, succeeded_at timestamptz, failures bigint, every interval)
language sql stable as $$
    select coalesce(c.view_name, j.hypertable_name) || ': '
               || replace(replace(j.proc_name, 'policy_', ''), '_', ' '),
           nullif(s.last_successful_finish, '-infinity'),
           case when s.last_run_status = 'Success' then 0 else s.total_failures end,
           j.schedule_interval
    from timescaledb_information.jobs j
    left join timescaledb_information.job_stats s using (job_id)
    left join timescaledb_information.continuous_aggregates c
      on j.hypertable_name = c.materialization_hypertable_name
    where j.hypertable_name = 'reading' or c.view_name like 'reading_%'
$$;

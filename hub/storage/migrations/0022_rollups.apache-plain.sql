-- Roll-ups by the minute, hour and day as tables kept by maintenance, for databases without
-- continuous aggregates. What is not rolled up yet is computed when it is asked for.
-- Locks: exclusive on the former views, for an instant.

drop function rollup_minute, rollup_hour, rollup_day;
drop view reading_minute, reading_hour, reading_day;

create table minute_kept (
    datastream_id integer not null,
    bucket        timestamptz not null,
    count         bigint not null,
    good          bigint not null,                  -- quality 0
    implausible   bigint not null,                  -- quality flag 1
    clock_ahead   bigint not null,                  -- quality flag 2
    sum           double precision,
    min           double precision,
    max           double precision,
    first         double precision,
    last          double precision,
    primary key (datastream_id, bucket)
);
create table hour_kept (like minute_kept including all);
create table day_kept (like minute_kept including all);

-- Until when each class is kept in its table. Readings before `settling` mark their hour as late.
create table rollup_progress (
    settling timestamptz not null,
    minute   timestamptz not null,
    hour     timestamptz not null,
    day      timestamptz not null,
    alone    boolean primary key default true check (alone)
);
insert into rollup_progress values ('-infinity', '-infinity', '-infinity', '-infinity');

create function rolled_up_until() returns timestamptz language sql stable as $$
    select settling from rollup_progress
$$;

-- Straight from the readings; the planner inlines it, so that times and datastreams use the index.
create function computed(streams integer[], width interval, since timestamptz, until timestamptz)
returns setof minute_kept language sql stable parallel safe as $$
    select r.datastream_id, date_bin(width, r.time, '2001-01-01 00:00Z'), count(*),
           count(*) filter (where r.quality = 0), count(*) filter (where r.quality & 1 <> 0),
           count(*) filter (where r.quality & 2 <> 0), sum(r.value), min(r.value), max(r.value),
           first(r.value, r.time), last(r.value, r.time)
    from reading r
    where r.datastream_id = any(streams) and r.time >= since and r.time < until
    group by 1, 2
$$;

-- Each of these has three parts: what is kept and not late, what came since, what is late.
create function rollup_minute(streams integer[], since timestamptz, until timestamptz)
returns setof minute_kept language sql stable parallel safe as $$
    select k.* from minute_kept k
    where k.datastream_id = any(streams) and k.bucket >= since and k.bucket < until
      and k.bucket < (select minute from rollup_progress)
      and not exists (
          select from late_hour l where l.datastream_id = k.datastream_id
          and l.hour = date_bin('1 hour', k.bucket, '2001-01-01 00:00Z'))
    union all
    select c.* from rollup_progress p
    cross join lateral computed(streams, '1 minute', greatest(since, p.minute), until) c
    union all
    select c.* from rollup_progress p cross join late_hour l
    cross join lateral computed(array[l.datastream_id], '1 minute', greatest(since, l.hour),
                                least(until, p.minute, l.hour + interval '1 hour')) c
    where l.datastream_id = any(streams) and l.hour > since - interval '1 hour' and l.hour < until
$$;

create function rollup_hour(streams integer[], since timestamptz, until timestamptz)
returns setof minute_kept language sql stable parallel safe as $$
    select k.* from hour_kept k
    where k.datastream_id = any(streams) and k.bucket >= since and k.bucket < until
      and k.bucket < (select hour from rollup_progress)
      and not exists (
          select from late_hour l where l.datastream_id = k.datastream_id and l.hour = k.bucket)
    union all
    select c.* from rollup_progress p
    cross join lateral computed(streams, '1 hour', greatest(since, p.hour), until) c
    union all
    select c.* from rollup_progress p cross join late_hour l
    cross join lateral computed(array[l.datastream_id], '1 hour', l.hour,
                                least(p.hour, l.hour + interval '1 hour')) c
    where l.datastream_id = any(streams) and l.hour >= since and l.hour < until
$$;

create function rollup_day(streams integer[], since timestamptz, until timestamptz)
returns setof minute_kept language sql stable parallel safe as $$
    select k.* from day_kept k
    where k.datastream_id = any(streams) and k.bucket >= since and k.bucket < until
      and k.bucket < (select day from rollup_progress)
      and not exists (
          select from late_hour l where l.datastream_id = k.datastream_id
          and l.hour >= k.bucket and l.hour < k.bucket + interval '1 day')
    union all
    select h.datastream_id, date_bin('1 day', h.bucket, '2001-01-01 00:00Z'), sum(h.count)::bigint,
           sum(h.good)::bigint, sum(h.implausible)::bigint, sum(h.clock_ahead)::bigint, sum(h.sum),
           min(h.min), max(h.max), first(h.first, h.bucket), last(h.last, h.bucket)
    from (
        select f.* from rollup_progress p
        cross join lateral rollup_hour(streams, greatest(since, p.day), until) f
        union all
        select a.* from rollup_progress p cross join (
            select distinct datastream_id, date_bin('1 day', hour, '2001-01-01 00:00Z') as day
            from late_hour
            where datastream_id = any(streams)
              and hour > since - interval '1 day' and hour < until + interval '1 day'
        ) l
        cross join lateral rollup_hour(array[l.datastream_id], l.day,
                                       least(p.day, l.day + interval '1 day')) a
        where l.day >= since and l.day < until
    ) h
    group by 1, 2
$$;

-- For people, and for what reads the database beside the hub.
create view reading_minute as
select k.* from minute_kept k
where k.bucket < (select minute from rollup_progress)
  and not exists (
      select from late_hour l where l.datastream_id = k.datastream_id
      and l.hour = date_bin('1 hour', k.bucket, '2001-01-01 00:00Z'))
union all
select c.* from rollup_progress p
cross join lateral computed(array(select id from datastream), '1 minute', p.minute, 'infinity') c
union all
select c.* from rollup_progress p cross join late_hour l
cross join lateral computed(array[l.datastream_id], '1 minute', l.hour,
                            least(p.minute, l.hour + interval '1 hour')) c;

create view reading_hour as
select k.* from hour_kept k
where k.bucket < (select hour from rollup_progress)
  and not exists (
      select from late_hour l where l.datastream_id = k.datastream_id and l.hour = k.bucket)
union all
select c.* from rollup_progress p
cross join lateral computed(array(select id from datastream), '1 hour', p.hour, 'infinity') c
union all
select c.* from rollup_progress p cross join late_hour l
cross join lateral computed(array[l.datastream_id], '1 hour', l.hour,
                            least(p.hour, l.hour + interval '1 hour')) c;

create view reading_day as
select k.* from day_kept k
where k.bucket < (select day from rollup_progress)
  and not exists (
      select from late_hour l where l.datastream_id = k.datastream_id
      and l.hour >= k.bucket and l.hour < k.bucket + interval '1 day')
union all
select d.* from rollup_progress p
cross join lateral rollup_day(array(select id from datastream), p.day, 'infinity') d
union all
select d.* from rollup_progress p cross join (
    select distinct datastream_id, date_bin('1 day', hour, '2001-01-01 00:00Z') as day
    from late_hour
) l
cross join lateral rollup_day(array[l.datastream_id], l.day,
                              least(p.day, l.day + interval '1 day')) d;

-- Roll up the readings before `until`: minutes, and the hours and days that are whole by then.
create procedure roll_up(until timestamptz) language plpgsql as $$
declare
    p rollup_progress;
    whole_hours timestamptz := date_bin('1 hour', until, '2001-01-01 00:00Z');
    whole_days  timestamptz := date_bin('1 day', until, '2001-01-01 00:00Z');
begin
    -- From this commit on every batch that reaches before `until` marks its hours. What follows
    -- sees every batch that did not.
    perform pg_advisory_xact_lock(hashtextextended('stadsnav.batch_position', 0));
    update rollup_progress set settling = greatest(settling, until);
    commit;
    select * into p from rollup_progress;
    insert into minute_kept
    select r.datastream_id, date_bin('1 minute', r.time, '2001-01-01 00:00Z'), count(*),
           count(*) filter (where r.quality = 0), count(*) filter (where r.quality & 1 <> 0),
           count(*) filter (where r.quality & 2 <> 0), sum(r.value), min(r.value), max(r.value),
           first(r.value, r.time), last(r.value, r.time)
    from reading r where r.time >= p.minute and r.time < until
    group by 1, 2;
    insert into hour_kept
    select m.datastream_id, date_bin('1 hour', m.bucket, '2001-01-01 00:00Z'), sum(m.count),
           sum(m.good), sum(m.implausible), sum(m.clock_ahead), sum(m.sum), min(m.min), max(m.max),
           first(m.first, m.bucket), last(m.last, m.bucket)
    from minute_kept m where m.bucket >= p.hour and m.bucket < whole_hours
    group by 1, 2;
    insert into day_kept
    select h.datastream_id, date_bin('1 day', h.bucket, '2001-01-01 00:00Z'), sum(h.count),
           sum(h.good), sum(h.implausible), sum(h.clock_ahead), sum(h.sum), min(h.min), max(h.max),
           first(h.first, h.bucket), last(h.last, h.bucket)
    from hour_kept h where h.bucket >= p.day and h.bucket < whole_days
    group by 1, 2;
    update rollup_progress
    set minute = greatest(minute, until), hour = greatest(hour, whole_hours),
        day = greatest(day, whole_days);
end $$;

-- Roll up again what late readings changed: these hours of these datastreams, and their days.
create procedure roll_up_again(streams integer[], hours timestamptz[]) language plpgsql as $$
declare
    p rollup_progress;
begin
    select * into p from rollup_progress;
    insert into minute_kept as k
    select c.* from unnest(streams, hours) as l (stream, hour)
    cross join lateral computed(array[l.stream], '1 minute', l.hour,
                                least(p.minute, l.hour + interval '1 hour')) c
    on conflict (datastream_id, bucket) do update set
        (count, good, implausible, clock_ahead, sum, min, max, first, last)
        = row(excluded.count, excluded.good, excluded.implausible, excluded.clock_ahead,
              excluded.sum, excluded.min, excluded.max, excluded.first, excluded.last);
    insert into hour_kept as k
    select c.* from unnest(streams, hours) as l (stream, hour)
    cross join lateral computed(array[l.stream], '1 hour', l.hour,
                                least(p.hour, l.hour + interval '1 hour')) c
    on conflict (datastream_id, bucket) do update set
        (count, good, implausible, clock_ahead, sum, min, max, first, last)
        = row(excluded.count, excluded.good, excluded.implausible, excluded.clock_ahead,
              excluded.sum, excluded.min, excluded.max, excluded.first, excluded.last);
    insert into day_kept as k
    select h.datastream_id, d.day, sum(h.count), sum(h.good), sum(h.implausible),
           sum(h.clock_ahead), sum(h.sum), min(h.min), max(h.max), first(h.first, h.bucket),
           last(h.last, h.bucket)
    from (
        select distinct stream, date_bin('1 day', hour, '2001-01-01 00:00Z') as day
        from unnest(streams, hours) as l (stream, hour)
    ) d
    join hour_kept h on h.datastream_id = d.stream
                    and h.bucket >= d.day and h.bucket < d.day + interval '1 day'
    where d.day < p.day and not exists (            -- of a day in part there is no roll-up again
        select from datastream s join forgotten f on f.property = s.property
        where s.id = d.stream and f.class = 'hour' and f.since > d.day
    )
    group by 1, 2
    on conflict (datastream_id, bucket) do update set
        (count, good, implausible, clock_ahead, sum, min, max, first, last)
        = row(excluded.count, excluded.good, excluded.implausible, excluded.clock_ahead,
              excluded.sum, excluded.min, excluded.max, excluded.first, excluded.last);
end $$;

-- Until when to roll up next, null if there is nothing to do: no more than a day at a time, and no
-- day without readings.
create function next_roll_up(until timestamptz) returns timestamptz language sql stable as $$
    select least(date_bin('1 minute', until, '2001-01-01 00:00Z'),
                 date_bin('1 day', greatest(p.minute, oldest.time), '2001-01-01 00:00Z')
                     + interval '1 day')
    from rollup_progress p
    cross join lateral (select min(time) as time from reading where time >= p.minute) oldest
    where p.minute < date_bin('1 minute', until, '2001-01-01 00:00Z') and oldest.time is not null
$$;

create function rolled_up_since() returns timestamptz language sql immutable as $$
    select timestamptz '-infinity'
$$;

-- Nothing of this runs by itself here.
create function shift_refresh() returns void language sql as $$ select $$;
create function background_jobs()
returns table (job text, succeeded_at timestamptz, failures bigint, every interval)
language sql stable as $$
    select null, null::timestamptz, null::bigint, null::interval where false
$$;

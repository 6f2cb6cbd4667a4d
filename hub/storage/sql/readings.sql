-- name: history_raw
-- One page in the order of the key, so that the next begins where this ended. Positions are
-- rounded before the box looks at them: a box must not find out more than the answer says. Areas
-- belong to the grant, not to the question, and look at the true position.
select r.datastream_id, r.time, r.value, r.text, r.quality,
       case when $6::int is null then r.lon else round(r.lon::numeric, $6)::float8 end as lon,
       case when $6::int is null then r.lat else round(r.lat::numeric, $6)::float8 end as lat
from reading r
where r.datastream_id = any($1::int[])
  and r.time >= $2 and r.time < $3
  and (r.datastream_id, r.time) > ($4::int, $5::timestamptz)
  and ($7::float8 is null or r.datastream_id = any($11::int[])
       or (case when $6::int is null then r.lon else round(r.lon::numeric, $6)::float8 end
               between $7 and $9
           and case when $6::int is null then r.lat else round(r.lat::numeric, $6)::float8 end
               between $8 and $10))
  and (r.datastream_id = any($11::int[])
       or not exists (select from unnest((select $13::text[]::polygon[])) a (area)
                      where (a.area @> point(r.lon, r.lat)) is not true))
order by r.datastream_id, r.time
limit $12;

-- name: history_binned
-- Buckets finer than a minute come from the readings themselves. Of each datastream only what
-- begins at or after its place in $8 is promised to be whole; null promises all.
select r.datastream_id, date_bin($6::interval, r.time, '2001-01-01 00:00Z') as time,
       count(*) as count, avg(r.value) as mean, min(r.value) as min, max(r.value) as max,
       sum(r.value) as sum, first(r.value, r.time) as first, last(r.value, r.time) as last,
       count(*) filter (where r.quality = 0) as good
from reading r
where r.datastream_id = any($1::int[]) and r.time >= $2 and r.time < $3
group by 1, 2
having (r.datastream_id, date_bin($6::interval, r.time, '2001-01-01 00:00Z'))
       > ($4::int, $5::timestamptz)
   and ($8::timestamptz[] is null or date_bin($6::interval, r.time, '2001-01-01 00:00Z')
        >= ($8::timestamptz[])[array_position($1::int[], r.datastream_id)])
order by 1, 2 limit $7;

-- name: history_minute
select m.datastream_id, date_bin($6::interval, m.bucket, '2001-01-01 00:00Z') as time,
       sum(m.count)::bigint as count, sum(m.sum) / sum(m.count) as mean,
       min(m.min) as min, max(m.max) as max, sum(m.sum) as sum,
       first(m.first, m.bucket) as first, last(m.last, m.bucket) as last,
       sum(m.good)::bigint as good
from rollup_minute($1::int[], $2, $3) m
group by 1, 2
having (m.datastream_id, date_bin($6::interval, m.bucket, '2001-01-01 00:00Z'))
       > ($4::int, $5::timestamptz)
   and ($8::timestamptz[] is null or date_bin($6::interval, m.bucket, '2001-01-01 00:00Z')
        >= ($8::timestamptz[])[array_position($1::int[], m.datastream_id)])
order by 1, 2 limit $7;

-- name: history_hour
select h.datastream_id, date_bin($6::interval, h.bucket, '2001-01-01 00:00Z') as time,
       sum(h.count)::bigint as count, sum(h.sum) / sum(h.count) as mean,
       min(h.min) as min, max(h.max) as max, sum(h.sum) as sum,
       first(h.first, h.bucket) as first, last(h.last, h.bucket) as last,
       sum(h.good)::bigint as good
from rollup_hour($1::int[], $2, $3) h
group by 1, 2
having (h.datastream_id, date_bin($6::interval, h.bucket, '2001-01-01 00:00Z'))
       > ($4::int, $5::timestamptz)
   and ($8::timestamptz[] is null or date_bin($6::interval, h.bucket, '2001-01-01 00:00Z')
        >= ($8::timestamptz[])[array_position($1::int[], h.datastream_id)])
order by 1, 2 limit $7;

-- name: history_day
select d.datastream_id, date_bin($6::interval, d.bucket, '2001-01-01 00:00Z') as time,
       sum(d.count)::bigint as count, sum(d.sum) / sum(d.count) as mean,
       min(d.min) as min, max(d.max) as max, sum(d.sum) as sum,
       first(d.first, d.bucket) as first, last(d.last, d.bucket) as last,
       sum(d.good)::bigint as good
from rollup_day($1::int[], $2, $3) d
group by 1, 2
having (d.datastream_id, date_bin($6::interval, d.bucket, '2001-01-01 00:00Z'))
       > ($4::int, $5::timestamptz)
   and ($8::timestamptz[] is null or date_bin($6::interval, d.bucket, '2001-01-01 00:00Z')
        >= ($8::timestamptz[])[array_position($1::int[], d.datastream_id)])
order by 1, 2 limit $7;

-- name: local_minute
-- Buckets of unequal length, such as local days: they begin at $6, the last one ends at $3.
select m.datastream_id, ($6::timestamptz[])[width_bucket(m.bucket, $6::timestamptz[])] as time,
       sum(m.count)::bigint as count, sum(m.sum) / sum(m.count) as mean,
       min(m.min) as min, max(m.max) as max, sum(m.sum) as sum,
       first(m.first, m.bucket) as first, last(m.last, m.bucket) as last,
       sum(m.good)::bigint as good
from rollup_minute($1::int[], $2, $3) m
group by 1, 2
having (m.datastream_id, ($6::timestamptz[])[width_bucket(m.bucket, $6::timestamptz[])])
       > ($4::int, $5::timestamptz)
   and ($8::timestamptz[] is null or ($6::timestamptz[])[width_bucket(m.bucket, $6::timestamptz[])]
        >= ($8::timestamptz[])[array_position($1::int[], m.datastream_id)])
order by 1, 2 limit $7;

-- name: local_hour
select h.datastream_id, ($6::timestamptz[])[width_bucket(h.bucket, $6::timestamptz[])] as time,
       sum(h.count)::bigint as count, sum(h.sum) / sum(h.count) as mean,
       min(h.min) as min, max(h.max) as max, sum(h.sum) as sum,
       first(h.first, h.bucket) as first, last(h.last, h.bucket) as last,
       sum(h.good)::bigint as good
from rollup_hour($1::int[], $2, $3) h
group by 1, 2
having (h.datastream_id, ($6::timestamptz[])[width_bucket(h.bucket, $6::timestamptz[])])
       > ($4::int, $5::timestamptz)
   and ($8::timestamptz[] is null or ($6::timestamptz[])[width_bucket(h.bucket, $6::timestamptz[])]
        >= ($8::timestamptz[])[array_position($1::int[], h.datastream_id)])
order by 1, 2 limit $7;

-- name: grouped_raw
-- Means over groups: of each device a mean, then the mean of those, so that none weighs more than
-- another. A bucket of a group to which fewer devices than $8 contributed is not there.
with member as (
    select * from unnest($1::int[], $2::int[]) as m (datastream_id, grp)
), device as (
    select m.grp, r.datastream_id,
           date_bin($7::interval, r.time, '2001-01-01 00:00Z') as time,
           count(*) as count, avg(r.value) as mean
    from reading r join member m on m.datastream_id = r.datastream_id
    where r.value is not null and r.time >= $3 and r.time < $4
    group by 1, 2, 3
)
select grp, time, sum(count)::bigint, avg(mean), null::float8, null::float8
from device
where mean is not null and (grp, time) > ($5::int, $6::timestamptz)
group by 1, 2 having count(*) >= $8
order by 1, 2 limit $9;

-- name: grouped_minute
with member as (
    select * from unnest($1::int[], $2::int[]) as m (datastream_id, grp)
), device as (
    select m.grp, r.datastream_id,
           date_bin($7::interval, r.bucket, '2001-01-01 00:00Z') as time,
           sum(r.count) as count, sum(r.sum) / nullif(sum(r.count), 0) as mean
    from rollup_minute($1::int[], $3, $4) r join member m on m.datastream_id = r.datastream_id
    group by 1, 2, 3
)
select grp, time, sum(count)::bigint, avg(mean), null::float8, null::float8
from device
where mean is not null and (grp, time) > ($5::int, $6::timestamptz)
group by 1, 2 having count(*) >= $8
order by 1, 2 limit $9;

-- name: grouped_hour
with member as (
    select * from unnest($1::int[], $2::int[]) as m (datastream_id, grp)
), device as (
    select m.grp, r.datastream_id,
           date_bin($7::interval, r.bucket, '2001-01-01 00:00Z') as time,
           sum(r.count) as count, sum(r.sum) / nullif(sum(r.count), 0) as mean
    from rollup_hour($1::int[], $3, $4) r join member m on m.datastream_id = r.datastream_id
    group by 1, 2, 3
)
select grp, time, sum(count)::bigint, avg(mean), null::float8, null::float8
from device
where mean is not null and (grp, time) > ($5::int, $6::timestamptz)
group by 1, 2 having count(*) >= $8
order by 1, 2 limit $9;

-- name: grouped_day
with member as (
    select * from unnest($1::int[], $2::int[]) as m (datastream_id, grp)
), device as (
    select m.grp, r.datastream_id,
           date_bin($7::interval, r.bucket, '2001-01-01 00:00Z') as time,
           sum(r.count) as count, sum(r.sum) / nullif(sum(r.count), 0) as mean
    from rollup_day($1::int[], $3, $4) r join member m on m.datastream_id = r.datastream_id
    group by 1, 2, 3
)
select grp, time, sum(count)::bigint, avg(mean), null::float8, null::float8
from device
where mean is not null and (grp, time) > ($5::int, $6::timestamptz)
group by 1, 2 having count(*) >= $8
order by 1, 2 limit $9;

-- name: latest
-- One look at the end of each datastream's index. Whether an area lets the newest through is told,
-- not filtered: an older one that it would let through is not the newest.
select r.datastream_id, r.time, r.value, r.text, r.quality,
       case when $4::int is null then r.lon else round(r.lon::numeric, $4)::float8 end as lon,
       case when $4::int is null then r.lat else round(r.lat::numeric, $4)::float8 end as lat,
       (r.datastream_id = any($5::int[])
        or not exists (select from unnest((select $6::text[]::polygon[])) a (area)
                       where (a.area @> point(r.lon, r.lat)) is not true)) as is_let_through
from unnest($1::int[]) as s (id)
cross join lateral (
    select * from reading
    where datastream_id = s.id and time >= $2 and time < $3
    order by time desc limit 1
) r;

-- name: batches_after
-- Batches become visible in the order of their positions, so a cursor never misses one.
select position, id, committed_at, first_time, last_time
from batch where position > $1 order by position limit $2;

-- name: of_batches
-- The range of times lets the planner leave out the chunks that these batches never touched.
select r.datastream_id, r.time, r.value, r.text, r.quality,
       case when $6::int is null then r.lon else round(r.lon::numeric, $6)::float8 end as lon,
       case when $6::int is null then r.lat else round(r.lat::numeric, $6)::float8 end as lat
from reading r
where r.batch_id = any($1::bigint[]) and r.datastream_id = any($2::int[])
  and r.time >= $3 and r.time <= $4 and r.time < $5
  and (r.datastream_id = any($7::int[])
       or not exists (select from unnest((select $8::text[]::polygon[])) a (area)
                      where (a.area @> point(r.lon, r.lat)) is not true))
order by r.time, r.datastream_id;

-- name: next_batch_id
-- Taken before the COPY, so that every reading can carry it.
select nextval('batch_id');

-- name: stage
-- Only a batch that met a stored key comes this way. Dropped with the transaction.
create temporary table staged (
    ordinal integer not null, datastream_id integer not null, time timestamptz not null,
    value double precision, text text, quality smallint not null, received_at timestamptz not null,
    lon double precision, lat double precision, batch_id bigint not null
) on commit drop;

-- name: insert_new
-- Of one key within the batch the first wins, or the last where the datastream's rule says so.
insert into reading (datastream_id, time, value, text, quality, received_at, lon, lat, batch_id)
select distinct on (s.datastream_id, s.time)
       s.datastream_id, s.time, s.value, s.text, s.quality, s.received_at, s.lon, s.lat, s.batch_id
from staged s
left join datastream d on d.id = s.datastream_id and d.on_conflict = 'overwrite'
order by s.datastream_id, s.time, case when d.id is null then s.ordinal else -s.ordinal end
on conflict (datastream_id, time) do nothing;

-- name: overwrite_changed
-- The last of a key wins where the datastream's rule says so; equal values stay untouched.
update reading r
set value = s.value, text = s.text, quality = s.quality, received_at = s.received_at,
    lon = s.lon, lat = s.lat, batch_id = s.batch_id
from (
    select distinct on (staged.datastream_id, staged.time) staged.*
    from staged
    join datastream d on d.id = staged.datastream_id and d.on_conflict = 'overwrite'
    order by staged.datastream_id, staged.time, staged.ordinal desc
) s
where r.datastream_id = s.datastream_id and r.time = s.time
  and (r.value, r.text, r.quality, r.lon, r.lat)
      is distinct from (s.value, s.text, s.quality, s.lon, s.lat);

-- name: close_batch
select close_batch($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: ensure_connector
insert into connector (id) values ($1) on conflict (id) do nothing;

-- name: totals
select id, messages, received, stored, duplicates, rejected, last_message_at
from connector order by id;

-- name: broken_batch
-- The first batch whose ledger row does not account for what it says it received.
select position from batch
where received <> stored + duplicates + rejected or overwritten > stored
order by position limit 1;

-- name: newest_position
select coalesce(max(position), 0) from batch;

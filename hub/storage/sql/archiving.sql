-- name: oldest
-- By the ledger: to look at every datastream's first reading would take longer.
select min(first_time) from batch where stored > 0;

-- name: touched
select exists (select from batch where committed_at > $3 and stored > 0
                                   and first_time < $2 and last_time >= $1);

-- name: forgotten
select exists (select from forgotten where class = 'raw' and since > $1);

-- name: organisations
select distinct organisation as id from device order by 1;

-- name: streams
select s.id, s.device, d.kind, s.property, p.unit, d.moving
from datastream s join device d on d.id = s.device join observed_property p on p.id = s.property
where d.organisation = $1;

-- name: page
select datastream_id, time, value, text, quality, received_at, lon, lat
from reading
where datastream_id = any($1::int[]) and time >= $2 and time < $3
  and (datastream_id, time) > ($4::int, $5::timestamptz)
order by datastream_id, time limit $6;

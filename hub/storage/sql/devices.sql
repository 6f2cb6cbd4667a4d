-- name: file
select id, organisation, kind, name, lon, lat, moving, state, quarantine_reason, tags, changed_at
from device where id = $1;

-- name: lock
-- Two people who act at once act one after the other.
select 1 from device where id = $1 for update;

-- name: listed
select d.id, d.organisation, d.kind, d.name, d.lon, d.lat, d.moving, d.state, d.quarantine_reason,
       d.tags, d.changed_at,
       coalesce((select array_agg(s.property order by s.property)
                 from datastream s where s.device = d.id), '{}') as properties
from device d
where ($1::text is null or d.organisation = $1) and ($2::text is null or d.state = $2)
  and d.id > $3
order by d.id limit $4;

-- name: taken
select id from device where id = any($1::text[]);

-- name: unknown
-- What is referred to and not registered.
select 'organisation' as kind, 'organisation' as command, wanted as id
from unnest($1::text[]) as wanted
where not exists (select from organisation o where o.id = wanted)
union all
select 'observed property', 'property', wanted from unnest($2::text[]) as wanted
where not exists (select from observed_property p where p.id = wanted);

-- name: insert_many
-- Tags come joined: an array of arrays cannot have rows of different lengths.
insert into device (id, organisation, kind, name, lon, lat, moving, state, tags)
select id, organisation, kind, name, lon, lat, moving, state,
       case when tags = '' then '{}' else string_to_array(tags, E'\x1f') end
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[],
            $7::boolean[], $8::text[], $9::text[])
    as new (id, organisation, kind, name, lon, lat, moving, state, tags);

-- name: insert_streams
insert into datastream (device, property, on_conflict)
select * from unnest($1::text[], $2::text[], $3::text[])
on conflict (device, property) do nothing;

-- name: credentials
select device, slot, hash, created_at, expires_at from device_credential
where device = $1 order by created_at;

-- name: put_credentials
insert into device_credential (device, slot, hash, created_at, expires_at)
select * from unnest($1::text[], $2::smallint[], $3::text[], $4::timestamptz[], $5::timestamptz[])
on conflict (device, slot) do update set hash = excluded.hash, created_at = excluded.created_at,
                                         expires_at = excluded.expires_at;

-- name: end_credentials
delete from device_credential where device = $1 returning slot;

-- name: save
update device set state = $2, quarantine_reason = $3, changed_at = $4 where id = $1;

-- name: set_tags
update device set tags = $2 where id = $1 returning organisation;

-- name: devices
-- Everything acceptance needs of a device, one row per datastream (or one without).
select d.id as device, d.state, d.moving, d.receipts, d.organisation,
       s.id as datastream, s.property, p.kind, p.low, p.high, p.unit
from device d
left join datastream s on s.device = d.id
left join observed_property p on p.id = s.property
order by d.id;

-- name: connector_rule
select on_unknown, organisation from connector where id = $1;

-- name: credentials
-- What the broker must know: devices that may report, with the hashes of their passwords.
select c.device, c.slot, c.hash, c.expires_at
from device_credential c join device d on d.id = c.device
where d.state in ('planned', 'active', 'maintenance')
  and (c.expires_at is null or c.expires_at > now())
order by c.device, c.slot;

-- name: shut_out
-- Devices that may not report, whatever credential they have.
select id from device where state not in ('planned', 'active', 'maintenance') order by id;

-- name: credential
select c.slot, c.hash
from device_credential c join device d on d.id = c.device
where c.device = $1 and d.state in ('planned', 'active', 'maintenance')
  and (c.expires_at is null or c.expires_at > now())
order by c.slot;

-- name: state
select state from device where id = $1;

-- name: organisation_of_device
select organisation from device where id = $1;

-- name: insert_organisation
insert into organisation (id, name) values ($1, $2) on conflict (id) do nothing returning id;

-- name: organisations
select o.id, o.name,
       (select count(*) from device d where d.organisation = o.id) as devices,
       (select count(*) from feed f where f.organisation = o.id) as feeds
from organisation o order by o.id;

-- name: insert_property
insert into observed_property (id, name, unit, definition, kind, low, high)
values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing returning id;

-- name: properties
select id, name, unit, definition, kind, low, high from observed_property order by id;

-- name: insert_device
insert into device (id, organisation, kind, name, lon, lat, moving, state)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do nothing returning id;

-- name: insert_datastreams
insert into datastream (device, property, on_conflict)
select $1, unnest($2::text[]), $3 on conflict (device, property) do nothing;

-- name: set_credential
with former as (delete from device_credential where device = $1 and slot <> 1)
insert into device_credential (device, hash) values ($1, $2)
on conflict (device, slot) do update
    set hash = excluded.hash, created_at = now(), expires_at = null;

-- name: set_receipts
update device set receipts = $2 where id = $1 returning id;

-- name: set_connector_rule
insert into connector (id, on_unknown, organisation) values ($1, $2, $3)
on conflict (id) do update set on_unknown = excluded.on_unknown,
                               organisation = excluded.organisation;

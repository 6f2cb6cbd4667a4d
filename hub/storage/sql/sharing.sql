-- name: feed
select id, organisation, title, description, licence, state, devices, kinds, properties, listed,
       tags, area, title_en, description_en, retires_at, confidentiality, read_log
from feed where id = $1;

-- name: readable_feeds
-- Candidates only: what may really be read is decided by hub.sharing.access.
select id, organisation, title, description, licence, state, devices, kinds, properties, listed,
       tags, area, title_en, description_en, retires_at, confidentiality, read_log
from feed f
where f.organisation = $1
   or exists (select 1 from agreement a where a.feed = f.id and a.state = 'active'
                                          and a.consumer in ($1, 'public'))
order by f.id;

-- name: agreements
-- The agreements that could give an organisation a right to any of these feeds.
select id, feed, consumer, state, purpose, legal_basis, valid_from, valid_until, properties,
       finest_resolution, delay, position_decimals, history, area, min_group
from agreement
where feed = any($1::text[]) and consumer in ($2, 'public') and state = 'active'
order by id;

-- name: agreements_about
-- A draft is its side's own affair; what is only negotiated begins when it is activated.
select id, feed, consumer, state, purpose, legal_basis, coalesce(valid_from, now()) as valid_from,
       valid_until, properties, finest_resolution, delay, position_decimals, history, area,
       min_group
from agreement
where feed = $1 and consumer in ($2, 'public') and state <> 'draft'
order by id;

-- name: application
select id, organisation, scopes from application where id = $1;

-- name: all_feeds
select id, organisation, title, description, licence, state, devices, kinds, properties, listed,
       tags, area, title_en, description_en, retires_at, confidentiality, read_log
from feed order by id;

-- name: listed_feeds
-- What may be asked for by those who have no right to it yet.
select id, organisation, title, description, licence, state, devices, kinds, properties, listed,
       tags, area, title_en, description_en, retires_at, confidentiality, read_log
from feed where listed and state in ('published', 'deprecated') order by id;

-- name: all_agreements
select id, feed, consumer, state, purpose, legal_basis, valid_from, valid_until, properties,
       finest_resolution, delay, position_decimals, history, area,
       min_group
from agreement order by id;

-- name: insert_feed
insert into feed (id, organisation, title, description, licence, state, devices, kinds, properties,
                  listed, tags, area, title_en, description_en)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) on conflict (id) do nothing returning id;

-- name: insert_agreement
insert into agreement (feed, consumer, state, purpose, legal_basis, valid_from, valid_until,
                       properties, finest_resolution, delay, position_decimals, history, area,
                       min_group)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) returning id;

-- name: set_agreement_state
update agreement set state = $2 where id = $1 returning id;

-- name: parties
select f.organisation as provider, a.consumer
from agreement a join feed f on f.id = a.feed where a.id = $1;

-- name: feed_datastreams
-- A feed's selection, as it is now: devices that match later join by themselves. Its area is
-- looked at by hub.sharing.shaping, together with that of the agreement.
select s.id, s.device, d.name as device_name, d.kind, s.property, p.unit, d.lon, d.lat, d.moving
from feed f
join device d on d.organisation = f.organisation
             and d.state <> 'decommissioned'
             and (f.devices is null or d.id = any(f.devices))
             and (f.kinds is null or d.kind = any(f.kinds))
             and (f.tags is null or d.tags && f.tags)
join datastream s on s.device = d.id and (f.properties is null or s.property = any(f.properties))
join observed_property p on p.id = s.property
where f.id = $1
order by s.id;

-- name: insert_application
insert into application (id, organisation, name, scopes)
values ($1, $2, $3, $4) on conflict (id) do nothing returning id;

-- name: insert_key
insert into api_key (prefix, application, hash, expires_at) values ($1, $2, $3, $4);

-- name: key
-- A key of an application has scopes, one of a person has the roles of that person.
select k.hash, k.state, k.expires_at, a.id as application, k.person,
       coalesce(a.organisation, k.organisation) as organisation,
       coalesce(a.scopes, '{}') as scopes, coalesce(m.roles, '{}') as roles
from api_key k
left join application a on a.id = k.application
left join membership m on m.person = k.person and m.organisation = k.organisation
where k.prefix = $1;

-- name: revoke_key
update api_key set state = 'revoked' where prefix = $1 returning prefix;

-- name: list_keys
select k.prefix, coalesce(a.id, k.person) as holder,
       coalesce(a.organisation, k.organisation) as organisation,
       coalesce(a.scopes, m.roles) as scopes, k.state, k.created_at, k.expires_at
from api_key k
left join application a on a.id = k.application
left join membership m on m.person = k.person and m.organisation = k.organisation
order by 3, k.created_at;

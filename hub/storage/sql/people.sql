-- name: insert_person
insert into person (id, name, email) values ($1, $2, $3) on conflict do nothing returning id;

-- name: set_roles
insert into membership (person, organisation, roles) values ($1, $2, $3)
on conflict (person, organisation) do update set roles = excluded.roles;

-- name: remove_membership
-- The keys go with it.
delete from membership where person = $1 and organisation = $2 returning person;

-- name: people
select p.id, p.name, p.email, m.organisation, m.roles
from person p left join membership m on m.person = p.id
order by p.id, m.organisation;

-- name: insert_person_key
insert into api_key (prefix, person, organisation, hash, expires_at) values ($1, $2, $3, $4, $5);

-- name: file
select id, organisation, title, description, licence, state, devices, kinds, properties, listed,
       tags, area, title_en, description_en, retires_at, confidentiality, contacts, integrity,
       availability, classified_by, classified_at, classified_under, classify_again_at,
       information_owner, operator, support, service_level, budget_line, read_log
from feed where id = $1;

-- name: lock_feed
-- Two people who act at once act one after the other.
select 1 from feed where id = $1 for update;

-- name: save_file
update feed set
    title = $2, description = $3, licence = $4, state = $5, devices = $6, kinds = $7,
    properties = $8, listed = $9, tags = $10, area = $11, title_en = $12, description_en = $13,
    retires_at = $14, confidentiality = $15, contacts = $16, integrity = $17, availability = $18,
    classified_by = $19, classified_at = $20, classified_under = $21, classify_again_at = $22,
    information_owner = $23, operator = $24, support = $25, service_level = $26,
    budget_line = $27, read_log = $28, changed_at = now()
where id = $1;

-- name: consumers
-- Those whose right to a feed is in force or rests.
select distinct consumer from agreement
where feed = $1 and state in ('active', 'suspended') order by consumer;

-- name: of_owner
select id from feed where organisation = $1 and ($2::text is null or state = $2) and id > $3
order by id limit $4;

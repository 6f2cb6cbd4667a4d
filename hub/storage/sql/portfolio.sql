-- name: areas
select id, name, name_en, description,
       array(select person from business_area_steward where area = a.id order by 1) as stewards,
       array(select organisation from business_area_organisation where area = a.id order by 1)
           as organisations,
       array(select feed from business_area_feed where area = a.id order by 1) as feeds
from business_area a where $1::text is null or id = $1 order by id;

-- name: lock_area
select 1 from business_area where id = $1 for update;

-- name: put_area
insert into business_area (id, name, name_en, description) values ($1, $2, $3, $4)
on conflict (id) do update set
    name = excluded.name, name_en = excluded.name_en, description = excluded.description;

-- name: set_stewards
with gone as (delete from business_area_steward where area = $1 and person <> all($2::text[]))
insert into business_area_steward (area, person) select $1, unnest($2::text[])
on conflict do nothing;

-- name: set_organisations
with gone as (
    delete from business_area_organisation where area = $1 and organisation <> all($2::text[])
)
insert into business_area_organisation (area, organisation) select $1, unnest($2::text[])
on conflict do nothing;

-- name: set_feeds
with gone as (delete from business_area_feed where area = $1 and feed <> all($2::text[]))
insert into business_area_feed (area, feed) select $1, unnest($2::text[])
on conflict do nothing;

-- name: owners_in
-- Whose the feeds of an area are.
select distinct f.organisation from business_area_feed b join feed f on f.id = b.feed
where b.area = $1;

-- name: proposals
select id, area, kind, title, need, organisation, submitted_by, submitted_at, feed, state,
       assessment, priority, answer, decision
from proposal
where ($1::text is null or area = $1) and ($2::text is null or state = $2)
  and ($3::text is null or organisation = $3) and id > $4
order by id limit $5;

-- name: proposal
select id, area, kind, title, need, organisation, submitted_by, submitted_at, feed, state,
       assessment, priority, answer, decision
from proposal where id = $1;

-- name: lock_proposal
select 1 from proposal where id = $1 for update;

-- name: insert_proposal
insert into proposal (area, kind, title, need, organisation, submitted_by, submitted_at, feed)
values ($1, $2, $3, $4, $5, $6, $7, $8) returning id;

-- name: save_proposal
update proposal set state = $2, assessment = $3, priority = $4, answer = $5, decision = $6
where id = $1;

-- name: decisions
select d.id, d.area, d.reference, d.title, d.text, d.decided_on,
       array(select name from decision_member where decision = d.id order by place) as names,
       array(select organisation from decision_member where decision = d.id order by place)
           as organisations
from decision d
where ($1::bigint is null or d.id = $1) and ($2::text is null or d.reference = $2)
  and ($3::text is null or d.area = $3) and d.id > $4
order by d.id limit $5;

-- name: lock_reference
-- Two who record the same decision at once: the second finds it recorded.
select pg_advisory_xact_lock(hashtextextended('stadsnav.decision.' || $1, 0));

-- name: insert_decision
insert into decision (area, reference, title, text, decided_on) values ($1, $2, $3, $4, $5)
returning id;

-- name: insert_members
insert into decision_member (decision, place, name, organisation)
select $1, place, name, organisation
from unnest($2::text[], $3::text[]) with ordinality as u (name, organisation, place);

-- name: platforms
select id, name, organisation, description, supplier, contract_until, area, state, assessment,
       into_platform, decision
from platform
where ($1::text is null or id = $1) and ($2::text is null or organisation = $2)
  and ($3::text is null or area = $3) and ($4::text is null or state = $4) and id > $5
order by id limit $6;

-- name: lock_platforms
-- One at a time concludes: none may be consolidated into one that goes itself.
select pg_advisory_xact_lock(hashtextextended('stadsnav.platforms', 0));

-- name: into
select id from platform where into_platform = $1 order by id;

-- name: put_platform
insert into platform (id, name, organisation, description, supplier, contract_until, area, state,
                      assessment, into_platform, decision)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (id) do update set
    name = excluded.name, description = excluded.description, supplier = excluded.supplier,
    contract_until = excluded.contract_until, area = excluded.area, state = excluded.state,
    assessment = excluded.assessment, into_platform = excluded.into_platform,
    decision = excluded.decision;

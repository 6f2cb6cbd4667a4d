-- name: dossier
select a.id, a.series, a.version, a.feed, f.organisation as provider, a.consumer, a.state,
       a.drafted_by, a.purpose, a.legal_basis, a.valid_from, a.valid_until, a.properties,
       a.finest_resolution, a.delay, a.position_decimals, a.history, a.review_at, a.notice,
       a.onward_sharing, a.cost_share, a.decision, a.provider_approver, a.consumer_approver,
       a.notice_given_at, a.area, a.min_group
from agreement a join feed f on f.id = a.feed
where a.id = $1;

-- name: lock_dossier
-- Two people who act at once act one after the other.
select 1 from agreement where series = (select series from agreement where id = $1) for update;

-- name: in_force
-- At most one by the unique index, and the suspended ones of the same pair.
select id from agreement
where feed = $1 and consumer = $2 and state in ('active', 'suspended') order by id;

-- name: open_version
-- The other side's draft is its own affair.
select id from agreement
where series = $1 and (state in ('requested', 'offered', 'agreed')
                       or (state = 'draft' and drafted_by = $2))
limit 1;

-- name: newest_version
select max(version) from agreement where series = $1;

-- name: of_organisation
select a.id from agreement a join feed f on f.id = a.feed
where (f.organisation = $1 or a.consumer = $1)
  and (a.state <> 'draft'
       or (a.drafted_by = 'provider' and f.organisation = $1)
       or (a.drafted_by = 'consumer' and a.consumer = $1))
  and ($2::text is null or a.state = $2) and ($3::text is null or a.feed = $3) and a.id > $4
order by a.id limit $5;

-- name: ran_out
select id from agreement
where state in ('active', 'suspended') and valid_until <= $1 order by id limit $2;

-- name: insert_dossier
insert into agreement (series, version, feed, consumer, state, drafted_by, purpose, legal_basis,
                       valid_from, valid_until, properties, finest_resolution, delay,
                       position_decimals, history, review_at, notice, onward_sharing, cost_share,
                       decision, area, min_group)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22)
returning id;

-- name: save_dossier
update agreement set
    state = $2, purpose = $3, legal_basis = $4, valid_from = $5, valid_until = $6,
    properties = $7, finest_resolution = $8, delay = $9, position_decimals = $10, history = $11,
    review_at = $12, notice = $13, onward_sharing = $14, cost_share = $15, decision = $16,
    area = $17, min_group = $18, provider_approver = $19, consumer_approver = $20,
    notice_given_at = $21,
    changed_at = now()
where id = $1;

-- name: to_be_reminded
-- What ends or is to be looked at before $1, and has not been told of that date yet.
select id, valid_until, review_at,
       coalesce(valid_until <= $1 and reminded_of_end is distinct from valid_until, false) as ends,
       coalesce(review_at <= $1 and reminded_of_review is distinct from review_at, false) as review
from agreement
where state in ('active', 'suspended')
  and ((valid_until <= $1 and reminded_of_end is distinct from valid_until)
       or (review_at <= $1 and reminded_of_review is distinct from review_at))
order by id limit $2 for update skip locked;

-- name: reminded
update agreement set reminded_of_end = valid_until, reminded_of_review = review_at where id = $1;

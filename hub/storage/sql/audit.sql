-- name: lock_chain
-- Held until the commit: events become visible in the order of their positions.
select pg_advisory_xact_lock(hashtextextended('stadsnav.audit', 0));

-- name: newest
select position, hash from audit_event order by position desc limit 1;

-- name: append
insert into audit_event (position, at, actor, organisation, action, subject, organisations, reason,
                         decision, detail, previous, hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: from_position
select position, at, actor, organisation, action, subject, organisations, reason, decision, detail,
       previous, hash
from audit_event where position > $1 order by position limit $2;

-- name: seen_by
-- Newest first; without an organisation, everything.
select position, at, actor, organisation, action, subject, reason, decision, detail
from audit_event
where ($1::text is null or organisations @> array[$1]) and ($2::text is null or subject = $2)
  and position < $3
order by position desc limit $4;

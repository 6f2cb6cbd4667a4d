-- name: lock_chain
-- Held until the commit: events become visible in the order of their positions.
select pg_advisory_xact_lock(hashtextextended('stadsnav.audit', 0));

-- name: newest
select position, hash from audit_event order by position desc limit 1;

-- name: from_position
select position, at, actor, organisation, action, subject, organisations, reason, decision, detail,
       previous, hash
from audit_event where position > $1 order by position limit $2;

-- name: seen_by
-- Newest first; without an organisation, everything.
select position, at, actor, organisation, action, subject, reason, decision, detail
from audit_event
where ($1::text is null or organisations @> array[$1]) and ($2::text is null or subject = $2)
  and position < $3 and ($5::text is null or action = $5)
order by position desc limit $4;

-- name: append
-- In the order of their positions; organisations joined by U+001F.
insert into audit_event (position, at, actor, organisation, action, subject, organisations, reason,
                         decision, detail, previous, hash)
select p, t, a, o, c, s, string_to_array(g, E'\x1f'), r, d, e, v, h
from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::bytea[])
     as u (p, t, a, o, c, s, g, r, d, e, v, h);

-- name: one
select position, at, actor, organisation, action, subject, organisations, reason, decision, detail,
       previous, hash
from audit_event where position = $1;

-- name: hashes
select hash from audit_event where position between $1 and $2 order by position;

-- name: lock_anchors
-- One at a time writes outside.
select pg_advisory_xact_lock(hashtextextended('stadsnav.audit.anchors', 0));

-- name: newest_anchor
select line from audit_anchor order by number desc limit 1;

-- name: anchors
select line from audit_anchor order by number;

-- name: anchor_of
-- The anchors follow one another, so the first that ends at or after an event is the one.
select line from audit_anchor where last >= $1 order by last limit 1;

-- name: add_anchor
insert into audit_anchor (number, last, line) values ($1, $2, $3);

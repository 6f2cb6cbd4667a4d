-- name: lock
-- Two requests with one key at the same time: the second waits and is answered like the first.
select pg_advisory_xact_lock(hashtextextended('stadsnav.idempotency.' || $1, 0));

-- name: find
select request, status, body from idempotency
where actor = $1 and key = $2 and created_at > now() - interval '24 hours';

-- name: remember
insert into idempotency (actor, key, request, status, body) values ($1, $2, $3, $4, $5)
on conflict (actor, key) do update set
    request = excluded.request, status = excluded.status, body = excluded.body,
    created_at = now();

-- name: forget
-- Nobody is answered from these any more.
delete from idempotency
where (actor, key) in (
    select actor, key from idempotency where created_at <= now() - interval '24 hours'
    order by created_at limit $1
);

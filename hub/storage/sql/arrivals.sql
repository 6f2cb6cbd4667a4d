-- name: lock_session
-- A process that was killed while its COMMIT was under way commits nevertheless. The next one waits
-- for that here, or it would not know the arrivals that are about to become visible.
select pg_advisory_xact_lock(hashtextextended('stadsnav.session.' || $1, 0));

-- name: remember
-- A packet id is used again and again: its row with it.
insert into arrival (session, packet_id, digest, received_at, batch_id)
select s, p, d, t, $5 from unnest($1::text[], $2::int[], $3::bytea[], $4::timestamptz[])
                           as arrived (s, p, d, t)
on conflict (session, packet_id) do update
set digest = excluded.digest, received_at = excluded.received_at, batch_id = excluded.batch_id;

-- name: newest
-- Oldest first, as they would have been remembered.
select session, packet_id, digest, received_at
from (select * from arrival where session = $1 order by batch_id desc, received_at desc limit $2) a
order by batch_id, received_at;

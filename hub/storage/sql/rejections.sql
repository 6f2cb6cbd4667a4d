-- name: listed
-- Newest first; a page ends where the next begins, by id.
select id, received_at, connector, topic, reason, readings, detail, payload_bytes
from rejection
where ($1::bigint is null or id = $1)
  and ($2::text is null or reason = $2)
  and ($3::text is null or connector = $3)
  and ($4::text is null or topic = $4 or starts_with(topic, $4 || '/+'))
  and received_at >= $5 and received_at < $6 and id < $7
order by id desc limit $8;

-- name: whole
select id, received_at, connector, topic, reason, readings, detail, payload_bytes, payload
from rejection where id = $1;

-- name: count
select count(*) from rejection
where ($1::bigint is null or id = $1)
  and ($2::text is null or reason = $2)
  and ($3::text is null or connector = $3)
  and ($4::text is null or topic = $4 or starts_with(topic, $4 || '/+'))
  and received_at >= $5 and received_at < $6 and id > $7 and id <= $8;

-- name: replayable
-- Messages, each once, oldest first; locked, so that two replays at once never take the same. Not
-- those whose payload was kept in part only, and no retained copies: they say nothing new.
select id, batch_id, topic, received_at, payload
from rejection
where ($1::bigint is null or id = $1)
  and ($2::text is null or reason = $2)
  and ($3::text is null or connector = $3)
  and ($4::text is null or topic = $4 or starts_with(topic, $4 || '/+'))
  and received_at >= $5 and received_at < $6 and id > $7 and id <= $8
  and octet_length(payload) = payload_bytes and reason <> 'retained'
order by id limit $9
for update skip locked;

-- name: newest_id
select coalesce(max(id), 0) from rejection;

-- name: forget_message
-- Everything that one message had been rejected for: replaying it says so anew.
delete from rejection where batch_id = $1 and topic = $2 and received_at = $3;

-- name: forget_before
-- In steps, so that no transaction grows with what has piled up.
delete from rejection
where id in (select id from rejection where received_at < $1 order by received_at limit $2);

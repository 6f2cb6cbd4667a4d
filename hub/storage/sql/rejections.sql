-- name: listed
-- Newest first; a page ends where the next begins, by id.
select id, received_at, connector, topic, reason, readings, detail, payload_bytes
from rejection
where ($1::text is null or reason = $1)
  and ($2::text is null or connector = $2)
  and ($3::text is null or topic = 'v1/devices/' || $3 || '/readings')
  and received_at >= $4 and received_at < $5 and id < $6
order by id desc limit $7;

-- name: replayable
-- Messages, each once, oldest first; locked, so that two replays at once never take the same. Not
-- those whose payload was kept in part only, and no retained copies: they say nothing new.
select id, batch_id, topic, received_at, payload
from rejection
where ($1::text is null or reason = $1)
  and ($2::text is null or connector = $2)
  and ($3::text is null or topic = 'v1/devices/' || $3 || '/readings')
  and received_at >= $4 and received_at < $5 and id > $6
  and octet_length(payload) = payload_bytes and reason <> 'retained'
order by id limit $7
for update skip locked;

-- name: forget_message
-- Everything that one message had been rejected for: replaying it says so anew.
delete from rejection where batch_id = $1 and topic = $2 and received_at = $3;

-- name: forget_before
delete from rejection where received_at < $1;

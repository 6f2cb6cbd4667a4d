-- name: newest
select id, received_at, connector, topic, reason, readings, detail
from rejection order by id desc limit $1;

-- name: rules
-- The row without a property is for all that have none of their own.
select property, raw, minute, hour, day from retention order by property nulls first;

-- name: rule_of_each
-- What is kept how long of every observed property, and before when it is forgotten already.
select p.id as property, k.class, k.length, f.since
from observed_property p
left join retention own on own.property = p.id
left join retention other on other.property is null and own.property is null
cross join lateral (values
    ('raw', coalesce(own.raw, other.raw)), ('minute', coalesce(own.minute, other.minute)),
    ('hour', coalesce(own.hour, other.hour)), ('day', coalesce(own.day, other.day))
) as k (class, length)
left join forgotten f on f.property = p.id and f.class = k.class
order by 1, 2;

-- name: set_rule
insert into retention (property, raw, minute, hour, day) values ($1, $2, $3, $4, $5)
on conflict (property) do update set
    raw = excluded.raw, minute = excluded.minute, hour = excluded.hour, day = excluded.day;

-- name: unset_rule
delete from retention where property is not distinct from $1;

-- name: shift_refresh
select shift_refresh();

-- name: forgotten
select property, class, since from forgotten;

-- name: lock_positions
-- The lock of close_batch: batches before it are committed and seen, those after it look again.
select pg_advisory_xact_lock(hashtextextended('stadsnav.batch_position', 0));

-- name: forget
insert into forgotten (property, class, since) values ($1, $2, $3)
on conflict (property, class) do update set since = greatest(forgotten.since, excluded.since);

-- name: streams_of
select id from datastream where property = $1 order by id;

-- name: drop_forgotten
select drop_forgotten($1, $2);

-- name: oldest_kept
select oldest_kept($1, $2);

-- name: delete_kept
select delete_kept($1, $2, $3, $4);

-- name: forget_marks
-- Without its readings a late hour cannot be rolled up again.
delete from late_hour where datastream_id = any($1::int[]) and hour < $2;

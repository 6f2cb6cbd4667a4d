-- name: connectors
-- Totals since ever; rate and lag from the batches of the last minute.
select c.id, c.messages, c.received, c.stored, c.duplicates, c.rejected, c.last_message_at,
       c.on_unknown, c.organisation,
       coalesce(lately.received, 0) / 60.0 as rate_per_s, lately.lag_s
from connector c
left join lateral (
    select sum(b.received)::float8 as received,
           max(extract(epoch from b.committed_at - b.last_time))::float8 as lag_s
    from batch b
    where b.connector = c.id and b.committed_at > now() - interval '1 minute'
) lately on true
order by c.id;

-- name: rejected_by_reason
-- One day is what an operator looks at; the totals never forget.
select connector, reason, sum(readings)::bigint as readings
from rejection where received_at > now() - interval '1 day'
group by 1, 2 order by 1, 2;

-- name: processes
-- Who has not reported for three intervals is gone, however it left.
select connector, client_id, connected and reported_at > now() - interval '15 s' as connected,
       in_flight, qos0_dropped, reported_at
from ingest_process where reported_at > now() - interval '1 day'
order by connector, client_id;

-- name: report_process
insert into ingest_process (client_id, connector, connected, in_flight, qos0_dropped, reported_at)
values ($1, $2, $3, $4, $5, now())
on conflict (client_id) do update set
    connector = excluded.connector, connected = excluded.connected,
    in_flight = excluded.in_flight, qos0_dropped = excluded.qos0_dropped,
    reported_at = excluded.reported_at;

-- name: audit_totals
-- What the batches of a period say, per connector.
select connector, count(*) as batches, sum(messages)::bigint as messages,
       sum(received)::bigint as received, sum(stored)::bigint as stored,
       sum(overwritten)::bigint as overwritten, sum(duplicates)::bigint as duplicates,
       sum(rejected)::bigint as rejected
from batch where committed_at >= $1 and committed_at < $2
group by connector order by connector;

-- name: audit_first_fault
-- The first batch of a period that does not add up: by its own row, by the rejections that carry
-- its id, or by readings that carry its id though it says it stored fewer. Fewer readings than
-- stored are no fault: a later batch may have overwritten them, retention may have ended them.
select b.position, b.connector, b.committed_at, b.received, b.stored, b.duplicates, b.rejected,
       r.readings as rejections_kept, n.readings as readings_kept
from batch b
cross join lateral (
    select coalesce(sum(readings), 0)::bigint as readings from rejection where batch_id = b.id
) r
cross join lateral (select count(*) as readings from reading where batch_id = b.id) n
where b.committed_at >= $1 and b.committed_at < $2
  and (b.received <> b.stored + b.duplicates + b.rejected
       or r.readings > b.rejected
       or n.readings > b.stored)
order by b.position limit 1;

-- name: audit_whole
-- Over everything: do the connectors' totals say what their batches say?
select c.id, c.received, coalesce(sum(b.received), 0)::bigint as by_batches
from connector c left join batch b on b.connector = c.id
group by c.id, c.received having c.received <> coalesce(sum(b.received), 0)
order by c.id limit 1;

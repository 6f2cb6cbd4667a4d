-- Which roll-ups are not yet what the readings say, how long each class is kept, and how
-- maintenance is doing.
-- Locks: none that matter, every table is new; the trigger on batch waits for running commits.

-- A reading that comes after its hour was rolled up marks that hour. Questions answer a marked hour
-- from the readings themselves, until maintenance has rolled it up again: no answer is ever stale.
create table late_hour (
    datastream_id integer not null,
    hour          timestamptz not null,
    marked_at     timestamptz not null,             -- a mark made again meanwhile is not forgotten
    primary key (datastream_id, hour)
);
create index on late_hour (hour);

-- Null keeps for ever. The row without a property is for all that have none of their own.
create table retention (
    property text references observed_property,
    raw      interval check (raw    >= interval '1 day'),
    minute   interval check (minute >= interval '2 days'),
    hour     interval check (hour   >= interval '7 days'),
    day      interval check (day    >= interval '7 days'),
    unique nulls not distinct (property),
    -- What is coarser is kept at least as long: it is made from the finer.
    check (coalesce(raw    <= minute, minute is null)),
    check (coalesce(minute <= hour,   hour is null)),
    check (coalesce(hour   <= day,    day is null))
);

-- Before `since` nothing is promised any more; maintenance deletes it after saying so here.
create table forgotten (
    property text not null references observed_property,
    class    text not null check (class in ('raw', 'minute', 'hour', 'day')),
    since    timestamptz not null,
    primary key (property, class)
);

create table maintenance (
    task         text primary key,
    every        interval not null,
    started_at   timestamptz not null,
    succeeded_at timestamptz,
    took         interval,
    error        text                               -- of the last run; null if it went well
);

create function mark_late_hours() returns trigger language plpgsql as $$
declare
    settled timestamptz := rolled_up_until();
    marked  timestamptz := clock_timestamp();
begin
    if new.first_time < settled then
        insert into late_hour as l (datastream_id, hour, marked_at)
        select distinct r.datastream_id, date_bin('1 hour', r.time, '2001-01-01 00:00Z'), marked
        from reading r
        where r.batch_id = new.id and r.time >= new.first_time and r.time < settled
          and not exists (
              -- The roll-up of an hour whose readings are gone cannot be made again.
              select from datastream d join forgotten f on f.property = d.property
              where d.id = r.datastream_id and f.class = 'raw' and r.time < f.since
          )
        order by 1, 2                               -- two writers never wait for each other
        on conflict (datastream_id, hour) do update set marked_at = marked;
    end if;
    return null;
end $$;

-- A batch is inserted last, under the lock of positions: whoever holds that lock knows that every
-- other batch is either committed and seen, or will look at what is rolled up after him. Nothing is
-- rolled up before it is 15 minutes old, so a batch in time need not look.
create trigger mark_late_hours after insert on batch
    for each row when (new.first_time < new.committed_at - interval '14 minutes')
    execute function mark_late_hours();

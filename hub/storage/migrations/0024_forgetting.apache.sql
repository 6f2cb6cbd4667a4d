-- How history ends: chunk by chunk, and row by row where datastreams differ.
-- Locks: none.

-- Drop what every datastream has forgotten. Returns whether that is how this class ends.
create function drop_forgotten(kept text, before timestamptz) returns boolean
language plpgsql as $$
begin
    perform drop_chunks((case kept when 'raw' then 'reading' else kept || '_kept' end)::regclass, older_than => before);
    return true;
end $$;

create function delete_kept(kept text, streams integer[], since timestamptz, until timestamptz)
returns bigint language plpgsql as $$
declare
    deleted bigint;
begin
    execute format(
        'delete from %I where datastream_id = any($1) and %I >= $2 and %I < $3',
        case kept when 'raw' then 'reading' else kept || '_kept' end,
        case kept when 'raw' then 'time' else 'bucket' end,
        case kept when 'raw' then 'time' else 'bucket' end
    ) using streams, since, until;
    get diagnostics deleted = row_count;
    return deleted;
end $$;

create function oldest_kept(kept text, streams integer[]) returns timestamptz
language plpgsql stable as $$
declare
    oldest timestamptz;
begin
    execute format(
        'select min(o.at) from unnest($1) as s (id) cross join lateral (
             select %I as at from %I where datastream_id = s.id order by 1 limit 1) o',
        case kept when 'raw' then 'time' else 'bucket' end,
        case kept when 'raw' then 'reading' else kept || '_kept' end
    ) into oldest using streams;
    return oldest;
end $$;

create function set_chunk_interval(width interval) returns void language sql as $$
    select set_chunk_time_interval('reading', width)
$$;
create function chunk_interval() returns interval language sql stable as $$
    select time_interval from timescaledb_information.dimensions
    where hypertable_name = 'reading' and dimension_number = 1
$$;

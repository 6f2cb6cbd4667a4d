-- How history ends: chunk by chunk, and row by row where datastreams differ.
-- Locks: none.

-- Drop what every datastream has forgotten. Returns whether that is how this class ends.
create function drop_forgotten(kept text, before timestamptz) returns boolean
language plpgsql as $$
begin
    perform drop_chunks(('reading' || case kept when 'raw' then '' else '_' || kept end)::regclass, older_than => before);
    return true;
end $$;

-- Roll-ups are deleted where they are stored: a view has no rows.
create function kept_table(kept text) returns text language sql stable as $$
    select case kept when 'raw' then 'reading' else (
        select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
        from timescaledb_information.continuous_aggregates where view_name = 'reading_' || kept
    ) end
$$;

create function delete_kept(kept text, streams integer[], since timestamptz, until timestamptz)
returns bigint language plpgsql as $$
declare
    deleted bigint;
begin
    execute format(
        'delete from %s where datastream_id = any($1) and %I >= $2 and %I < $3',
        kept_table(kept),
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
             select %I as at from %s where datastream_id = s.id order by 1 limit 1) o',
        case kept when 'raw' then 'time' else 'bucket' end,
        kept_table(kept)
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

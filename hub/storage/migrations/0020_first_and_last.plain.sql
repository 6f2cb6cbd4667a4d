-- The first and the last value by time, as TimescaleDB has them: roll-ups are written once.
-- Locks: none.

create type timed_value as (at timestamptz, value double precision);

create function earlier_value(so_far timed_value, value double precision, at timestamptz)
returns timed_value language sql immutable parallel safe as $$
    select case when at < (so_far).at or (so_far).at is null then row(at, value)::timed_value
                else so_far end
$$;
create function later_value(so_far timed_value, value double precision, at timestamptz)
returns timed_value language sql immutable parallel safe as $$
    select case when at > (so_far).at or (so_far).at is null then row(at, value)::timed_value
                else so_far end
$$;
create function value_alone(found timed_value) returns double precision
language sql immutable parallel safe as $$ select (found).value $$;

create aggregate first(double precision, timestamptz) (
    sfunc = earlier_value, stype = timed_value, finalfunc = value_alone, parallel = safe
);
create aggregate last(double precision, timestamptz) (
    sfunc = later_value, stype = timed_value, finalfunc = value_alone, parallel = safe
);

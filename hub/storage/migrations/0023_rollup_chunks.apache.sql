-- The kept roll-ups in chunks: what retention ends is dropped whole.
-- Locks: exclusive on tables that are empty still.

select create_hypertable('minute_kept', by_range('bucket', interval '7 days'),
                         create_default_indexes => false);
select create_hypertable('hour_kept', by_range('bucket', interval '90 days'),
                         create_default_indexes => false);
select create_hypertable('day_kept', by_range('bucket', interval '3 years'),
                         create_default_indexes => false);

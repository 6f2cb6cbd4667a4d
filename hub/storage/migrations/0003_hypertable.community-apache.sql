-- One chunk a day: old days are compressed, dropped and excluded from plans whole.
-- Locks: exclusive on reading while it is converted, which is instant as long as it is empty.

select create_hypertable('reading', by_range('time', interval '1 day'), create_default_indexes => false);

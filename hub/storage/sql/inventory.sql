-- name: export_snapshot
select pg_export_snapshot();

-- name: tables
-- Every table of ours but the readings, which are counted day by day.
select c.relname as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind in ('r', 'p') and c.relname <> 'reading'
order by 1;

-- name: days
select (r.time at time zone 'UTC')::date::text as day, count(*) as rows,
       sum(hashtextextended(r::text, 0)::numeric)::text as checksum
from reading r group by 1 order by 1;

-- name: has_jobs
select to_regclass('timescaledb_information.jobs');

-- name: jobs
-- Policies of ours: what they do, how often, to which table.
select count(*), coalesce(sum(hashtextextended(
           concat_ws(' ', j.proc_name, j.schedule_interval, j.config - 'mat_hypertable_id'
                     - 'hypertable_id', j.hypertable_name), 0)::numeric), 0)::text
from timescaledb_information.jobs j where j.job_id >= 1000;

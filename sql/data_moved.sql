-- How many bytes do tasks read and write?
-- Grain: one row a trace, tenant and task type (each NULL where the log does not say).
-- Columns:
--   origin, trace, replication: which trace
--   tenant, task_type
--   attempts (count)
--   with_read_bytes, with_written_bytes (count): attempts of which the log says how much they read, or wrote
--   read_bytes, written_bytes (bytes, DOUBLE): sums over those attempts; NULL where it says so of none
WITH attempts AS (
    SELECT origin, trace, replication, r.tenant, t.task_type, t.read_bytes, t.written_bytes
    FROM traces.task_runs AS t
    LEFT JOIN traces.pipeline_runs AS r USING (origin, trace, replication, run_id)
)
SELECT
    origin, trace, replication, tenant, task_type,
    count(*) AS attempts,
    count(read_bytes) AS with_read_bytes,
    count(written_bytes) AS with_written_bytes,
    sum(read_bytes)::DOUBLE AS read_bytes,
    sum(written_bytes)::DOUBLE AS written_bytes
FROM attempts
GROUP BY ALL
ORDER BY origin, trace, replication, tenant, task_type

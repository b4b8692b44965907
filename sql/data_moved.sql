-- How many bytes do tasks read and write?
-- Grain: one row a trace, tenant and task type.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   tenant (text): who is charged; NULL where the log does not say
--   task_type (text): the kind of work; NULL where the log does not say
--   attempts (count): all attempts
--   with_read_bytes (count): attempts of which the log says how much they read
--   with_written_bytes (count): attempts of which the log says how much they wrote
--   read_bytes (bytes): sum over the former; NULL where there are none
--   written_bytes (bytes): sum over the latter; NULL where there are none
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

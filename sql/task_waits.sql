-- How long do tasks wait for their resources?
-- Synthetic traces do not say when a task is queued or starts: all their waits are NULL.
-- Grain: one row a trace, level, task type, framework, tenant and pool.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   level (text): what the row pools: 'all' of the trace, or all of one 'task_type', 'framework', 'tenant', 'pool' or
--     'task_type_framework'
--   task_type (text): the kind of work; NULL where the level does not tell it apart, and where the log does not say
--   framework (text): the machine-learning framework; NULL where the level does not tell it apart, and where the log does
--     not say
--   tenant (text): who is charged; NULL where the level does not tell it apart, and where the log does not say
--   pool (text): the resource pool; NULL where the level does not tell it apart, and where the log does not say
--   attempts (count): all attempts, = with_wait + without_wait
--   with_wait (count): attempts whose wait is known; the seconds below are over these
--   without_wait (count): attempts that never started, or of which the log does not say when they were queued or started
--   mean_wait_s (seconds): mean of started - queued of an attempt
--   p50_wait_s (seconds): its median, as all quantiles by linear interpolation
--   p90_wait_s (seconds): its 0.9 quantile
--   p95_wait_s (seconds): its 0.95 quantile
--   p99_wait_s (seconds): its 0.99 quantile
--   max_wait_s (seconds): the longest
WITH waits AS (
    SELECT
        origin, trace, replication, t.task_type, t.framework, r.tenant, t.pool,
        date_diff('microsecond', t.queued_at, t.started_at) AS wait_us
    FROM traces.task_runs AS t
    LEFT JOIN traces.pipeline_runs AS r USING (origin, trace, replication, run_id)
),
groups AS (
    SELECT
        origin, trace, replication, task_type, framework, tenant, pool,
        CASE grouping(task_type, framework, tenant, pool)
            WHEN 15 THEN 'all' WHEN 7 THEN 'task_type' WHEN 11 THEN 'framework' WHEN 13 THEN 'tenant' WHEN 14 THEN 'pool'
            ELSE 'task_type_framework'
        END AS level,
        count(*) AS attempts,
        count(wait_us) AS with_wait,
        avg(wait_us) / 1e6 AS mean_wait_s,
        quantile_cont(wait_us, [0.5, 0.9, 0.95, 0.99]) AS quantiles_us,
        max(wait_us) / 1e6 AS max_wait_s
    FROM waits
    GROUP BY GROUPING SETS (
        (origin, trace, replication),
        (origin, trace, replication, task_type),
        (origin, trace, replication, framework),
        (origin, trace, replication, tenant),
        (origin, trace, replication, pool),
        (origin, trace, replication, task_type, framework)
    )
)
SELECT
    origin, trace, replication, level, task_type, framework, tenant, pool,
    attempts, with_wait, attempts - with_wait AS without_wait,
    mean_wait_s,
    quantiles_us[1] / 1e6 AS p50_wait_s,
    quantiles_us[2] / 1e6 AS p90_wait_s,
    quantiles_us[3] / 1e6 AS p95_wait_s,
    quantiles_us[4] / 1e6 AS p99_wait_s,
    max_wait_s
FROM groups
ORDER BY origin, trace, replication, level, task_type, framework, tenant, pool

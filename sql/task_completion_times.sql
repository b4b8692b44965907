-- How long do tasks take from being ready to being done, with their waits and all their attempts?
-- Synthetic traces do not say when a task is queued or ends: all their times are NULL.
-- Grain: one row a trace, level, task type, framework, tenant and pool (of several attempts, what the last one says).
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
--   tasks (count): all tasks, = with_time + without_time
--   with_time (count): tasks whose completion time is known, however they ended; the seconds below are over these
--   without_time (count): tasks still open, or of which the log does not say when they were queued or an attempt ended
--   mean_attempts (attempts per task): over all tasks
--   mean_completion_s (seconds): mean of the last attempt's end - the first attempt's queuing
--   p50_completion_s (seconds): its median, as all quantiles by linear interpolation
--   p90_completion_s (seconds): its 0.9 quantile
--   p95_completion_s (seconds): its 0.95 quantile
--   p99_completion_s (seconds): its 0.99 quantile
--   max_completion_s (seconds): the longest
WITH tasks AS (
    SELECT
        origin, trace, replication, run_id, task_id,
        arg_max(task_type, attempt) AS task_type,
        arg_max(framework, attempt) AS framework,
        arg_max(pool, attempt) AS pool,
        count(*) AS attempts,
        CASE WHEN count(ended_at) = count(*) THEN date_diff('microsecond', min(queued_at), max(ended_at)) END AS completion_us
    FROM traces.task_runs
    GROUP BY origin, trace, replication, run_id, task_id
),
charged AS (
    SELECT origin, trace, replication, t.task_type, t.framework, r.tenant, t.pool, t.attempts, t.completion_us
    FROM tasks AS t
    LEFT JOIN traces.pipeline_runs AS r USING (origin, trace, replication, run_id)
),
groups AS (
    SELECT
        origin, trace, replication, task_type, framework, tenant, pool,
        CASE grouping(task_type, framework, tenant, pool)
            WHEN 15 THEN 'all' WHEN 7 THEN 'task_type' WHEN 11 THEN 'framework' WHEN 13 THEN 'tenant' WHEN 14 THEN 'pool'
            ELSE 'task_type_framework'
        END AS level,
        count(*) AS tasks,
        count(completion_us) AS with_time,
        avg(attempts) AS mean_attempts,
        avg(completion_us) / 1e6 AS mean_completion_s,
        quantile_cont(completion_us, [0.5, 0.9, 0.95, 0.99]) AS quantiles_us,
        max(completion_us) / 1e6 AS max_completion_s
    FROM charged
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
    tasks, with_time, tasks - with_time AS without_time,
    mean_attempts, mean_completion_s,
    quantiles_us[1] / 1e6 AS p50_completion_s,
    quantiles_us[2] / 1e6 AS p90_completion_s,
    quantiles_us[3] / 1e6 AS p95_completion_s,
    quantiles_us[4] / 1e6 AS p99_completion_s,
    max_completion_s
FROM groups
ORDER BY origin, trace, replication, level, task_type, framework, tenant, pool

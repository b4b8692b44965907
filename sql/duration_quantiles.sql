-- How long does the work itself take, without waiting? The curves on which real and synthetic traces are compared.
-- The natural duration of an attempt is its duration_s, else ended - started. In a simulated trace it is the time the attempt
-- held its pool.
-- Grain: one row a trace, level, task type, framework and probability (in steps of 0.01); a group without any known natural
-- duration has one row whose probability and duration are NULL.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   level (text): what the row pools: 'all' tasks of the trace, one 'task_type', or one 'task_type_framework'
--   task_type (text): NULL at level 'all', and where the log does not say
--   framework (text): NULL at levels 'all' and 'task_type', and where the log does not say
--   probability (0..1): the share of the attempts
--   duration_s (seconds): this share of the natural durations is no longer (linear interpolation)
--   durations (count): attempts whose natural duration is known; the quantiles are over these
--   censored (count): attempts left out because they were cut short, so that only a lower bound is known
--   without_duration (count): attempts left out because the log does not say
WITH naturals AS (
    SELECT
        origin, trace, replication, task_type, framework, is_censored,
        coalesce(duration_s, date_diff('microsecond', started_at, ended_at) / 1e6) AS duration_s
    FROM traces.task_runs
),
curves AS (
    SELECT
        origin, trace, replication, task_type, framework,
        CASE grouping(task_type, framework) WHEN 3 THEN 'all' WHEN 1 THEN 'task_type' ELSE 'task_type_framework' END AS level,
        quantile_cont(duration_s, [i / 100 FOR i IN generate_series(0, 100)]) FILTER (WHERE NOT is_censored) AS quantiles,
        count(duration_s) FILTER (WHERE NOT is_censored) AS durations,
        count(*) FILTER (WHERE is_censored) AS censored,
        count(*) FILTER (WHERE duration_s IS NULL AND NOT is_censored) AS without_duration
    FROM naturals
    GROUP BY GROUPING SETS (
        (origin, trace, replication),
        (origin, trace, replication, task_type),
        (origin, trace, replication, task_type, framework)
    )
)
SELECT
    origin, trace, replication, level, task_type, framework,
    unnest(CASE WHEN durations > 0 THEN [i / 100 FOR i IN generate_series(0, 100)] ELSE [NULL] END) AS probability,
    unnest(CASE WHEN durations > 0 THEN quantiles ELSE [NULL] END) AS duration_s,
    durations, censored, without_duration
FROM curves
ORDER BY origin, trace, replication, level, task_type, framework, probability

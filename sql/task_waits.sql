-- How long do tasks wait for their resources?
-- Grain: one row a trace, task type, framework and pool (each NULL where the log does not say).
-- Columns:
--   origin, trace, replication: which trace
--   task_type, framework, pool
--   attempts (count): all attempts, = with_wait + without_wait
--   with_wait (count): attempts whose wait is known; the seconds below are over these
--   without_wait (count): attempts that never started, or of which the log does not say when they were queued or started
--   mean_wait_s, p50_wait_s, p90_wait_s, p95_wait_s, p99_wait_s, max_wait_s (seconds): started - queued of an attempt;
--   quantiles interpolate linearly
WITH waits AS (
    SELECT
        origin, trace, replication, task_type, framework, pool,
        date_diff('microsecond', queued_at, started_at) AS wait_us
    FROM traces.task_runs
)
SELECT
    origin, trace, replication, task_type, framework, pool,
    count(*) AS attempts,
    count(wait_us) AS with_wait,
    count(*) - count(wait_us) AS without_wait,
    avg(wait_us) / 1e6 AS mean_wait_s,
    quantile_cont(wait_us, 0.5) / 1e6 AS p50_wait_s,
    quantile_cont(wait_us, 0.9) / 1e6 AS p90_wait_s,
    quantile_cont(wait_us, 0.95) / 1e6 AS p95_wait_s,
    quantile_cont(wait_us, 0.99) / 1e6 AS p99_wait_s,
    max(wait_us) / 1e6 AS max_wait_s
FROM waits
GROUP BY ALL
ORDER BY origin, trace, replication, task_type, framework, pool

-- How long do users wait, and how long the retraining that competes with them?
-- Synthetic traces do not say when a task is queued or starts, nor when a run ends: all their times are NULL.
-- Grain: one row a trace and kind of work.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   work (text): retraining (runs of analytics.retraining_runs) or user (all others)
--   attempts (count): attempts of tasks, = with_wait + without_wait
--   with_wait (count): attempts whose wait is known; the waits below are over these
--   without_wait (count): attempts of which it is not
--   mean_wait_s (seconds): mean of started - queued of an attempt
--   p50_wait_s (seconds): its median, as all quantiles by linear interpolation
--   p95_wait_s (seconds): its 0.95 quantile
--   p99_wait_s (seconds): its 0.99 quantile
--   runs (count): pipeline runs, = with_jct + without_jct
--   with_jct (count): runs whose completion time is known; the times below are over these
--   without_jct (count): runs of which it is not
--   mean_jct_s (seconds): mean of ended - submitted of a run
--   p95_jct_s (seconds): its 0.95 quantile
--   gpu_hours (GPU x hours): held, see analytics.resource_hours; NULL where the log does not say
WITH retraining AS (
    SELECT origin, trace, replication, run_id, 'retraining' AS work FROM analytics.retraining_runs
),
attempts AS (
    SELECT
        origin, trace, replication, coalesce(q.work, 'user') AS work,
        date_diff('microsecond', t.queued_at, t.started_at) AS wait_us
    FROM traces.task_runs AS t
    LEFT JOIN retraining AS q USING (origin, trace, replication, run_id)
),
waits AS (
    SELECT
        origin, trace, replication, work,
        count(*) AS attempts,
        count(wait_us) AS with_wait,
        avg(wait_us) / 1e6 AS mean_wait_s,
        quantile_cont(wait_us, [0.5, 0.95, 0.99]) AS quantiles_us
    FROM attempts
    GROUP BY origin, trace, replication, work
),
runs AS (
    SELECT
        origin, trace, replication, coalesce(q.work, 'user') AS work,
        date_diff('microsecond', r.submitted_at, r.ended_at) AS jct_us
    FROM traces.pipeline_runs AS r
    LEFT JOIN retraining AS q USING (origin, trace, replication, run_id)
),
times AS (
    SELECT
        origin, trace, replication, work,
        count(*) AS runs,
        count(jct_us) AS with_jct,
        avg(jct_us) / 1e6 AS mean_jct_s,
        quantile_cont(jct_us, 0.95) / 1e6 AS p95_jct_s
    FROM runs
    GROUP BY origin, trace, replication, work
),
held AS (
    -- Floating sums in a fixed order give the same digits every time.
    SELECT
        origin, trace, replication,
        CASE WHEN retraining_run_id IS NULL THEN 'user' ELSE 'retraining' END AS work,
        sum(gpu_hours ORDER BY gpu_hours) AS gpu_hours
    FROM analytics.resource_hours
    GROUP BY ALL
),
kinds AS (
    SELECT origin, trace, replication, work FROM waits
    UNION
    SELECT origin, trace, replication, work FROM times
)
SELECT
    origin, trace, replication, work,
    coalesce(w.attempts, 0) AS attempts,
    coalesce(w.with_wait, 0) AS with_wait,
    coalesce(w.attempts - w.with_wait, 0) AS without_wait,
    w.mean_wait_s,
    w.quantiles_us[1] / 1e6 AS p50_wait_s,
    w.quantiles_us[2] / 1e6 AS p95_wait_s,
    w.quantiles_us[3] / 1e6 AS p99_wait_s,
    coalesce(t.runs, 0) AS runs,
    coalesce(t.with_jct, 0) AS with_jct,
    coalesce(t.runs - t.with_jct, 0) AS without_jct,
    t.mean_jct_s, t.p95_jct_s,
    h.gpu_hours
FROM kinds AS k
LEFT JOIN waits AS w USING (origin, trace, replication, work)
LEFT JOIN times AS t USING (origin, trace, replication, work)
LEFT JOIN held AS h USING (origin, trace, replication, work)
ORDER BY origin, trace, replication, work

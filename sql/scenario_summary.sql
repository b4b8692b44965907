-- What came out, in one line?
-- Confidence intervals over the replications: analytics.scenario_intervals. A synthetic trace has no instants of its tasks and
-- no ends of its runs, so its waits, completion times, last end and makespan are NULL.
-- Grain: one row a trace: the observed one, each synthetic one, and each replication of each simulated scenario.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   runs (count): pipeline runs
--   runs_succeeded (count): those that SUCCEEDED
--   runs_failed (count): those that ended as FAILED, TIMEOUT or NODE_FAIL
--   runs_unfinished (count): those PENDING or RUNNING at the end of the log
--   tasks (count): distinct tasks
--   attempts (count): attempts of tasks
--   failed_attempts (count): those that ended as FAILED, TIMEOUT or NODE_FAIL
--   retries (count): attempts after a task's first
--   with_wait (count): attempts whose wait is known; the waits below are over these
--   without_wait (count): attempts of which it is not
--   mean_wait_s (seconds): mean of started - queued of an attempt
--   p50_wait_s (seconds): its median, as all quantiles by linear interpolation
--   p95_wait_s (seconds): its 0.95 quantile
--   p99_wait_s (seconds): its 0.99 quantile
--   max_wait_s (seconds): the longest
--   with_jct (count): runs whose completion time is known; the times below are over these
--   without_jct (count): runs of which it is not
--   mean_jct_s (seconds): mean of ended - submitted of a run
--   p50_jct_s (seconds): its median
--   p95_jct_s (seconds): its 0.95 quantile
--   first_submitted_at (TIMESTAMP, UTC): the first submission of a run
--   last_ended_at (TIMESTAMP, UTC): the last end of a run or an attempt
--   makespan_s (seconds): from the one to the other
--   gpu_hours (GPU x hours): held by attempts, see analytics.resource_hours; NULL where the log does not say
WITH runs AS (
    SELECT
        origin, trace, replication,
        count(*) AS runs,
        count(*) FILTER (WHERE status = 'SUCCEEDED') AS runs_succeeded,
        count(*) FILTER (WHERE status IN ('FAILED', 'TIMEOUT', 'NODE_FAIL')) AS runs_failed,
        count(*) FILTER (WHERE status IN ('PENDING', 'RUNNING')) AS runs_unfinished,
        count(date_diff('microsecond', submitted_at, ended_at)) AS with_jct,
        avg(date_diff('microsecond', submitted_at, ended_at)) / 1e6 AS mean_jct_s,
        quantile_cont(date_diff('microsecond', submitted_at, ended_at), 0.5) / 1e6 AS p50_jct_s,
        quantile_cont(date_diff('microsecond', submitted_at, ended_at), 0.95) / 1e6 AS p95_jct_s,
        min(submitted_at) AS first_submitted_at,
        max(ended_at) AS last_ended_at
    FROM traces.pipeline_runs
    GROUP BY origin, trace, replication
),
attempts AS (
    SELECT
        origin, trace, replication, run_id, task_id, attempt, status, ended_at,
        date_diff('microsecond', queued_at, started_at) AS wait_us
    FROM traces.task_runs
),
tasks AS (
    SELECT
        origin, trace, replication,
        count(DISTINCT (run_id, task_id)) AS tasks,
        count(*) AS attempts,
        count(*) FILTER (WHERE status IN ('FAILED', 'TIMEOUT', 'NODE_FAIL')) AS failed_attempts,
        count(*) FILTER (WHERE attempt > 1) AS retries,
        count(wait_us) AS with_wait,
        avg(wait_us) / 1e6 AS mean_wait_s,
        quantile_cont(wait_us, 0.5) / 1e6 AS p50_wait_s,
        quantile_cont(wait_us, 0.95) / 1e6 AS p95_wait_s,
        quantile_cont(wait_us, 0.99) / 1e6 AS p99_wait_s,
        max(wait_us) / 1e6 AS max_wait_s,
        max(ended_at) AS last_ended_at
    FROM attempts
    GROUP BY origin, trace, replication
),
held AS (
    SELECT origin, trace, replication, sum(gpu_hours ORDER BY gpu_hours) AS gpu_hours
    FROM analytics.resource_hours
    GROUP BY origin, trace, replication
)
SELECT
    r.origin, r.trace, r.replication,
    r.runs, r.runs_succeeded, r.runs_failed, r.runs_unfinished,
    coalesce(t.tasks, 0) AS tasks,
    coalesce(t.attempts, 0) AS attempts,
    coalesce(t.failed_attempts, 0) AS failed_attempts,
    coalesce(t.retries, 0) AS retries,
    coalesce(t.with_wait, 0) AS with_wait,
    coalesce(t.attempts - t.with_wait, 0) AS without_wait,
    t.mean_wait_s, t.p50_wait_s, t.p95_wait_s, t.p99_wait_s, t.max_wait_s,
    r.with_jct,
    r.runs - r.with_jct AS without_jct,
    r.mean_jct_s, r.p50_jct_s, r.p95_jct_s,
    r.first_submitted_at,
    greatest(r.last_ended_at, t.last_ended_at) AS last_ended_at,
    date_diff('microsecond', r.first_submitted_at, greatest(r.last_ended_at, t.last_ended_at)) / 1e6 AS makespan_s,
    h.gpu_hours
FROM runs AS r
LEFT JOIN tasks AS t USING (origin, trace, replication)
LEFT JOIN held AS h USING (origin, trace, replication)
ORDER BY r.origin, r.trace, r.replication

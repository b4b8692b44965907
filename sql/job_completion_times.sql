-- How long do pipeline runs take from submission to end?
-- Grain: one row a trace, tenant (NULL where the log does not say) and type of run.
-- Columns:
--   origin, trace, replication: which trace
--   tenant
--   run_type: the kinds of task in the run, joined by '+', for example preprocess+train+evaluate; NULL where none is known
--   runs (count): all runs, = with_jct + without_jct
--   succeeded, failed (count): runs that SUCCEEDED, and runs that ended as FAILED, TIMEOUT or NODE_FAIL
--   with_jct (count): runs whose completion time is known, however they ended; the seconds below are over these
--   without_jct (count): runs still open, or of which the log does not say when they were submitted or ended
--   mean_jct_s, p50_jct_s, p90_jct_s, p95_jct_s, p99_jct_s, max_jct_s (seconds): ended - submitted of a run;
--   quantiles interpolate linearly
WITH kinds AS (
    SELECT DISTINCT origin, trace, replication, run_id, task_type
    FROM traces.task_runs
    WHERE task_type IS NOT NULL
),
types AS (
    SELECT
        origin, trace, replication, run_id,
        string_agg(
            task_type, '+'
            ORDER BY list_position(['preprocess', 'train', 'evaluate', 'compress', 'harden', 'deploy', 'other'], task_type)
        ) AS run_type
    FROM kinds
    GROUP BY origin, trace, replication, run_id
),
runs AS (
    SELECT
        origin, trace, replication, r.tenant, t.run_type, r.status,
        date_diff('microsecond', r.submitted_at, r.ended_at) AS jct_us
    FROM traces.pipeline_runs AS r
    LEFT JOIN types AS t USING (origin, trace, replication, run_id)
)
SELECT
    origin, trace, replication, tenant, run_type,
    count(*) AS runs,
    count(*) FILTER (WHERE status = 'SUCCEEDED') AS succeeded,
    count(*) FILTER (WHERE status IN ('FAILED', 'TIMEOUT', 'NODE_FAIL')) AS failed,
    count(jct_us) AS with_jct,
    count(*) - count(jct_us) AS without_jct,
    avg(jct_us) / 1e6 AS mean_jct_s,
    quantile_cont(jct_us, 0.5) / 1e6 AS p50_jct_s,
    quantile_cont(jct_us, 0.9) / 1e6 AS p90_jct_s,
    quantile_cont(jct_us, 0.95) / 1e6 AS p95_jct_s,
    quantile_cont(jct_us, 0.99) / 1e6 AS p99_jct_s,
    max(jct_us) / 1e6 AS max_jct_s
FROM runs
GROUP BY ALL
ORDER BY origin, trace, replication, tenant, run_type

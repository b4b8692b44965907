-- How long do pipeline runs take from submission to end?
-- Synthetic traces do not say when a run ends: all their times are NULL.
-- Grain: one row a trace, level, tenant and type of run.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   level (text): what the row pools: 'all' runs of the trace, or all of one 'tenant', 'run_type' or 'tenant_run_type'
--   tenant (text): who is charged; NULL where the level does not tell it apart, and where the log does not say
--   run_type (text): the kinds of task in the run, joined by '+', for example preprocess+train+evaluate; NULL where the level
--     does not tell it apart, and where none is known
--   runs (count): all runs, = with_jct + without_jct
--   succeeded (count): runs that SUCCEEDED
--   failed (count): runs that ended as FAILED, TIMEOUT or NODE_FAIL
--   with_jct (count): runs whose completion time is known, however they ended; the seconds below are over these
--   without_jct (count): runs still open, or of which the log does not say when they were submitted or ended
--   mean_jct_s (seconds): mean of ended - submitted of a run
--   p50_jct_s (seconds): its median, as all quantiles by linear interpolation
--   p90_jct_s (seconds): its 0.9 quantile
--   p95_jct_s (seconds): its 0.95 quantile
--   p99_jct_s (seconds): its 0.99 quantile
--   max_jct_s (seconds): the longest
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
),
groups AS (
    SELECT
        origin, trace, replication, tenant, run_type,
        CASE grouping(tenant, run_type)
            WHEN 3 THEN 'all' WHEN 1 THEN 'tenant' WHEN 2 THEN 'run_type' ELSE 'tenant_run_type'
        END AS level,
        count(*) AS runs,
        count(*) FILTER (WHERE status = 'SUCCEEDED') AS succeeded,
        count(*) FILTER (WHERE status IN ('FAILED', 'TIMEOUT', 'NODE_FAIL')) AS failed,
        count(jct_us) AS with_jct,
        avg(jct_us) / 1e6 AS mean_jct_s,
        quantile_cont(jct_us, [0.5, 0.9, 0.95, 0.99]) AS quantiles_us,
        max(jct_us) / 1e6 AS max_jct_s
    FROM runs
    GROUP BY GROUPING SETS (
        (origin, trace, replication),
        (origin, trace, replication, tenant),
        (origin, trace, replication, run_type),
        (origin, trace, replication, tenant, run_type)
    )
)
SELECT
    origin, trace, replication, level, tenant, run_type,
    runs, succeeded, failed, with_jct, runs - with_jct AS without_jct,
    mean_jct_s,
    quantiles_us[1] / 1e6 AS p50_jct_s,
    quantiles_us[2] / 1e6 AS p90_jct_s,
    quantiles_us[3] / 1e6 AS p95_jct_s,
    quantiles_us[4] / 1e6 AS p99_jct_s,
    max_jct_s
FROM groups
ORDER BY origin, trace, replication, level, tenant, run_type

-- What did each retraining of a model cost, and what did it bring?
-- Cost and energy are of the hours held, as priced in analytics.resource_hours; carbon is the energy times the figure of
-- analytics.carbon_intensity: edit it.
-- Grain: one row a trace and retraining run (see analytics.retraining_runs).
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   model_id (text): the model: the name of the run's pipeline
--   run_id (text): the run
--   trigger (text): what submitted it: drift, staleness, data or schedule; NULL where the log does not say
--   tenant (text): who is charged; NULL where the log does not say
--   status (text): how it ended
--   submitted_at (TIMESTAMP, UTC): when it was submitted
--   ended_at (TIMESTAMP, UTC): when it ended; NULL while it is open
--   attempts (count): attempts of its tasks
--   with_wait (count): those of which the wait is known
--   mean_wait_s (seconds): mean of started - queued of these; NULL where there are none
--   live_version (text): the version that was live when the run was submitted, the last deployed; NULL where none was
--   live_performance (0..1): the last measured performance of that version by then; NULL where none was measured
--   version (text): the version that it trained; NULL if it did not
--   deployed_at (TIMESTAMP, UTC): when that went live; NULL if it never did
--   performance_deployed (0..1): the new version's first live measurement; NULL where there is none
--   gain_points (points): 100 x (performance_deployed - live_performance); below 0 where the new version is worse
--   gpu_hours (GPU x hours): GPUs held; NULL where the log does not say
--   cpu_core_hours (core x hours): cores held; NULL where the log does not say
--   cost (USD): of the GPUs, cores and memory held; 0 where none are
--   energy_kwh (kWh): of all three at full load
--   carbon_kg (kg of CO2): caused by this energy
WITH bills AS (
    -- Floating sums in a fixed order give the same digits every time.
    SELECT
        origin, trace, replication, retraining_run_id AS run_id,
        sum(gpu_hours ORDER BY gpu_hours) AS gpu_hours,
        sum(cpu_core_hours ORDER BY cpu_core_hours) AS cpu_core_hours,
        sum(cost ORDER BY cost) AS cost,
        sum(energy_kwh ORDER BY energy_kwh) AS energy_kwh
    FROM analytics.resource_hours
    WHERE retraining_run_id IS NOT NULL
    GROUP BY origin, trace, replication, retraining_run_id
),
waits AS (
    SELECT
        origin, trace, replication, run_id,
        count(*) AS attempts,
        count(date_diff('microsecond', queued_at, started_at)) AS with_wait,
        avg(date_diff('microsecond', queued_at, started_at)) / 1e6 AS mean_wait_s
    FROM traces.task_runs
    SEMI JOIN analytics.retraining_runs USING (origin, trace, replication, run_id)
    GROUP BY origin, trace, replication, run_id
),
made AS (
    -- Of several versions of one run, the last trained.
    SELECT origin, trace, replication, model_id, run_id, version, deployed_at, performance_deployed
    FROM analytics.model_versions
    QUALIFY row_number() OVER (
        PARTITION BY origin, trace, replication, model_id, run_id
        ORDER BY created_at DESC NULLS LAST, TRY_CAST(version AS BIGINT) DESC NULLS LAST, version DESC
    ) = 1
),
runs AS (
    SELECT origin, trace, replication, pipeline_name AS model_id, run_id, trigger, tenant, status, submitted_at, ended_at
    FROM traces.pipeline_runs
    SEMI JOIN analytics.retraining_runs USING (origin, trace, replication, run_id)
),
lives AS (
    SELECT origin, trace, replication, model_id, version, deployed_at, retired_at
    FROM analytics.model_lifetimes
    WHERE deployed_at IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY origin, trace, replication, model_id, deployed_at ORDER BY deployment DESC) = 1
),
replacing AS (
    SELECT r.*, CASE WHEN l.retired_at IS NULL OR r.submitted_at < l.retired_at THEN l.version END AS live_version
    FROM runs AS r
    ASOF LEFT JOIN lives AS l
        ON r.origin = l.origin AND r.trace = l.trace AND r.replication = l.replication AND r.model_id = l.model_id
        AND r.submitted_at >= l.deployed_at
),
looks AS (
    SELECT origin, trace, replication, model_id, version, valid_from, performance
    FROM analytics.model_performance
    QUALIFY row_number() OVER (PARTITION BY origin, trace, replication, model_id, version, valid_from ORDER BY step DESC) = 1
),
seen AS (
    SELECT r.*, p.performance AS live_performance
    FROM replacing AS r
    ASOF LEFT JOIN looks AS p
        ON r.origin = p.origin AND r.trace = p.trace AND r.replication = p.replication AND r.model_id = p.model_id
        AND r.live_version = p.version AND r.submitted_at >= p.valid_from
),
carbon AS (
    SELECT max(g_per_kwh) AS g_per_kwh FROM analytics.carbon_intensity
)
SELECT
    origin, trace, replication, r.model_id, run_id, r.trigger, r.tenant, r.status, r.submitted_at, r.ended_at,
    coalesce(w.attempts, 0) AS attempts,
    coalesce(w.with_wait, 0) AS with_wait,
    w.mean_wait_s,
    r.live_version, r.live_performance, m.version, m.deployed_at, m.performance_deployed,
    100 * (m.performance_deployed - r.live_performance) AS gain_points,
    b.gpu_hours, b.cpu_core_hours,
    coalesce(b.cost, 0) AS cost,
    coalesce(b.energy_kwh, 0) AS energy_kwh,
    coalesce(b.energy_kwh, 0) * c.g_per_kwh / 1000 AS carbon_kg
FROM seen AS r
CROSS JOIN carbon AS c
LEFT JOIN waits AS w USING (origin, trace, replication, run_id)
LEFT JOIN bills AS b USING (origin, trace, replication, run_id)
LEFT JOIN made AS m USING (origin, trace, replication, model_id, run_id)
ORDER BY origin, trace, replication, r.model_id, run_id

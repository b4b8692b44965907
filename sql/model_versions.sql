-- How good is each version of a model, as it was trained, as it was deployed, and over its time in production?
-- When it was live: see analytics.model_lifetimes. A simulated trace tells the mean performance and the seconds that it is over
-- exactly, and leaves out what does not count, as the time of warming up; of any other trace the mean is that of
-- analytics.model_performance, in which a measurement holds until the next.
-- Grain: one row a trace and version of a model.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   model_id (text): the model
--   version (text): its version
--   run_id (text): the run that trained it; NULL where the log does not say, and for one that was live at the beginning
--   trigger (text): what submitted that run; NULL where the log does not say
--   is_retraining (boolean): whether that run is among analytics.retraining_runs; NULL where the log does not have the run
--   tenant (text): who was charged for that run; NULL where the log does not say
--   framework (text): the machine-learning framework; NULL where the log does not say
--   created_at (TIMESTAMP, UTC): when it was trained; NULL where the log does not say
--   deployed_at (TIMESTAMP, UTC): when it went live; NULL if it never did
--   retired_at (TIMESTAMP, UTC): when another version took its place; NULL if none did
--   live_s (seconds): how long it was live, of the time that counts; NULL if it never was
--   performance_trained (0..1): first static measurement, after training; NULL where the log does not say, as all that follow
--   performance (0..1): last static measurement, with what compression and hardening changed
--   robustness (score): last static measurement; best at 1
--   fairness (disparity): last static measurement; best at 0
--   size_bytes (bytes): last static measurement, else what traces.models says
--   latency_ms (milliseconds per request): last static measurement
--   performance_deployed (0..1): first live measurement
--   performance_last (0..1): last live measurement
--   mean_performance (0..1): time average over live_s
--   below_objective_s (seconds): of live_s, how long its performance was below the scenario's objective; only a simulated
--     trace tells it, and only where its scenario has an objective
WITH static AS (
    SELECT
        origin, trace, replication, model_id, version,
        first(value ORDER BY step, measured_at) FILTER (WHERE metric = 'performance') AS performance_trained,
        last(value ORDER BY step, measured_at) FILTER (WHERE metric = 'performance') AS performance,
        last(value ORDER BY step, measured_at) FILTER (WHERE metric = 'robustness') AS robustness,
        last(value ORDER BY step, measured_at) FILTER (WHERE metric = 'fairness') AS fairness,
        last(value ORDER BY step, measured_at) FILTER (WHERE metric = 'size_bytes') AS size_bytes,
        last(value ORDER BY step, measured_at) FILTER (WHERE metric = 'latency_ms') AS latency_ms
    FROM traces.model_metrics
    WHERE phase = 'static' AND value IS NOT NULL
    GROUP BY origin, trace, replication, model_id, version
),
exact AS (
    SELECT
        origin, trace, replication, model_id, version,
        max(value) FILTER (WHERE metric = 'live_s') AS live_s,
        max(value) FILTER (WHERE metric = 'mean_performance') AS mean_performance,
        max(value) FILTER (WHERE metric = 'below_objective_s') AS below_objective_s
    FROM traces.model_metrics
    WHERE phase = 'live' AND metric IN ('live_s', 'mean_performance', 'below_objective_s')
    GROUP BY origin, trace, replication, model_id, version
),
spells AS (
    SELECT *, date_diff('microsecond', valid_from, valid_to) AS valid_us FROM analytics.model_performance
),
live AS (
    -- Floating sums in a fixed order give the same digits every time.
    SELECT
        origin, trace, replication, model_id, version,
        first(performance ORDER BY valid_from, step) AS performance_deployed,
        last(performance ORDER BY valid_from, step) AS performance_last,
        sum(performance * valid_us ORDER BY valid_from, step) / nullif(sum(valid_us), 0) AS mean_performance
    FROM spells
    GROUP BY origin, trace, replication, model_id, version
)
SELECT
    origin, trace, replication, l.model_id, l.version,
    m.produced_by_run_id AS run_id,
    r.trigger,
    CASE WHEN r.run_id IS NOT NULL THEN q.run_id IS NOT NULL END AS is_retraining,
    r.tenant, m.framework, m.created_at, l.deployed_at, l.retired_at,
    coalesce(e.live_s, date_diff('microsecond', l.deployed_at, l.live_until) / 1e6) AS live_s,
    s.performance_trained, s.performance, s.robustness, s.fairness,
    coalesce(s.size_bytes, m.size_bytes) AS size_bytes,
    s.latency_ms,
    p.performance_deployed, p.performance_last,
    CASE WHEN e.live_s IS NULL THEN coalesce(e.mean_performance, p.mean_performance) ELSE e.mean_performance END
        AS mean_performance,
    e.below_objective_s
FROM analytics.model_lifetimes AS l
LEFT JOIN traces.models AS m USING (origin, trace, replication, model_id, version)
LEFT JOIN static AS s USING (origin, trace, replication, model_id, version)
LEFT JOIN exact AS e USING (origin, trace, replication, model_id, version)
LEFT JOIN live AS p USING (origin, trace, replication, model_id, version)
LEFT JOIN traces.pipeline_runs AS r
    ON l.origin = r.origin AND l.trace = r.trace AND l.replication = r.replication AND m.produced_by_run_id = r.run_id
LEFT JOIN analytics.retraining_runs AS q
    ON r.origin = q.origin AND r.trace = q.trace AND r.replication = q.replication AND r.run_id = q.run_id
ORDER BY origin, trace, replication, l.model_id, l.version

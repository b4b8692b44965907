-- How well did each model perform in production, and from when to when?
-- A measurement holds until the next one of the version, the last one until the version's place is taken or the trace ends (see
-- analytics.model_lifetimes). Of what was measured before a version went live the last holds from then on; what was measured
-- after its place was taken, and a measurement without a value, is left out.
-- Grain: one row a trace and live measurement of a version's performance.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   model_id (text): the model
--   version (text): its version
--   step (number): which measurement of the version, as the trace counts them; 0 at deployment
--   valid_from (TIMESTAMP, UTC): from when on it holds
--   valid_to (TIMESTAMP, UTC): until when; = valid_from where another one takes its place at once
--   performance (0..1): the measured value
WITH measured AS (
    SELECT
        origin, trace, replication, m.model_id, m.version, m.step, m.measured_at, m.value AS performance,
        l.deployed_at, l.live_until,
        lead(m.measured_at) OVER (
            PARTITION BY origin, trace, replication, m.model_id, m.version ORDER BY m.measured_at, m.step
        ) AS next_at
    FROM traces.model_metrics AS m
    JOIN analytics.model_lifetimes AS l USING (origin, trace, replication, model_id, version)
    WHERE m.phase = 'live' AND m.metric = 'performance' AND m.value IS NOT NULL
)
SELECT
    origin, trace, replication, model_id, version, step,
    greatest(measured_at, deployed_at) AS valid_from,
    least(next_at, live_until) AS valid_to,
    performance
FROM measured
WHERE measured_at <= live_until AND (measured_at >= deployed_at OR next_at > deployed_at OR next_at IS NULL)
ORDER BY origin, trace, replication, model_id, version, valid_from, step

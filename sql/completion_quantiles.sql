-- What share of a trace's pipeline runs is complete within how long?
-- Grain: one row a trace and probability, in steps of 0.005; a trace without any known completion time has none, as a synthetic
-- one, which does not say when a run ended.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   probability (0..1): the share of the runs
--   jct_s (seconds): this share of the runs takes no longer (ended - submitted; linear interpolation)
--   with_jct (count): runs whose completion time is known
--   without_jct (count): runs left out because it is not
WITH curves AS (
    SELECT
        origin, trace, replication,
        count(date_diff('microsecond', submitted_at, ended_at)) AS with_jct,
        count(*) AS runs,
        quantile_cont(
            date_diff('microsecond', submitted_at, ended_at), [i / 200 FOR i IN generate_series(0, 200)]
        ) AS jcts_us
    FROM traces.pipeline_runs
    GROUP BY origin, trace, replication
)
SELECT
    origin, trace, replication,
    (generate_subscripts(jcts_us, 1) - 1) / 200 AS probability,
    unnest(jcts_us) / 1e6 AS jct_s,
    with_jct,
    runs - with_jct AS without_jct
FROM curves
WHERE with_jct > 0
ORDER BY origin, trace, replication, probability

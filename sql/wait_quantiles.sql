-- What share of a trace's attempts waits at most how long?
-- Grain: one row a trace and probability, in steps of 0.005; a trace without any known wait has none, as a synthetic one, which
-- does not say when a task is queued or starts.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   probability (0..1): the share of the attempts
--   wait_s (seconds): this share of the attempts waits no longer (started - queued; linear interpolation)
--   with_wait (count): attempts whose wait is known
--   without_wait (count): attempts left out because it is not
WITH curves AS (
    SELECT
        origin, trace, replication,
        count(date_diff('microsecond', queued_at, started_at)) AS with_wait,
        count(*) AS attempts,
        quantile_cont(
            date_diff('microsecond', queued_at, started_at), [i / 200 FOR i IN generate_series(0, 200)]
        ) AS waits_us
    FROM traces.task_runs
    GROUP BY origin, trace, replication
)
SELECT
    origin, trace, replication,
    (generate_subscripts(waits_us, 1) - 1) / 200 AS probability,
    unnest(waits_us) / 1e6 AS wait_s,
    with_wait,
    attempts - with_wait AS without_wait
FROM curves
WHERE with_wait > 0
ORDER BY origin, trace, replication, probability

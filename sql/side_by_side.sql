-- How do real, synthetic and simulated figures compare, side by side?
-- Each figure is the mean over the replications (analytics.scenario_intervals). Totals grow with the length of a trace: compare
-- runs_per_day rather than runs. Of a synthetic trace waits, completion times, utilisation and queues are NULL, as it has no
-- instants of its tasks. A scenario draws its own work or replays the log's; it need not be that of the synthetic trace beside
-- it.
-- Grain: one row a metric of analytics.trace_metrics, synthetic trace and simulated scenario (NULL where there is none at all).
-- Columns:
--   metric (text): the figure's name, see analytics.trace_metrics
--   unit (text): its unit
--   synthetic_trace (text): the identifier of the synthetic trace
--   scenario (text): the name of the simulated scenario
--   observed (see unit): the figure of the logs; NULL where they do not tell it
--   synthetic (see unit): that of the synthetic trace; NULL where it does not tell it
--   simulated (see unit): that of the scenario; NULL where it does not tell it
--   synthetic_over_observed (ratio): 1 where they agree; NULL where one is NULL or the divisor is 0
--   simulated_over_observed (ratio): 1 where they agree; NULL where one is NULL or the divisor is 0
--   simulated_over_synthetic (ratio): 1 where they agree; NULL where one is NULL or the divisor is 0
WITH metrics AS (
    SELECT metric, any_value(unit) AS unit FROM analytics.scenario_intervals GROUP BY metric
),
synthetic_traces AS (
    SELECT DISTINCT trace FROM analytics.scenario_intervals WHERE origin = 'synthetic'
),
scenarios AS (
    SELECT DISTINCT trace FROM analytics.scenario_intervals WHERE origin = 'simulated'
),
figures AS (
    SELECT
        m.metric, m.unit, y.trace AS synthetic_trace, s.trace AS scenario,
        real.mean AS observed, drawn.mean AS synthetic, run.mean AS simulated
    FROM metrics AS m
    LEFT JOIN synthetic_traces AS y ON true
    LEFT JOIN scenarios AS s ON true
    LEFT JOIN analytics.scenario_intervals AS real ON real.origin = 'observed' AND real.metric = m.metric
    LEFT JOIN analytics.scenario_intervals AS drawn
        ON drawn.origin = 'synthetic' AND drawn.trace = y.trace AND drawn.metric = m.metric
    LEFT JOIN analytics.scenario_intervals AS run
        ON run.origin = 'simulated' AND run.trace = s.trace AND run.metric = m.metric
)
SELECT
    metric, unit, synthetic_trace, scenario, observed, synthetic, simulated,
    synthetic / nullif(observed, 0) AS synthetic_over_observed,
    simulated / nullif(observed, 0) AS simulated_over_observed,
    simulated / nullif(synthetic, 0) AS simulated_over_synthetic
FROM figures
ORDER BY metric, synthetic_trace, scenario

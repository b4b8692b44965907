-- Where do the synthetic traces of the model that was judged last part from the log: in which hours, bursts, durations?
-- duration_quantiles: the natural duration (seconds) that a share of the tasks of a kind does not exceed; two series at one
-- share are a point of a Q-Q plot. dispersion: variance over mean of the submissions in windows of a length, 1 for a Poisson
-- process. hourly_autocorrelation: that of log(1 + submissions an hour), by the lag. week: submissions an hour by the hour of
-- the week.
-- Grain: one row a curve, cell, series and x; a series has no row where it has no value.
-- Columns:
--   model (text): the identifier of the workload model
--   curve (text): duration_quantiles, dispersion, hourly_autocorrelation or week
--   cell (text): of duration_quantiles, the task type and GPU size class; NULL otherwise
--   series (text): real (the log), synthetic (the model's traces) or baseline (those of a simple model)
--   x (see x_unit): where the value stands
--   x_unit (text): share of the tasks (0..1), seconds (length of the windows), hours (lag) or hour of the week (from Monday
--     00:00 UTC)
--   value (see unit): the value; of synthetic and baseline the mean over the synthetic traces
--   low (see unit): of synthetic, the least of any trace; NULL otherwise
--   high (see unit): of synthetic, the most of any trace; NULL otherwise
--   unit (text): the unit of the value: seconds, ratio, correlation or runs an hour
WITH points AS (
    SELECT
        model, 'duration_quantiles' AS curve, cell, share AS x, 'share of the tasks' AS x_unit, 'seconds' AS unit,
        "real", synthetic, low, high, baseline
    FROM quality.duration_quantiles
    WHERE is_current
    UNION ALL
    SELECT
        model, 'dispersion', NULL, window_s, 'seconds', 'ratio',
        "real", synthetic, low, high, baseline
    FROM quality.dispersion
    WHERE is_current
    UNION ALL
    SELECT
        model, 'hourly_autocorrelation', NULL, lag_h, 'hours', 'correlation',
        "real", synthetic, low, high, baseline
    FROM quality.hourly_autocorrelation
    WHERE is_current
    UNION ALL
    SELECT
        model, 'week', NULL, hour_of_week, 'hour of the week', 'runs an hour',
        "real", synthetic, low, high, baseline
    FROM quality.week
    WHERE is_current
),
told AS (
    SELECT
        model, curve, cell, x, x_unit, unit,
        unnest(['baseline', 'real', 'synthetic']) AS series,
        unnest([baseline, "real", synthetic]) AS value,
        unnest([NULL, NULL, low]) AS low,
        unnest([NULL, NULL, high]) AS high
    FROM points
)
SELECT model, curve, cell, series, x, x_unit, value, low, high, unit
FROM told
WHERE value IS NOT NULL
ORDER BY model, curve, cell, series, x

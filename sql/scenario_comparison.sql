-- How does each simulated scenario differ from the baseline, and is the difference more than chance?
-- The baseline is the scenario named as-is if there is one, else the first by name. Replications of equal number are compared
-- with each other: under the same seed they draw the same work (common random numbers), so that the noise they share cancels.
-- The interval is mean +- t * sd / sqrt(n) of the n differences, with the 0.975 quantile t of Student's distribution with n - 1
-- degrees of freedom (analytics.student_t). It is not corrected for looking at many metrics or scenarios: of 20 rows without
-- any true difference one is expected to be found higher or lower.
-- Grain: one row a scenario other than the baseline and metric of analytics.trace_metrics that both tell.
-- Columns:
--   scenario (text): the scenario that is compared
--   baseline (text): the scenario that it is compared with
--   metric (text): the figure's name, see analytics.trace_metrics
--   unit (text): its unit
--   pairs (count): replications of equal number in both; those that only one of them has are left out
--   baseline_mean (see unit): of the baseline over the pairs
--   scenario_mean (see unit): of the scenario over the pairs
--   mean_difference (see unit): scenario - baseline
--   sd_difference (see unit): sample standard deviation of the differences; NULL where there is only one pair
--   ci95_low (see unit): lower end of the 95 % confidence interval of the mean difference; NULL where there is only
--     one pair
--   ci95_high (see unit): upper end of that interval; NULL where there is only one pair
--   relative_difference (fraction): mean_difference over the absolute value of baseline_mean; NULL where that is 0
--   finding (text): higher or lower where the interval leaves out 0, else no difference found; NULL where there is only one
--     pair
WITH figures AS (
    SELECT trace AS scenario, replication, metric, unit, value
    FROM analytics.trace_metrics
    WHERE origin = 'simulated'
),
baselines AS (
    SELECT coalesce(max(scenario) FILTER (WHERE scenario = 'as-is'), min(scenario)) AS baseline FROM figures
),
pairs AS (
    SELECT
        s.scenario, n.baseline, s.metric, s.unit, s.replication,
        b.value AS baseline_value, s.value AS scenario_value, s.value - b.value AS difference
    FROM baselines AS n
    JOIN figures AS s ON s.scenario <> n.baseline
    JOIN figures AS b ON b.scenario = n.baseline AND b.replication = s.replication AND b.metric = s.metric
),
sums AS (
    SELECT
        scenario, baseline, metric, any_value(unit) AS unit,
        count(*) AS pairs,
        sum(baseline_value ORDER BY replication) / count(*) AS baseline_mean,
        sum(scenario_value ORDER BY replication) / count(*) AS scenario_mean,
        sum(difference ORDER BY replication) / count(*) AS mean_difference,
        stddev_samp(difference ORDER BY replication) AS sd_difference
    FROM pairs
    GROUP BY scenario, baseline, metric
),
widths AS (
    SELECT s.*, q.t_95 * s.sd_difference / sqrt(s.pairs) AS half_width
    FROM sums AS s
    LEFT JOIN analytics.student_t AS q ON q.degrees_of_freedom = least(s.pairs - 1, 1000)
)
SELECT
    scenario, baseline, metric, unit, pairs, baseline_mean, scenario_mean, mean_difference, sd_difference,
    mean_difference - half_width AS ci95_low,
    mean_difference + half_width AS ci95_high,
    mean_difference / nullif(abs(baseline_mean), 0) AS relative_difference,
    CASE
        WHEN mean_difference - half_width > 0 THEN 'higher'
        WHEN mean_difference + half_width < 0 THEN 'lower'
        WHEN half_width IS NOT NULL THEN 'no difference found'
    END AS finding
FROM widths
ORDER BY scenario, metric

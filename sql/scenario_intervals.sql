-- What came out on average over the replications, and how sure is that?
-- The interval is mean +- t * sd / sqrt(n), with the 0.975 quantile t of Student's distribution with n - 1 degrees of freedom
-- (analytics.student_t): it holds the true mean of independent replications with 95 % confidence. What was done only once has
-- none.
-- Grain: one row a trace (all replications together) and metric of analytics.trace_metrics.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   metric (text): the figure's name, see analytics.trace_metrics
--   unit (text): its unit
--   replications (count): those that tell the figure
--   mean (see unit): over the replications
--   sd (see unit): sample standard deviation; NULL where there is only one
--   half_width (see unit): of the 95 % confidence interval of the mean; NULL where there is only one
--   ci95_low (see unit): lower end of that interval; NULL where there is only one
--   ci95_high (see unit): upper end of that interval; NULL where there is only one
--   relative_half_width (fraction): half_width over the mean's absolute value; NULL also where that is 0
--   minimum (see unit): the least of the replications
--   maximum (see unit): the greatest of the replications
WITH sums AS (
    SELECT
        origin, trace, metric, any_value(unit) AS unit,
        count(*) AS replications,
        sum(value ORDER BY replication) / count(*) AS mean,
        stddev_samp(value ORDER BY replication) AS sd,
        min(value) AS minimum,
        max(value) AS maximum
    FROM analytics.trace_metrics
    GROUP BY origin, trace, metric
),
widths AS (
    SELECT s.*, q.t_95 * s.sd / sqrt(s.replications) AS half_width
    FROM sums AS s
    LEFT JOIN analytics.student_t AS q ON q.degrees_of_freedom = least(s.replications - 1, 1000)
)
SELECT
    origin, trace, metric, unit, replications, mean, sd, half_width,
    mean - half_width AS ci95_low,
    mean + half_width AS ci95_high,
    half_width / nullif(abs(mean), 0) AS relative_half_width,
    minimum, maximum
FROM widths
ORDER BY origin, trace, metric

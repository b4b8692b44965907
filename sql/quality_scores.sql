-- How like the log are the synthetic traces of the model that was judged last?
-- `pipesim quality` draws traces from a model and compares them with the log that it was fitted to; docs/quality.md says what
-- each metric is. The table is empty until it has run. All models that were judged are in quality.scores.
-- Grain: one row a metric.
-- Columns:
--   model (text): the identifier of the workload model
--   position (number): the place in the order in which metrics are reported, from 1
--   metric (text): the metric's name
--   title (text): what it is called in a table
--   cell (text): of a metric with parts, the part that stands for all of them: the one farthest beyond its own goal
--   traces (count): how many synthetic traces were drawn
--   value (see title): the mean over the synthetic traces
--   sd (see title): the standard deviation of single synthetic traces
--   floor (see title): the noise floor: the same figure of real days beside real days; below it, chance alone decides
--   floor_sd (see title): the standard deviation of single draws of real days
--   baseline (see title): the same figure of a simple model: one arrival law for each hour of the week, the rest independent
--   goal (text): what is good enough
--   goal_low (see title): the least that is good enough, if there is a least
--   goal_high (see title): the most that is good enough, if there is a most
--   met (boolean): whether the value is good enough; NULL where the log does not tell the value
--   stretch (text): what would be better still
--   stretch_low (see title): the least that would be, if there is a least
--   stretch_high (see title): the most that would be, if there is a most
--   stretch_met (boolean): whether the value is that good
--   words (text): what the value means, for people who know no statistics
--   reason (text): why there is no value, where there is none
WITH drawn AS (
    SELECT count(DISTINCT seed) AS traces
    FROM quality.seeds
    WHERE is_current AND series = 'model'
)
SELECT
    model, position, metric, title, nullif(cell, '') AS cell, traces,
    value, sd, floor, floor_sd, baseline,
    goal, goal_low, goal_high, ok AS met,
    stretch, stretch_low, stretch_high, stretch_ok AS stretch_met,
    words, reason
FROM quality.scores CROSS JOIN drawn
WHERE is_current
ORDER BY model, position

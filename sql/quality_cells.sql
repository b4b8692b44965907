-- In which parts are the synthetic traces like the log: which kinds of task, which categories, at which loads of a queue?
-- The parts that analytics.quality_scores sums up, by the same model: the distance of durations by task type and GPU size class
-- (duration_ks), the mix of each kind of category (category_mix), and details that have no goal, among them bursts by the length
-- of the windows (dispersion_log_ratio) and waits by statistic and load (wfe, wait_log_ratio).
-- Grain: one row a metric and part of the trace.
-- Columns:
--   model (text): the identifier of the workload model
--   position (number): the place in the order in which parts are reported, from 1
--   metric (text): the metric's name
--   title (text): what it is called in a table
--   cell (text): the part of the trace; NULL for a metric of the whole
--   value (see title): the mean over the synthetic traces
--   sd (see title): the standard deviation of single synthetic traces
--   floor (see title): the noise floor: the same figure of real days beside real days
--   floor_sd (see title): the standard deviation of single draws of real days
--   baseline (see title): the same figure of a simple model: one arrival law for each hour of the week, the rest independent
--   goal (text): what is good enough; empty for a detail
--   goal_low (see title): the least that is good enough, if there is a least
--   goal_high (see title): the most that is good enough, if there is a most
--   met (boolean): whether the value is good enough; NULL for a detail
SELECT
    model, position, metric, title, nullif(cell, '') AS cell,
    value, sd, floor, floor_sd, baseline,
    goal, goal_low, goal_high, ok AS met
FROM quality.cells
WHERE is_current
ORDER BY model, position

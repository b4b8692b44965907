-- Which runs train a model anew because it has aged?
-- Those that the lifecycle of a simulated scenario submitted, whose run_id begins with retrain-, and those of which the log
-- says that drift, staleness or new data triggered them. What else trains a model, by hand or on a user's own schedule, is user
-- work. What counts as retraining stands here and nowhere else.
-- Grain: one row a trace and retraining run.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   run_id (text): the run
SELECT origin, trace, replication, run_id
FROM traces.pipeline_runs
WHERE starts_with(run_id, 'retrain-') OR trigger IN ('drift', 'staleness', 'data')
ORDER BY origin, trace, replication, run_id

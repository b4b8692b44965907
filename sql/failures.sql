-- How often do attempts fail, and how often are tasks tried again?
-- Grain: one row a trace, task type and framework.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   task_type (text): the kind of work; NULL where the log does not say
--   framework (text): the machine-learning framework; NULL where the log does not say
--   tasks (count): distinct tasks
--   attempts (count): = succeeded + failed + cancelled + unfinished + unknown
--   succeeded (count): SUCCEEDED
--   failed (count): FAILED, TIMEOUT or NODE_FAIL
--   cancelled (count): CANCELLED or SKIPPED
--   unfinished (count): PENDING or RUNNING at the end of the log
--   unknown (count): the log does not say how the attempt ended
--   retries (count): attempts after a task's first
--   failure_fraction (0..1): failed / (failed + succeeded); NULL where both are 0
SELECT
    origin, trace, replication, task_type, framework,
    count(DISTINCT (run_id, task_id)) AS tasks,
    count(*) AS attempts,
    count(*) FILTER (WHERE status = 'SUCCEEDED') AS succeeded,
    count(*) FILTER (WHERE status IN ('FAILED', 'TIMEOUT', 'NODE_FAIL')) AS failed,
    count(*) FILTER (WHERE status IN ('CANCELLED', 'SKIPPED')) AS cancelled,
    count(*) FILTER (WHERE status IN ('PENDING', 'RUNNING')) AS unfinished,
    count(*) FILTER (WHERE status = 'UNKNOWN') AS unknown,
    count(*) FILTER (WHERE attempt > 1) AS retries,
    count(*) FILTER (WHERE status IN ('FAILED', 'TIMEOUT', 'NODE_FAIL'))
        / nullif(count(*) FILTER (WHERE status IN ('FAILED', 'TIMEOUT', 'NODE_FAIL', 'SUCCEEDED')), 0) AS failure_fraction
FROM traces.task_runs
GROUP BY ALL
ORDER BY origin, trace, replication, task_type, framework

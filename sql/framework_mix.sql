-- Which frameworks do the tasks use?
-- Grain: one row a trace, task type and framework.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   task_type (text): the kind of work; NULL where the log does not say
--   framework (text): the machine-learning framework; NULL where the log does not say
--   tasks (count): distinct tasks; a retried task counts once
--   share (0..1): of the tasks of this trace and task type that name a framework; NULL in the rows without a framework
WITH tasks AS (
    SELECT DISTINCT origin, trace, replication, run_id, task_id, task_type, framework
    FROM traces.task_runs
),
counted AS (
    SELECT origin, trace, replication, task_type, framework, count(*) AS tasks
    FROM tasks
    GROUP BY ALL
)
SELECT
    origin, trace, replication, task_type, framework, tasks,
    CASE
        WHEN framework IS NOT NULL
            THEN tasks / sum(CASE WHEN framework IS NOT NULL THEN tasks END)
                OVER (PARTITION BY origin, trace, replication, task_type)
    END AS share
FROM counted
ORDER BY origin, trace, replication, task_type, framework

-- How many pipeline runs were submitted in each hour?
-- Grain: one row a trace and hour, from the hour of the trace's first submission to that of its last, empty hours included;
-- one more row with a NULL hour counts the runs whose submission the log does not say.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   hour (TIMESTAMP, UTC): the beginning of the hour
--   runs (count): runs submitted in the hour
--   tasks (count): tasks of those runs; a retried task counts once
WITH tasks_of_run AS (
    SELECT origin, trace, replication, run_id, count(DISTINCT task_id) AS tasks
    FROM traces.task_runs
    GROUP BY origin, trace, replication, run_id
),
submitted AS (
    SELECT
        r.origin, r.trace, r.replication,
        date_trunc('hour', r.submitted_at) AS hour,
        count(*) AS runs,
        coalesce(sum(t.tasks), 0)::BIGINT AS tasks
    FROM traces.pipeline_runs AS r
    LEFT JOIN tasks_of_run AS t USING (origin, trace, replication, run_id)
    GROUP BY ALL
),
hours AS (
    SELECT origin, trace, replication, unnest(generate_series(min(hour), max(hour), INTERVAL 1 HOUR)) AS hour
    FROM submitted
    GROUP BY origin, trace, replication
)
SELECT origin, trace, replication, h.hour, coalesce(s.runs, 0) AS runs, coalesce(s.tasks, 0) AS tasks
FROM hours AS h
LEFT JOIN submitted AS s USING (origin, trace, replication, hour)
UNION ALL
SELECT origin, trace, replication, hour, runs, tasks
FROM submitted
WHERE hour IS NULL
ORDER BY origin, trace, replication, hour

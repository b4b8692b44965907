-- How much work comes in and gets done each day?
-- Grain: one row a trace and day on which it has any of these events, or which lies between two such days;
-- one more row with a NULL day counts what has no known instant.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   day (DATE, UTC): the day
--   runs_submitted (count): runs submitted on the day
--   runs_ended (count): runs that ended on the day in any way
--   runs_succeeded (count): those of them that SUCCEEDED
--   attempts_ended (count): attempts of tasks that ended on the day in any way
--   tasks_succeeded (count): tasks of which an attempt SUCCEEDED on the day
WITH events AS (
    SELECT origin, trace, replication, submitted_at::DATE AS day, 'submitted' AS event, status FROM traces.pipeline_runs
    UNION ALL
    SELECT origin, trace, replication, ended_at::DATE, 'run', status FROM traces.pipeline_runs
    UNION ALL
    SELECT origin, trace, replication, ended_at::DATE, 'attempt', status FROM traces.task_runs
),
counted AS (
    SELECT
        origin, trace, replication, day,
        count(*) FILTER (WHERE event = 'submitted') AS runs_submitted,
        count(*) FILTER (WHERE event = 'run') AS runs_ended,
        count(*) FILTER (WHERE event = 'run' AND status = 'SUCCEEDED') AS runs_succeeded,
        count(*) FILTER (WHERE event = 'attempt') AS attempts_ended,
        count(*) FILTER (WHERE event = 'attempt' AND status = 'SUCCEEDED') AS tasks_succeeded
    FROM events
    GROUP BY ALL
),
days AS (
    SELECT origin, trace, replication, unnest(generate_series(min(day), max(day), INTERVAL 1 DAY))::DATE AS day
    FROM counted
    GROUP BY origin, trace, replication
)
SELECT
    origin, trace, replication, d.day,
    coalesce(c.runs_submitted, 0) AS runs_submitted,
    coalesce(c.runs_ended, 0) AS runs_ended,
    coalesce(c.runs_succeeded, 0) AS runs_succeeded,
    coalesce(c.attempts_ended, 0) AS attempts_ended,
    coalesce(c.tasks_succeeded, 0) AS tasks_succeeded
FROM days AS d
LEFT JOIN counted AS c USING (origin, trace, replication, day)
UNION ALL
SELECT origin, trace, replication, day, runs_submitted, runs_ended, runs_succeeded, attempts_ended, tasks_succeeded
FROM counted
WHERE day IS NULL
ORDER BY origin, trace, replication, day

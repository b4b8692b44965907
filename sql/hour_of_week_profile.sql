-- What does an average week of submissions look like? (A heat map of weekday and hour of the day.)
-- Grain: one row a trace and hour of the week that lies between the trace's first and last submission.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   hour_of_week (0..167): 0 is Monday 00:00-01:00 UTC
--   weekday (1..7): 1 is Monday
--   hour_of_day (0..23): UTC
--   hours (count): how often this hour of the week was observed
--   runs (count): runs submitted in those hours
--   mean_runs (runs per hour): runs over hours
--   sd_runs (runs per hour): sample standard deviation over the hours; NULL where there is only one
--   relative_rate (fraction): mean_runs over the trace's own mean runs per hour; 1 is an average hour
WITH submitted AS (
    SELECT origin, trace, replication, date_trunc('hour', submitted_at) AS hour, count(*) AS runs
    FROM traces.pipeline_runs
    WHERE submitted_at IS NOT NULL
    GROUP BY ALL
),
hours AS (
    SELECT origin, trace, replication, unnest(generate_series(min(hour), max(hour), INTERVAL 1 HOUR)) AS hour
    FROM submitted
    GROUP BY origin, trace, replication
),
counts AS (
    SELECT origin, trace, replication, h.hour, coalesce(s.runs, 0) AS runs
    FROM hours AS h
    LEFT JOIN submitted AS s USING (origin, trace, replication, hour)
),
means AS (
    SELECT origin, trace, replication, avg(runs) AS mean_runs
    FROM counts
    GROUP BY origin, trace, replication
)
SELECT
    origin, trace, replication,
    (isodow(c.hour) - 1) * 24 + hour(c.hour) AS hour_of_week,
    isodow(c.hour) AS weekday,
    hour(c.hour) AS hour_of_day,
    count(*) AS hours,
    sum(c.runs)::BIGINT AS runs,
    avg(c.runs) AS mean_runs,
    stddev_samp(c.runs ORDER BY c.runs) AS sd_runs,
    avg(c.runs) / any_value(m.mean_runs) AS relative_rate
FROM counts AS c
JOIN means AS m USING (origin, trace, replication)
GROUP BY ALL
ORDER BY origin, trace, replication, hour_of_week

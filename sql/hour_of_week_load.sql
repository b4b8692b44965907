-- When in the week is each pool busy, and when do tasks wait for it?
-- Averages of analytics.pool_utilization and analytics.queue_length over equal hours of the week; synthetic traces have none,
-- as nothing in them says when a task started.
-- Grain: one row a trace, pool and hour of the week that the trace covers.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   pool (text): the pool; NULL where the log does not say
--   hour_of_week (0..167): 0 is Monday 00:00-01:00 UTC
--   weekday (1..7): 1 is Monday
--   hour_of_day (0..23): UTC
--   seconds (seconds): how much of this hour of the week the trace covers; the averages are over this time
--   utilization (fraction): time average of the held fraction of the dominant resource; NULL where no capacity is known
--   slots_held (tasks): time average of attempts running; NULL where no start in the pool is known
--   gpus_held (GPUs): time average of GPUs held; NULL where the log does not say
--   mean_waiting (tasks): time average of tasks waiting; NULL where no wait of the pool is known
--   max_waiting (tasks): the most that waited at once in any such hour; NULL where no wait of the pool is known
WITH parts AS (
    SELECT
        origin, trace, replication, pool, hour, seconds, utilization, slots_held, gpus_held,
        NULL::DOUBLE AS mean_waiting, NULL::BIGINT AS max_waiting
    FROM analytics.pool_utilization
    UNION ALL
    SELECT origin, trace, replication, pool, hour, seconds, NULL, NULL, NULL, mean_waiting, max_waiting
    FROM analytics.queue_length
),
hours AS (
    SELECT
        origin, trace, replication, pool, hour,
        max(seconds) AS seconds,
        max(utilization) AS utilization,
        max(slots_held) AS slots_held,
        max(gpus_held) AS gpus_held,
        max(mean_waiting) AS mean_waiting,
        max(max_waiting) AS max_waiting
    FROM parts
    GROUP BY origin, trace, replication, pool, hour
)
SELECT
    origin, trace, replication, pool,
    (isodow(hour) - 1) * 24 + hour(hour) AS hour_of_week,
    isodow(hour) AS weekday,
    hour(hour) AS hour_of_day,
    sum(seconds ORDER BY hour) AS seconds,
    sum(utilization * seconds ORDER BY hour)
        / nullif(sum(CASE WHEN utilization IS NOT NULL THEN seconds END ORDER BY hour), 0) AS utilization,
    sum(slots_held * seconds ORDER BY hour)
        / nullif(sum(CASE WHEN slots_held IS NOT NULL THEN seconds END ORDER BY hour), 0) AS slots_held,
    sum(gpus_held * seconds ORDER BY hour)
        / nullif(sum(CASE WHEN gpus_held IS NOT NULL THEN seconds END ORDER BY hour), 0) AS gpus_held,
    sum(mean_waiting * seconds ORDER BY hour)
        / nullif(sum(CASE WHEN mean_waiting IS NOT NULL THEN seconds END ORDER BY hour), 0) AS mean_waiting,
    max(max_waiting) AS max_waiting
FROM hours
GROUP BY ALL
ORDER BY origin, trace, replication, pool, hour_of_week

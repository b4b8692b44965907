-- How many tasks wait for each pool, hour by hour?
-- An attempt leaves the queue when it starts, or when it is cancelled or skipped before; a PENDING one waits to the end of the
-- log. Synthetic traces have none: they do not say when a task is queued.
-- Grain: one row a trace, pool and hour, from the trace's first submission to the later of its last event and the end of its
-- log. A trace that never says when a task was queued has none.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   pool (text): the pool; NULL where the log does not say
--   hour (TIMESTAMP, UTC): the beginning of the hour
--   seconds (seconds): how much of the hour the trace covers; the averages are over this part
--   mean_waiting (tasks): time average, exact; NULL where no wait of the pool is known
--   max_waiting (tasks): the most that waited at once for longer than an instant; NULL where no wait is known
--   queued (count): attempts queued in the hour
--   without_wait (count): those of them that count in no average, because the log does not say when they left the queue
WITH attempts AS (
    SELECT
        origin, trace, replication, t.pool, t.queued_at,
        CASE
            WHEN t.started_at IS NOT NULL THEN t.started_at
            WHEN t.status IN ('CANCELLED', 'SKIPPED') THEN t.ended_at
            WHEN t.status = 'PENDING' THEN greatest(t.queued_at, r.observed_until)
        END AS left_at
    FROM traces.task_runs AS t
    LEFT JOIN traces.pipeline_runs AS r USING (origin, trace, replication, run_id)
    WHERE t.queued_at IS NOT NULL
),
spans AS (
    SELECT origin, trace, replication, min(first_at) AS first_at, max(last_at) AS last_at
    FROM (
        SELECT origin, trace, replication, submitted_at AS first_at, greatest(ended_at, observed_until) AS last_at
        FROM traces.pipeline_runs
        UNION ALL
        SELECT origin, trace, replication, least(queued_at, started_at), greatest(queued_at, started_at, ended_at)
        FROM traces.task_runs
    )
    GROUP BY origin, trace, replication
),
pools AS (
    SELECT origin, trace, replication, a.pool, s.first_at, s.last_at, count(a.left_at) AS with_wait
    FROM attempts AS a
    JOIN spans AS s USING (origin, trace, replication)
    GROUP BY ALL
),
-- Every change of the number waiting, and the hours' boundaries so that no stretch of constant length crosses one.
changes AS (
    SELECT origin, trace, replication, pool, queued_at AS instant, (left_at IS NOT NULL)::BIGINT AS change,
        1 AS queued, (left_at IS NULL)::BIGINT AS without_wait
    FROM attempts
    UNION ALL
    SELECT origin, trace, replication, pool, left_at, -1, 0, 0 FROM attempts WHERE left_at IS NOT NULL
    UNION ALL
    SELECT origin, trace, replication, pool,
        greatest(first_at, unnest(generate_series(date_trunc('hour', first_at), last_at, INTERVAL 1 HOUR))), 0, 0, 0
    FROM pools
    UNION ALL
    SELECT origin, trace, replication, pool, last_at, 0, 0, 0 FROM pools
),
instants AS (
    SELECT origin, trace, replication, pool, instant, sum(change) AS change,
        sum(queued)::BIGINT AS queued, sum(without_wait)::BIGINT AS without_wait
    FROM changes
    GROUP BY ALL
),
stretches AS (
    SELECT
        origin, trace, replication, pool, date_trunc('hour', instant) AS hour, queued, without_wait,
        sum(change) OVER sweep AS waiting,
        coalesce(date_diff('microsecond', instant, lead(instant) OVER sweep), 0) AS lasts_us
    FROM instants
    WINDOW sweep AS (PARTITION BY origin, trace, replication, pool ORDER BY instant)
)
SELECT
    s.origin, s.trace, s.replication, s.pool, s.hour,
    sum(s.lasts_us) / 1e6 AS seconds,
    CASE WHEN any_value(p.with_wait) > 0 THEN sum(s.waiting * s.lasts_us) / nullif(sum(s.lasts_us), 0) END AS mean_waiting,
    CASE WHEN any_value(p.with_wait) > 0 THEN max(s.waiting) FILTER (WHERE s.lasts_us > 0) END::BIGINT AS max_waiting,
    sum(s.queued)::BIGINT AS queued,
    sum(s.without_wait)::BIGINT AS without_wait
FROM stretches AS s
JOIN pools AS p
    ON s.origin = p.origin AND s.trace = p.trace AND s.replication = p.replication AND s.pool IS NOT DISTINCT FROM p.pool
GROUP BY s.origin, s.trace, s.replication, s.pool, s.hour
HAVING sum(s.lasts_us) > 0 OR sum(s.queued) > 0
ORDER BY s.origin, s.trace, s.replication, s.pool, s.hour

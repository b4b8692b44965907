-- How large is each pool, and how do we know?
-- Where no row of traces.pools says, what was held at once at most is the least that the pool must have had: that is inferred, and
-- too small where the pool was never full. Attempts hold their resources as in pool_utilization.
-- Grain: one row a trace, pool and resource that a row of traces.pools or an attempt tells.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   pool (text): the pool; NULL where the log does not say
--   resource (text): gpus, cpu_cores, memory_bytes or slots
--   capacity (GPUs, cores, bytes or tasks): the most that the pool had at any time; NULL where it has rows of traces.pools, of
--     which none limits this resource
--   basis (text): told by traces.pools, or inferred from what was held; NULL as capacity
--   peak_held (as capacity): the most that was held at once for longer than an instant; NULL where no attempt says
WITH attempts AS (
    SELECT
        origin, trace, replication, t.pool, t.started_at,
        greatest(t.started_at, least(
            coalesce(
                t.ended_at, t.started_at + to_seconds(CASE WHEN t.duration_s < 1e9 THEN t.duration_s END), r.observed_until
            ),
            CASE WHEN t.status = 'RUNNING' AND t.ended_at IS NULL THEN r.observed_until END
        )) AS released_at,
        -- Whole numbers of millionths add up exactly, whatever the order.
        TRY_CAST(round(t.gpus * 1e6) AS BIGINT)::HUGEINT AS gpus,
        TRY_CAST(round(t.cpu_cores * 1e6) AS BIGINT)::HUGEINT AS cpu_cores,
        t.memory_bytes::HUGEINT * 1_000_000 AS memory_bytes,
        1_000_000::HUGEINT AS slots
    FROM traces.task_runs AS t
    LEFT JOIN traces.pipeline_runs AS r USING (origin, trace, replication, run_id)
    WHERE t.started_at IS NOT NULL
),
held AS (
    SELECT
        origin, trace, replication, pool, started_at, released_at,
        unnest(['gpus', 'cpu_cores', 'memory_bytes', 'slots']) AS resource,
        unnest([gpus, cpu_cores, memory_bytes, slots]) AS amount
    FROM attempts
),
steps AS (
    SELECT origin, trace, replication, pool, resource, instant, sum(step) AS step
    FROM (
        SELECT origin, trace, replication, pool, resource, started_at AS instant, amount AS step
        FROM held WHERE amount IS NOT NULL
        UNION ALL
        SELECT origin, trace, replication, pool, resource, released_at, -amount FROM held WHERE amount IS NOT NULL
    )
    GROUP BY ALL
),
peaks AS (
    SELECT origin, trace, replication, pool, resource, max(held) / 1e6 AS peak_held
    FROM (
        SELECT *, sum(step) OVER (PARTITION BY origin, trace, replication, pool, resource ORDER BY instant) AS held FROM steps
    )
    GROUP BY ALL
),
told AS (
    SELECT origin, trace, replication, pool, resource, max(amount) AS capacity
    FROM (
        SELECT
            origin, trace, replication, pool,
            unnest(['gpus', 'cpu_cores', 'memory_bytes', 'slots']) AS resource,
            unnest([gpus, cpu_cores, memory_bytes::DOUBLE, slots::DOUBLE]) AS amount
        FROM traces.pools
    )
    WHERE amount IS NOT NULL
    GROUP BY ALL
)
SELECT
    coalesce(p.origin, t.origin) AS origin,
    coalesce(p.trace, t.trace) AS trace,
    coalesce(p.replication, t.replication) AS replication,
    coalesce(p.pool, t.pool) AS pool,
    coalesce(p.resource, t.resource) AS resource,
    CASE WHEN k.pool IS NULL THEN p.peak_held ELSE t.capacity END AS capacity,
    CASE WHEN k.pool IS NULL THEN 'inferred' WHEN t.capacity IS NOT NULL THEN 'told' END AS basis,
    p.peak_held
FROM peaks AS p
FULL JOIN told AS t
    ON p.origin = t.origin AND p.trace = t.trace AND p.replication = t.replication AND p.pool = t.pool AND p.resource = t.resource
LEFT JOIN (SELECT DISTINCT origin, trace, replication, pool FROM traces.pools) AS k
    ON k.origin = coalesce(p.origin, t.origin) AND k.trace = coalesce(p.trace, t.trace)
    AND k.replication = coalesce(p.replication, t.replication) AND k.pool = coalesce(p.pool, t.pool)
ORDER BY origin, trace, replication, pool, resource

-- How much of each pool is in use, hour by hour?
-- An attempt holds its resources from its start to its end; without an end, for its duration (a RUNNING one at most to the end
-- of the log), and without that to the end of the log. Synthetic traces have none: they do not say when a task starts.
-- Grain: one row a trace, pool and hour, from the trace's first submission to the later of its last event and the end of its
-- log. A trace that never says when a task started has none.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   pool (text): the pool; NULL where the log does not say
--   hour (TIMESTAMP, UTC): the beginning of the hour
--   seconds (seconds): how much of the hour the trace covers; all averages are time averages over this part, exact
--   slots_held (tasks): attempts running
--   gpus_held (GPUs): held by running attempts; one that does not say counts 0, NULL means that no attempt of the pool says
--   cpu_cores_held (cores): held by running attempts, as gpus_held
--   memory_bytes_held (bytes): held by running attempts, as gpus_held
--   slots_capacity (tasks): how many attempts may run at once; NULL where no row of traces.pools says
--   gpus_capacity (GPUs): what the pool has; NULL where no row of traces.pools says
--   cpu_cores_capacity (cores): what the pool has; NULL where no row of traces.pools says
--   memory_bytes_capacity (bytes): what the pool has; NULL where no row of traces.pools says
--   utilization (fraction): held over capacity of the dominant resource, the one of which the largest fraction is held;
--     NULL where no capacity is known
--   dominant_resource (text): gpus, cpu_cores, memory_bytes or slots; NULL where no capacity is known
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
        TRY_CAST(round(t.gpus * 1e6) AS BIGINT)::HUGEINT AS gpus_u,
        TRY_CAST(round(t.cpu_cores * 1e6) AS BIGINT)::HUGEINT AS cpu_u,
        t.memory_bytes::HUGEINT AS memory
    FROM traces.task_runs AS t
    LEFT JOIN traces.pipeline_runs AS r USING (origin, trace, replication, run_id)
    WHERE t.started_at IS NOT NULL
),
spans AS (
    SELECT origin, trace, replication, min(first_at) AS first_at, max(last_at) AS last_at
    FROM (
        SELECT origin, trace, replication, submitted_at AS first_at, greatest(ended_at, observed_until) AS last_at
        FROM traces.pipeline_runs
        UNION ALL
        SELECT origin, trace, replication, least(queued_at, started_at), greatest(queued_at, started_at, ended_at)
        FROM traces.task_runs
        UNION ALL
        SELECT origin, trace, replication, started_at, released_at FROM attempts
    )
    SEMI JOIN attempts USING (origin, trace, replication)
    GROUP BY origin, trace, replication
),
capacities AS (
    SELECT
        origin, trace, replication, c.pool,
        greatest(c.valid_from, s.first_at) AS from_at,
        greatest(s.first_at, least(
            c.valid_to,
            lead(c.valid_from) OVER (PARTITION BY origin, trace, replication, c.pool ORDER BY c.valid_from),
            s.last_at
        )) AS to_at,
        TRY_CAST(round(c.gpus * 1e6) AS BIGINT)::HUGEINT AS gpus_u,
        TRY_CAST(round(c.cpu_cores * 1e6) AS BIGINT)::HUGEINT AS cpu_u,
        c.memory_bytes::HUGEINT AS memory,
        c.slots::HUGEINT AS slots
    FROM traces.pools AS c
    JOIN spans AS s USING (origin, trace, replication)
),
pools AS (
    SELECT origin, trace, replication, p.pool, s.first_at, s.last_at,
        count(p.gpus_u) > 0 AS says_gpus, count(p.cpu_u) > 0 AS says_cpu, count(p.memory) > 0 AS says_memory
    FROM (
        SELECT origin, trace, replication, pool, gpus_u, cpu_u, memory FROM attempts
        UNION ALL
        SELECT origin, trace, replication, pool, NULL, NULL, NULL FROM capacities
    ) AS p
    JOIN spans AS s USING (origin, trace, replication)
    GROUP BY ALL
),
-- Each start and end, and each change of capacity, counts in two ways: in its own hour with what is left of the hour, and in
-- all later hours as a step. Hourly areas are exact sums of these, however many hours an attempt touches.
changes AS (
    SELECT origin, trace, replication, pool, started_at AS instant, 1 AS slots, gpus_u, cpu_u, memory,
        0 AS slots_cap, 0 AS gpus_cap_u, 0 AS cpu_cap_u, 0 AS memory_cap
    FROM attempts
    UNION ALL
    SELECT origin, trace, replication, pool, released_at, -1, -gpus_u, -cpu_u, -memory, 0, 0, 0, 0 FROM attempts
    UNION ALL
    SELECT origin, trace, replication, pool, from_at, 0, 0, 0, 0, slots, gpus_u, cpu_u, memory
    FROM capacities WHERE from_at < to_at
    UNION ALL
    SELECT origin, trace, replication, pool, to_at, 0, 0, 0, 0, -slots, -gpus_u, -cpu_u, -memory
    FROM capacities WHERE from_at < to_at
),
timed AS (
    SELECT *, date_trunc('hour', instant) AS hour, date_diff('microsecond', instant, hour + INTERVAL 1 HOUR) AS left_us
    FROM changes
),
steps AS (
    SELECT
        origin, trace, replication, pool, hour,
        sum(slots) AS slots, sum(slots * left_us) AS slots_us,
        sum(gpus_u) AS gpus, sum(gpus_u * left_us) AS gpus_us,
        sum(cpu_u) AS cpu, sum(cpu_u * left_us) AS cpu_us,
        sum(memory) AS memory, sum(memory * left_us) AS memory_us,
        sum(slots_cap) AS slots_cap, sum(slots_cap * left_us) AS slots_cap_us,
        sum(gpus_cap_u) AS gpus_cap, sum(gpus_cap_u * left_us) AS gpus_cap_us,
        sum(cpu_cap_u) AS cpu_cap, sum(cpu_cap_u * left_us) AS cpu_cap_us,
        sum(memory_cap) AS memory_cap, sum(memory_cap * left_us) AS memory_cap_us
    FROM timed
    GROUP BY origin, trace, replication, pool, hour
),
hours AS (
    SELECT origin, trace, replication, pool, says_gpus, says_cpu, says_memory, first_at, last_at,
        unnest(generate_series(date_trunc('hour', first_at), last_at, INTERVAL 1 HOUR)) AS hour
    FROM pools
),
areas AS (
    SELECT
        h.origin, h.trace, h.replication, h.pool, h.hour, h.says_gpus, h.says_cpu, h.says_memory,
        date_diff('microsecond', greatest(h.hour, h.first_at), least(h.hour + INTERVAL 1 HOUR, h.last_at)) AS covered_us,
        coalesce(s.slots_us, 0) + 3_600_000_000 * coalesce(sum(s.slots) OVER earlier, 0) AS slots,
        coalesce(s.gpus_us, 0) + 3_600_000_000 * coalesce(sum(s.gpus) OVER earlier, 0) AS gpus,
        coalesce(s.cpu_us, 0) + 3_600_000_000 * coalesce(sum(s.cpu) OVER earlier, 0) AS cpu,
        coalesce(s.memory_us, 0) + 3_600_000_000 * coalesce(sum(s.memory) OVER earlier, 0) AS memory,
        coalesce(s.slots_cap_us, 0) + 3_600_000_000 * coalesce(sum(s.slots_cap) OVER earlier, 0) AS slots_cap,
        coalesce(s.gpus_cap_us, 0) + 3_600_000_000 * coalesce(sum(s.gpus_cap) OVER earlier, 0) AS gpus_cap,
        coalesce(s.cpu_cap_us, 0) + 3_600_000_000 * coalesce(sum(s.cpu_cap) OVER earlier, 0) AS cpu_cap,
        coalesce(s.memory_cap_us, 0) + 3_600_000_000 * coalesce(sum(s.memory_cap) OVER earlier, 0) AS memory_cap
    FROM hours AS h
    LEFT JOIN steps AS s
        ON h.origin = s.origin AND h.trace = s.trace AND h.replication = s.replication
        AND h.pool IS NOT DISTINCT FROM s.pool AND h.hour = s.hour
    WINDOW earlier AS (
        PARTITION BY h.origin, h.trace, h.replication, h.pool ORDER BY h.hour
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
told AS (
    SELECT
        origin, trace, replication, pool, hour,
        covered_us / 1e6 AS seconds,
        slots / covered_us AS slots_held,
        CASE WHEN says_gpus THEN gpus / covered_us / 1e6 END AS gpus_held,
        CASE WHEN says_cpu THEN cpu / covered_us / 1e6 END AS cpu_cores_held,
        CASE WHEN says_memory THEN memory / covered_us END AS memory_bytes_held,
        nullif(slots_cap / covered_us, 0) AS slots_capacity,
        nullif(gpus_cap / covered_us / 1e6, 0) AS gpus_capacity,
        nullif(cpu_cap / covered_us / 1e6, 0) AS cpu_cores_capacity,
        nullif(memory_cap / covered_us, 0) AS memory_bytes_capacity
    FROM areas
    WHERE covered_us > 0
),
fractions AS (
    SELECT
        *,
        gpus_held / gpus_capacity AS gpus_fraction,
        cpu_cores_held / cpu_cores_capacity AS cpu_fraction,
        memory_bytes_held / memory_bytes_capacity AS memory_fraction,
        slots_held / slots_capacity AS slots_fraction,
        greatest(gpus_fraction, cpu_fraction, memory_fraction, slots_fraction) AS utilization
    FROM told
)
SELECT
    origin, trace, replication, pool, hour, seconds, slots_held,
    gpus_held, cpu_cores_held, memory_bytes_held,
    slots_capacity, gpus_capacity, cpu_cores_capacity, memory_bytes_capacity,
    utilization,
    CASE utilization
        WHEN gpus_fraction THEN 'gpus'
        WHEN cpu_fraction THEN 'cpu_cores'
        WHEN memory_fraction THEN 'memory_bytes'
        WHEN slots_fraction THEN 'slots'
    END AS dominant_resource
FROM fractions
ORDER BY origin, trace, replication, pool, hour

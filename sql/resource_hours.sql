-- How many hours of resources did attempts hold, and what do these cost: who, for what, where, and with what outcome?
-- The quantities add up, so any coarser table is a sum over this one. Costs and energy are the hours times the figures of
-- analytics.resource_rates: edit those, they are list prices and full load. What no attempt says it held costs nothing.
-- An attempt holds its resources from its start to its end; without an end, for its duration (a RUNNING one at most to the end
-- of the log), and without that, if RUNNING, to the end of the log. Where the log does not say when it started, for its
-- duration. A synthetic trace has no instants: its hours are the natural duration, that of the work on a pool of speed 1.
-- Grain: one row a trace, tenant, task type, framework, pool, GPU type, status, whether the attempt is a retry, and
-- retraining run.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   tenant (text): who is charged; NULL where the log does not say
--   task_type (text): the kind of work; NULL where the log does not say
--   framework (text): the machine-learning framework; NULL where the log does not say
--   pool (text): the pool of the attempts; NULL where the log does not say
--   gpu_type (text): of attempts with GPUs, their type, else that of their pool if it has had only one; NULL where the log does
--     not say
--   status (text): how the attempts ended
--   is_retry (boolean): whether the attempts came after a first one of the same task
--   retraining_run_id (text): the run of analytics.retraining_runs whose attempts they are; NULL for all other work
--   attempts (count): all attempts, with a known time or without
--   with_time (count): attempts of which it is known how long they held their resources; the hours are over these
--   hours (hours): sum of the times; NULL where none is known
--   gpu_hours (GPU x hours): NULL where no attempt says both; an attempt that does not say how many counts 0
--   cpu_core_hours (core x hours): cores held, as gpu_hours
--   memory_gib_hours (GiB x hours): memory held, as gpu_hours; 1 GiB is 2^30 bytes
--   gpu_cost (USD): of the GPU-hours; 0 where there are none
--   cpu_core_cost (USD): of the core-hours; 0 where there are none
--   memory_cost (USD): of the memory; 0 where there is none
--   cost (USD): of all three
--   assumed_cost (USD): what of the cost rests on rates marked as an assumption
--   energy_kwh (kWh): of all three resources at full load
WITH rates AS (
    SELECT
        resource, lower(gpu_type) AS gpu_type,
        max(price_per_hour) AS price, max(watts) AS watts, bool_or(basis = 'assumption') AS is_assumed
    FROM analytics.resource_rates
    GROUP BY ALL
),
pool_types AS (
    SELECT origin, trace, replication, pool, min(gpu_type) AS gpu_type
    FROM traces.pools
    GROUP BY origin, trace, replication, pool
    HAVING count(DISTINCT gpu_type) = 1
),
attempts AS (
    SELECT
        origin, trace, replication, r.tenant, t.task_type, t.framework, t.pool,
        CASE WHEN t.gpus > 0 THEN coalesce(t.gpu_type, p.gpu_type) END AS gpu_type,
        t.status,
        t.attempt > 1 AS is_retry,
        q.run_id AS retraining_run_id,
        date_diff('microsecond', t.started_at, t.ended_at) AS seen_us,
        date_diff('microsecond', t.started_at, greatest(t.started_at, r.observed_until)) AS open_us,
        TRY_CAST(round(t.duration_s * 1e6) AS BIGINT) AS duration_us,
        t.started_at IS NOT NULL AS has_start,
        -- Whole numbers of millionths add up exactly, whatever the order.
        TRY_CAST(round(t.gpus * 1e6) AS BIGINT)::HUGEINT AS gpus_u,
        TRY_CAST(round(t.cpu_cores * 1e6) AS BIGINT)::HUGEINT AS cpu_u,
        t.memory_bytes::HUGEINT AS memory
    FROM traces.task_runs AS t
    LEFT JOIN traces.pipeline_runs AS r USING (origin, trace, replication, run_id)
    LEFT JOIN pool_types AS p USING (origin, trace, replication, pool)
    LEFT JOIN analytics.retraining_runs AS q
        ON r.origin = q.origin AND r.trace = q.trace AND r.replication = q.replication AND r.run_id = q.run_id
),
held AS (
    SELECT
        *,
        CASE
            WHEN seen_us IS NOT NULL THEN seen_us
            WHEN has_start AND status = 'RUNNING' THEN least(duration_us, open_us)
            WHEN has_start OR status NOT IN ('PENDING', 'SKIPPED') THEN duration_us
        END AS held_us
    FROM attempts
),
hours AS (
    SELECT
        origin, trace, replication, tenant, task_type, framework, pool, gpu_type, status, is_retry, retraining_run_id,
        count(*) AS attempts,
        count(held_us) AS with_time,
        sum(held_us) / 3.6e9 AS hours,
        sum(gpus_u * held_us) / 3.6e15 AS gpu_hours,
        sum(cpu_u * held_us) / 3.6e15 AS cpu_core_hours,
        sum(memory * held_us) / 3.6e9 / 1073741824 AS memory_gib_hours
    FROM held
    GROUP BY ALL
),
priced AS (
    SELECT
        h.*,
        coalesce(h.gpu_hours * coalesce(own.price, other.price), 0) AS gpu_cost,
        coalesce(h.cpu_core_hours * core.price, 0) AS cpu_core_cost,
        coalesce(h.memory_gib_hours * memory.price, 0) AS memory_cost,
        coalesce(own.is_assumed, other.is_assumed, false) AS is_gpu_assumed,
        coalesce(core.is_assumed, false) AS is_core_assumed,
        coalesce(memory.is_assumed, false) AS is_memory_assumed,
        (
            coalesce(h.gpu_hours * coalesce(own.watts, other.watts), 0)
            + coalesce(h.cpu_core_hours * core.watts, 0)
            + coalesce(h.memory_gib_hours * memory.watts, 0)
        ) / 1000 AS energy_kwh
    FROM hours AS h
    LEFT JOIN rates AS own ON own.resource = 'gpu' AND own.gpu_type = lower(h.gpu_type)
    LEFT JOIN rates AS other ON other.resource = 'gpu' AND other.gpu_type IS NULL
    LEFT JOIN rates AS core ON core.resource = 'cpu_core' AND core.gpu_type IS NULL
    LEFT JOIN rates AS memory ON memory.resource = 'memory_gib' AND memory.gpu_type IS NULL
)
SELECT
    origin, trace, replication, tenant, task_type, framework, pool, gpu_type, status, is_retry, retraining_run_id,
    attempts, with_time, hours, gpu_hours, cpu_core_hours, memory_gib_hours,
    gpu_cost, cpu_core_cost, memory_cost,
    gpu_cost + cpu_core_cost + memory_cost AS cost,
    CASE WHEN is_gpu_assumed THEN gpu_cost ELSE 0 END
        + CASE WHEN is_core_assumed THEN cpu_core_cost ELSE 0 END
        + CASE WHEN is_memory_assumed THEN memory_cost ELSE 0 END AS assumed_cost,
    energy_kwh
FROM priced
ORDER BY origin, trace, replication, tenant, task_type, framework, pool, gpu_type, status, is_retry, retraining_run_id

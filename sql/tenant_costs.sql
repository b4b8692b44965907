-- What does each tenant cost in money and energy, and how much of it came to nothing?
-- Of the hours held, as priced in analytics.resource_hours. Idle capacity is charged to nobody.
-- Grain: one row a trace and tenant.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   tenant (text): who is charged; NULL where the log does not say
--   runs (count): pipeline runs
--   attempts (count): attempts of tasks
--   gpu_hours (GPU x hours): GPUs held; NULL where the log does not say
--   cpu_core_hours (core x hours): cores held; NULL where the log does not say
--   memory_gib_hours (GiB x hours): memory held; NULL where the log does not say
--   gpu_cost (USD): of the GPU-hours; 0 where there are none
--   cpu_core_cost (USD): of the core-hours; 0 where there are none
--   memory_cost (USD): of the memory; 0 where there is none
--   cost (USD): of all three
--   cost_share (0..1): of the cost of the whole trace; NULL where that is 0
--   cost_per_run (USD): cost over runs; NULL where there is no run
--   wasted_cost (USD): of attempts that ended FAILED, TIMEOUT, NODE_FAIL or CANCELLED
--   assumed_cost (USD): what of the cost rests on rates marked as an assumption
--   energy_kwh (kWh): of all three resources at full load
--   wasted_energy_kwh (kWh): of attempts that came to nothing
WITH charges AS (
    SELECT
        *,
        CASE WHEN is_wasted THEN cost ELSE 0 END AS wasted_cost,
        CASE WHEN is_wasted THEN energy_kwh ELSE 0 END AS wasted_energy_kwh
    FROM (
        SELECT *, status IN ('FAILED', 'TIMEOUT', 'NODE_FAIL', 'CANCELLED') AS is_wasted FROM analytics.resource_hours
    )
),
-- Floating sums in a fixed order give the same digits every time.
tenants AS (
    SELECT
        origin, trace, replication, tenant,
        sum(attempts)::BIGINT AS attempts,
        sum(gpu_hours ORDER BY gpu_hours) AS gpu_hours,
        sum(cpu_core_hours ORDER BY cpu_core_hours) AS cpu_core_hours,
        sum(memory_gib_hours ORDER BY memory_gib_hours) AS memory_gib_hours,
        sum(gpu_cost ORDER BY gpu_cost) AS gpu_cost,
        sum(cpu_core_cost ORDER BY cpu_core_cost) AS cpu_core_cost,
        sum(memory_cost ORDER BY memory_cost) AS memory_cost,
        sum(cost ORDER BY cost) AS cost,
        sum(wasted_cost ORDER BY wasted_cost) AS wasted_cost,
        sum(assumed_cost ORDER BY assumed_cost) AS assumed_cost,
        sum(energy_kwh ORDER BY energy_kwh) AS energy_kwh,
        sum(wasted_energy_kwh ORDER BY wasted_energy_kwh) AS wasted_energy_kwh
    FROM charges
    GROUP BY origin, trace, replication, tenant
),
runs AS (
    SELECT origin, trace, replication, tenant, count(*) AS runs
    FROM traces.pipeline_runs
    GROUP BY origin, trace, replication, tenant
),
known AS (
    SELECT origin, trace, replication, tenant FROM tenants
    UNION
    SELECT origin, trace, replication, tenant FROM runs
),
bills AS (
    SELECT
        k.origin, k.trace, k.replication, k.tenant,
        coalesce(r.runs, 0) AS runs,
        coalesce(t.attempts, 0) AS attempts,
        t.gpu_hours, t.cpu_core_hours, t.memory_gib_hours,
        coalesce(t.gpu_cost, 0) AS gpu_cost,
        coalesce(t.cpu_core_cost, 0) AS cpu_core_cost,
        coalesce(t.memory_cost, 0) AS memory_cost,
        coalesce(t.cost, 0) AS cost,
        coalesce(t.wasted_cost, 0) AS wasted_cost,
        coalesce(t.assumed_cost, 0) AS assumed_cost,
        coalesce(t.energy_kwh, 0) AS energy_kwh,
        coalesce(t.wasted_energy_kwh, 0) AS wasted_energy_kwh
    FROM known AS k
    LEFT JOIN tenants AS t
        ON k.origin = t.origin AND k.trace = t.trace AND k.replication = t.replication
        AND k.tenant IS NOT DISTINCT FROM t.tenant
    LEFT JOIN runs AS r
        ON k.origin = r.origin AND k.trace = r.trace AND k.replication = r.replication
        AND k.tenant IS NOT DISTINCT FROM r.tenant
),
totals AS (
    SELECT origin, trace, replication, sum(cost ORDER BY cost) AS whole_cost
    FROM bills
    GROUP BY origin, trace, replication
)
SELECT
    origin, trace, replication, b.tenant, b.runs, b.attempts,
    b.gpu_hours, b.cpu_core_hours, b.memory_gib_hours,
    b.gpu_cost, b.cpu_core_cost, b.memory_cost, b.cost,
    b.cost / nullif(w.whole_cost, 0) AS cost_share,
    b.cost / nullif(b.runs, 0) AS cost_per_run,
    b.wasted_cost, b.assumed_cost, b.energy_kwh, b.wasted_energy_kwh
FROM bills AS b
JOIN totals AS w USING (origin, trace, replication)
ORDER BY origin, trace, replication, b.tenant

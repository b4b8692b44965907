-- How many resource-hours went into attempts that came to nothing, and into trying again?
-- Wasted is what attempts held that ended FAILED, TIMEOUT, NODE_FAIL or CANCELLED: all of it, as no log says what a later
-- attempt took over from a checkpoint. What holds its resources for how long: see analytics.resource_hours.
-- Grain: one row a trace, tenant, task type and framework.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   tenant (text): who is charged; NULL where the log does not say
--   task_type (text): the kind of work; NULL where the log does not say
--   framework (text): the machine-learning framework; NULL where the log does not say
--   attempts (count): all attempts
--   retries (count): attempts after a task's first
--   failed (count): attempts that ended FAILED or TIMEOUT
--   node_failed (count): attempts that ended NODE_FAIL
--   cancelled (count): attempts that ended CANCELLED
--   hours (hours): held by all attempts; NULL where no time is known, as all that follow
--   wasted_hours (hours): held by attempts that came to nothing
--   retry_hours (hours): held by attempts after a task's first, whatever their outcome
--   gpu_hours (GPU x hours): held by all attempts
--   wasted_gpu_hours (GPU x hours): held by attempts that came to nothing
--   wasted_gpu_fraction (0..1): wasted_gpu_hours over gpu_hours; NULL also where no GPU was held
--   retry_gpu_hours (GPU x hours): held by attempts after a task's first
--   cpu_core_hours (core x hours): held by all attempts
--   wasted_cpu_core_hours (core x hours): held by attempts that came to nothing
--   wasted_cpu_core_fraction (0..1): wasted_cpu_core_hours over cpu_core_hours; NULL also where no core was held
WITH parts AS (
    SELECT
        *,
        status IN ('FAILED', 'TIMEOUT', 'NODE_FAIL', 'CANCELLED') AS is_wasted
    FROM analytics.resource_hours
),
sums AS (
    -- Floating sums in a fixed order give the same digits every time.
    SELECT
        origin, trace, replication, tenant, task_type, framework,
        sum(attempts)::BIGINT AS attempts,
        coalesce(sum(attempts) FILTER (WHERE is_retry), 0)::BIGINT AS retries,
        coalesce(sum(attempts) FILTER (WHERE status IN ('FAILED', 'TIMEOUT')), 0)::BIGINT AS failed,
        coalesce(sum(attempts) FILTER (WHERE status = 'NODE_FAIL'), 0)::BIGINT AS node_failed,
        coalesce(sum(attempts) FILTER (WHERE status = 'CANCELLED'), 0)::BIGINT AS cancelled,
        sum(hours ORDER BY hours) AS hours,
        sum(CASE WHEN is_wasted THEN hours ELSE 0 * hours END ORDER BY is_wasted, hours) AS wasted_hours,
        sum(CASE WHEN is_retry THEN hours ELSE 0 * hours END ORDER BY is_retry, hours) AS retry_hours,
        sum(gpu_hours ORDER BY gpu_hours) AS gpu_hours,
        sum(CASE WHEN is_wasted THEN gpu_hours ELSE 0 * gpu_hours END ORDER BY is_wasted, gpu_hours) AS wasted_gpu_hours,
        sum(CASE WHEN is_retry THEN gpu_hours ELSE 0 * gpu_hours END ORDER BY is_retry, gpu_hours) AS retry_gpu_hours,
        sum(cpu_core_hours ORDER BY cpu_core_hours) AS cpu_core_hours,
        sum(CASE WHEN is_wasted THEN cpu_core_hours ELSE 0 * cpu_core_hours END ORDER BY is_wasted, cpu_core_hours)
            AS wasted_cpu_core_hours
    FROM parts
    GROUP BY origin, trace, replication, tenant, task_type, framework
)
SELECT
    origin, trace, replication, tenant, task_type, framework,
    attempts, retries, failed, node_failed, cancelled,
    hours, wasted_hours, retry_hours,
    gpu_hours, wasted_gpu_hours,
    wasted_gpu_hours / nullif(gpu_hours, 0) AS wasted_gpu_fraction,
    retry_gpu_hours,
    cpu_core_hours, wasted_cpu_core_hours,
    wasted_cpu_core_hours / nullif(cpu_core_hours, 0) AS wasted_cpu_core_fraction
FROM sums
ORDER BY origin, trace, replication, tenant, task_type, framework

-- What are the key figures of each trace, one a row?
-- The figures that analytics.scenario_intervals, scenario_comparison and side_by_side take means and differences of.
-- A trace has no row for a figure that it does not tell; a synthetic trace, which has no instants of its tasks, has therefore
-- none about waits, completion times, utilisation and queues.
-- Metrics: runs, tasks, attempts; runs_per_day (from the hour of the first submission to that of the last); tasks_per_run;
-- attempts_per_task; failed_attempt_fraction (FAILED, TIMEOUT or NODE_FAIL among those and SUCCEEDED); hourly_dispersion
-- (variance over mean of the runs an hour); p50_duration_s, p95_duration_s (natural durations, see duration_quantiles);
-- mean_wait_s, p50_wait_s, p95_wait_s, p99_wait_s, mean_jct_s, p50_jct_s, p95_jct_s, makespan_s (see scenario_summary);
-- gpu_hours, cpu_core_hours (held, see resource_hours); wasted_gpu_fraction (see wasted_resources); cost_usd, cost_per_run_usd,
-- energy_kwh (see tenant_costs); mean_model_performance (of all models over the time in which they were live) and
-- below_objective_fraction (of that time; where a scenario has an objective), see model_versions; retrainings,
-- retraining_gpu_hours, retraining_cost_usd (see retrainings; 0 where models were live and none was retrained);
-- read_bytes_per_attempt, written_bytes_per_attempt (of attempts that say); utilization.POOL and mean_waiting.POOL (time
-- averages of pool_utilization and queue_length).
-- Grain: one row a trace and metric.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   metric (text): the figure's name; that of a pool ends in the pool's name
--   unit (text): its unit
--   value (see unit): the figure
WITH arrivals AS (
    SELECT
        origin, trace, replication,
        24 * avg(runs) AS runs_per_day,
        var_samp(runs ORDER BY hour) / nullif(avg(runs), 0) AS hourly_dispersion
    FROM analytics.arrivals_by_hour
    WHERE hour IS NOT NULL
    GROUP BY origin, trace, replication
),
outcomes AS (
    SELECT
        origin, trace, replication,
        sum(failed) / nullif(sum(failed) + sum(succeeded), 0) AS failed_attempt_fraction
    FROM analytics.failures
    GROUP BY origin, trace, replication
),
durations AS (
    SELECT
        origin, trace, replication,
        max(duration_s) FILTER (WHERE probability = 0.5) AS p50_duration_s,
        max(duration_s) FILTER (WHERE probability = 0.95) AS p95_duration_s
    FROM analytics.duration_quantiles
    WHERE level = 'all'
    GROUP BY origin, trace, replication
),
wastes AS (
    SELECT
        origin, trace, replication,
        sum(wasted_gpu_hours ORDER BY wasted_gpu_hours) / nullif(sum(gpu_hours ORDER BY gpu_hours), 0) AS wasted_gpu_fraction
    FROM analytics.wasted_resources
    GROUP BY origin, trace, replication
),
costs AS (
    SELECT
        origin, trace, replication,
        sum(gpu_hours ORDER BY gpu_hours) AS gpu_hours,
        sum(cpu_core_hours ORDER BY cpu_core_hours) AS cpu_core_hours,
        sum(cost ORDER BY cost) AS cost_usd,
        sum(cost ORDER BY cost) / nullif(sum(runs), 0) AS cost_per_run_usd,
        sum(energy_kwh ORDER BY energy_kwh) AS energy_kwh
    FROM analytics.tenant_costs
    GROUP BY origin, trace, replication
),
bytes AS (
    SELECT
        origin, trace, replication,
        sum(read_bytes ORDER BY read_bytes) / nullif(sum(with_read_bytes), 0) AS read_bytes_per_attempt,
        sum(written_bytes ORDER BY written_bytes) / nullif(sum(with_written_bytes), 0) AS written_bytes_per_attempt
    FROM analytics.data_moved
    GROUP BY origin, trace, replication
),
models AS (
    SELECT
        origin, trace, replication,
        count(deployed_at) AS live_versions,
        sum(mean_performance * live_s ORDER BY model_id, version)
            / nullif(sum(live_s ORDER BY model_id, version) FILTER (WHERE mean_performance IS NOT NULL), 0)
            AS mean_model_performance,
        sum(below_objective_s ORDER BY model_id, version)
            / nullif(sum(live_s ORDER BY model_id, version) FILTER (WHERE below_objective_s IS NOT NULL), 0)
            AS below_objective_fraction
    FROM analytics.model_versions
    GROUP BY origin, trace, replication
),
retraining AS (
    SELECT
        origin, trace, replication,
        count(*) AS retrainings,
        sum(gpu_hours ORDER BY gpu_hours) AS gpu_hours,
        sum(cost ORDER BY cost) AS cost_usd
    FROM analytics.retrainings
    GROUP BY origin, trace, replication
),
figures AS (
    SELECT
        origin, trace, replication,
        s.runs, s.tasks, s.attempts,
        s.tasks / nullif(s.runs, 0) AS tasks_per_run,
        s.attempts / nullif(s.tasks, 0) AS attempts_per_task,
        s.mean_wait_s, s.p50_wait_s, s.p95_wait_s, s.p99_wait_s, s.mean_jct_s, s.p50_jct_s, s.p95_jct_s, s.makespan_s,
        a.runs_per_day, a.hourly_dispersion, o.failed_attempt_fraction, d.p50_duration_s, d.p95_duration_s,
        c.gpu_hours, c.cpu_core_hours, w.wasted_gpu_fraction, c.cost_usd, c.cost_per_run_usd, c.energy_kwh,
        m.mean_model_performance, m.below_objective_fraction,
        coalesce(q.retrainings, CASE WHEN m.live_versions > 0 THEN 0 END) AS retrainings,
        CASE WHEN q.retrainings > 0 THEN q.gpu_hours WHEN m.live_versions > 0 THEN 0 END AS retraining_gpu_hours,
        coalesce(q.cost_usd, CASE WHEN m.live_versions > 0 THEN 0 END) AS retraining_cost_usd,
        b.read_bytes_per_attempt, b.written_bytes_per_attempt
    FROM analytics.scenario_summary AS s
    LEFT JOIN arrivals AS a USING (origin, trace, replication)
    LEFT JOIN outcomes AS o USING (origin, trace, replication)
    LEFT JOIN durations AS d USING (origin, trace, replication)
    LEFT JOIN wastes AS w USING (origin, trace, replication)
    LEFT JOIN costs AS c USING (origin, trace, replication)
    LEFT JOIN models AS m USING (origin, trace, replication)
    LEFT JOIN retraining AS q USING (origin, trace, replication)
    LEFT JOIN bytes AS b USING (origin, trace, replication)
),
metrics AS (
    SELECT origin, trace, replication, 'runs' AS metric, 'count' AS unit, runs::DOUBLE AS value FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'tasks', 'count', tasks::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'attempts', 'count', attempts::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'runs_per_day', 'runs per day', runs_per_day::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'tasks_per_run', 'tasks per run', tasks_per_run::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'attempts_per_task', 'attempts per task', attempts_per_task::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'failed_attempt_fraction', '0..1', failed_attempt_fraction::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'hourly_dispersion', 'ratio', hourly_dispersion::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'p50_duration_s', 'seconds', p50_duration_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'p95_duration_s', 'seconds', p95_duration_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'mean_wait_s', 'seconds', mean_wait_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'p50_wait_s', 'seconds', p50_wait_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'p95_wait_s', 'seconds', p95_wait_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'p99_wait_s', 'seconds', p99_wait_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'mean_jct_s', 'seconds', mean_jct_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'p50_jct_s', 'seconds', p50_jct_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'p95_jct_s', 'seconds', p95_jct_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'makespan_s', 'seconds', makespan_s::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'gpu_hours', 'GPU x hours', gpu_hours::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'cpu_core_hours', 'core x hours', cpu_core_hours::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'wasted_gpu_fraction', '0..1', wasted_gpu_fraction::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'cost_usd', 'USD', cost_usd::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'cost_per_run_usd', 'USD per run', cost_per_run_usd::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'energy_kwh', 'kWh', energy_kwh::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'mean_model_performance', '0..1', mean_model_performance::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'below_objective_fraction', '0..1', below_objective_fraction::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'retrainings', 'count', retrainings::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'retraining_gpu_hours', 'GPU x hours', retraining_gpu_hours::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'retraining_cost_usd', 'USD', retraining_cost_usd::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'read_bytes_per_attempt', 'bytes', read_bytes_per_attempt::DOUBLE FROM figures
    UNION ALL
    SELECT origin, trace, replication, 'written_bytes_per_attempt', 'bytes', written_bytes_per_attempt::DOUBLE FROM figures
    UNION ALL
    SELECT
        origin, trace, replication, 'utilization.' || pool, 'fraction',
        sum(utilization * seconds ORDER BY hour) / nullif(sum(seconds ORDER BY hour), 0)
    FROM analytics.pool_utilization
    WHERE utilization IS NOT NULL AND pool IS NOT NULL
    GROUP BY origin, trace, replication, pool
    UNION ALL
    SELECT
        origin, trace, replication, 'mean_waiting.' || pool, 'tasks',
        sum(mean_waiting * seconds ORDER BY hour) / nullif(sum(seconds ORDER BY hour), 0)
    FROM analytics.queue_length
    WHERE mean_waiting IS NOT NULL AND pool IS NOT NULL
    GROUP BY origin, trace, replication, pool
)
SELECT origin, trace, replication, metric, unit, value
FROM metrics
WHERE value IS NOT NULL
ORDER BY origin, trace, replication, metric

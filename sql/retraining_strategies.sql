-- What does keeping models fresh cost in each scenario, and what does it bring: which strategies are worth their money?
-- Performance is the mean over all models and the time in which they were live; cost, GPU-hours, energy and carbon are those
-- of retraining alone (analytics.retrainings). The baseline is the scenario named never-retrain if there is one, else that with
-- the fewest retrainings, of equal ones the first by name. Replications of equal number are compared with each other, as in
-- analytics.scenario_comparison.
-- Intervals hold the true mean of independent replications with 95 % confidence (see analytics.scenario_intervals); what was
-- done only once has none. They are symmetric, so that one of a cost may begin below 0.
-- A scenario is efficient if no other has at least its performance for at most its cost, and one of the two better: these
-- scenarios are the frontier, from which a strategy is to be chosen. They are found by means alone, whatever the intervals.
-- Grain: one row a simulated scenario in which the performance of some live model is known.
-- Columns:
--   scenario (text): the scenario
--   baseline (text): the scenario that it is compared with
--   replications (count): those in which the performance of some live model is known
--   mean_performance (0..1): of all models over the time in which they were live
--   mean_performance_ci95_low (0..1): lower end of its 95 % confidence interval; NULL where there is one replication only
--   mean_performance_ci95_high (0..1): upper end of that interval
--   below_objective_fraction (0..1): how much of that time performance was below the scenario's objective; NULL where it has
--     none
--   below_objective_fraction_ci95_low (0..1): lower end of its interval
--   below_objective_fraction_ci95_high (0..1): upper end of its interval
--   retrainings (count): retraining runs
--   retrainings_per_week (runs per week): retrainings over the time from the first submission of any run to the last
--   gpu_hours (GPU x hours): held by retraining runs; NULL where no trace says
--   gpu_hours_ci95_low (GPU x hours): lower end of its interval
--   gpu_hours_ci95_high (GPU x hours): upper end of its interval
--   cost (USD): of the retraining runs
--   cost_ci95_low (USD): lower end of its interval
--   cost_ci95_high (USD): upper end of its interval
--   energy_kwh (kWh): of the retraining runs at full load
--   carbon_kg (kg of CO2): caused by this energy
--   user_mean_wait_s (seconds): mean wait of the attempts of all other runs (analytics.work_waits)
--   pairs (count): replications of equal number in the scenario and the baseline; those that only one of them has are left out
--     in all that follows but is_efficient and marginal_cost_per_point
--   gain_points (points): 100 x (mean performance - that of the baseline)
--   gain_points_ci95_low (points): lower end of its interval; NULL where there is one pair only
--   gain_points_ci95_high (points): upper end of its interval
--   cost_per_point (USD per point): what is spent beyond the baseline for each point gained; NULL where none is gained, as the
--     two that follow; below 0 where less is spent
--   gpu_hours_per_point (GPU x hours per point): likewise
--   carbon_kg_per_point (kg of CO2 per point): likewise
--   is_efficient (boolean): whether it lies on the frontier
--   marginal_cost_per_point (USD per point): what is spent beyond the next cheaper efficient scenario for each point gained
--     over that; NULL for the cheapest and for what is not efficient
WITH told AS (
    SELECT
        trace AS scenario, replication,
        max(value) FILTER (WHERE metric = 'mean_model_performance') AS performance,
        max(value) FILTER (WHERE metric = 'retrainings') AS retrainings,
        max(value) FILTER (WHERE metric = 'retraining_gpu_hours') AS gpu_hours,
        max(value) FILTER (WHERE metric = 'retraining_cost_usd') AS cost
    FROM analytics.trace_metrics
    WHERE origin = 'simulated'
    GROUP BY trace, replication
),
energies AS (
    -- Floating sums in a fixed order give the same digits every time.
    SELECT
        trace AS scenario, replication,
        sum(energy_kwh ORDER BY energy_kwh) AS energy_kwh,
        sum(carbon_kg ORDER BY carbon_kg) AS carbon_kg
    FROM analytics.retrainings
    WHERE origin = 'simulated'
    GROUP BY trace, replication
),
spans AS (
    SELECT
        trace AS scenario, replication,
        date_diff('microsecond', min(submitted_at), max(submitted_at)) / 604.8e9 AS weeks
    FROM traces.pipeline_runs
    WHERE origin = 'simulated'
    GROUP BY trace, replication
),
waits AS (
    SELECT trace AS scenario, replication, mean_wait_s
    FROM analytics.work_waits
    WHERE origin = 'simulated' AND work = 'user'
),
figures AS (
    SELECT
        scenario, replication, t.performance, t.retrainings, t.gpu_hours, t.cost,
        t.retrainings / nullif(s.weeks, 0) AS retrainings_per_week,
        coalesce(e.energy_kwh, 0) AS energy_kwh,
        CASE WHEN e.energy_kwh IS NULL THEN 0 ELSE e.carbon_kg END AS carbon_kg,
        w.mean_wait_s
    FROM told AS t
    LEFT JOIN energies AS e USING (scenario, replication)
    LEFT JOIN spans AS s USING (scenario, replication)
    LEFT JOIN waits AS w USING (scenario, replication)
    WHERE t.performance IS NOT NULL
),
means AS (
    SELECT
        scenario,
        count(*) AS replications,
        sum(retrainings ORDER BY replication) / count(*) AS retrainings,
        sum(retrainings_per_week ORDER BY replication) / count(retrainings_per_week) AS retrainings_per_week,
        sum(energy_kwh ORDER BY replication) / count(*) AS energy_kwh,
        sum(carbon_kg ORDER BY replication) / count(carbon_kg) AS carbon_kg,
        sum(mean_wait_s ORDER BY replication) / count(mean_wait_s) AS user_mean_wait_s
    FROM figures
    GROUP BY scenario
),
baselines AS (
    SELECT
        coalesce(max(scenario) FILTER (WHERE scenario = 'never-retrain'), first(scenario ORDER BY retrainings, scenario))
            AS baseline
    FROM means
),
pairs AS (
    SELECT
        s.scenario, s.replication,
        100 * (s.performance - b.performance) AS gain_points,
        s.cost - b.cost AS cost,
        s.gpu_hours - b.gpu_hours AS gpu_hours,
        s.carbon_kg - b.carbon_kg AS carbon_kg
    FROM baselines AS n
    JOIN figures AS b ON b.scenario = n.baseline
    JOIN figures AS s ON s.replication = b.replication
),
gains AS (
    SELECT
        scenario,
        count(*) AS pairs,
        sum(gain_points ORDER BY replication) / count(*) AS gain_points,
        stddev_samp(gain_points ORDER BY replication) AS sd_gain_points,
        sum(cost ORDER BY replication) / count(*) AS extra_cost,
        sum(gpu_hours ORDER BY replication) / count(gpu_hours) AS extra_gpu_hours,
        sum(carbon_kg ORDER BY replication) / count(carbon_kg) AS extra_carbon_kg
    FROM pairs
    GROUP BY scenario
),
compared AS (
    SELECT
        g.*,
        CASE WHEN g.gain_points > 0 THEN g.gain_points END AS gained,
        q.t_95 * g.sd_gain_points / sqrt(g.pairs) AS half_width
    FROM gains AS g
    LEFT JOIN analytics.student_t AS q ON q.degrees_of_freedom = least(g.pairs - 1, 1000)
),
intervals AS (
    SELECT trace AS scenario, metric, mean, ci95_low, ci95_high FROM analytics.scenario_intervals WHERE origin = 'simulated'
),
strategies AS (
    SELECT
        m.*,
        p.mean AS mean_performance, p.ci95_low AS performance_low, p.ci95_high AS performance_high,
        o.mean AS below_objective_fraction, o.ci95_low AS below_low, o.ci95_high AS below_high,
        h.mean AS gpu_hours, h.ci95_low AS gpu_hours_low, h.ci95_high AS gpu_hours_high,
        c.mean AS cost, c.ci95_low AS cost_low, c.ci95_high AS cost_high
    FROM means AS m
    JOIN intervals AS p ON p.scenario = m.scenario AND p.metric = 'mean_model_performance'
    LEFT JOIN intervals AS o ON o.scenario = m.scenario AND o.metric = 'below_objective_fraction'
    LEFT JOIN intervals AS h ON h.scenario = m.scenario AND h.metric = 'retraining_gpu_hours'
    LEFT JOIN intervals AS c ON c.scenario = m.scenario AND c.metric = 'retraining_cost_usd'
),
best AS (
    SELECT cost, max(mean_performance) AS mean_performance FROM strategies GROUP BY cost
),
cheaper AS (
    SELECT
        *,
        max(mean_performance) OVER (ORDER BY cost ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS best_for_less
    FROM best
),
frontier AS (
    SELECT
        cost, mean_performance,
        (cost - lag(cost) OVER (ORDER BY cost))
            / (100 * (mean_performance - lag(mean_performance) OVER (ORDER BY cost))) AS marginal_cost_per_point
    FROM cheaper
    WHERE best_for_less IS NULL OR mean_performance > best_for_less
)
SELECT
    s.scenario, n.baseline, s.replications,
    s.mean_performance,
    s.performance_low AS mean_performance_ci95_low,
    s.performance_high AS mean_performance_ci95_high,
    s.below_objective_fraction,
    s.below_low AS below_objective_fraction_ci95_low,
    s.below_high AS below_objective_fraction_ci95_high,
    s.retrainings, s.retrainings_per_week,
    s.gpu_hours, s.gpu_hours_low AS gpu_hours_ci95_low, s.gpu_hours_high AS gpu_hours_ci95_high,
    s.cost, s.cost_low AS cost_ci95_low, s.cost_high AS cost_ci95_high,
    s.energy_kwh, s.carbon_kg, s.user_mean_wait_s,
    coalesce(g.pairs, 0) AS pairs,
    g.gain_points,
    g.gain_points - g.half_width AS gain_points_ci95_low,
    g.gain_points + g.half_width AS gain_points_ci95_high,
    g.extra_cost / g.gained AS cost_per_point,
    g.extra_gpu_hours / g.gained AS gpu_hours_per_point,
    g.extra_carbon_kg / g.gained AS carbon_kg_per_point,
    f.cost IS NOT NULL AS is_efficient,
    f.marginal_cost_per_point
FROM strategies AS s
CROSS JOIN baselines AS n
LEFT JOIN compared AS g ON g.scenario = s.scenario
LEFT JOIN frontier AS f ON f.cost = s.cost AND f.mean_performance = s.mean_performance
ORDER BY s.scenario

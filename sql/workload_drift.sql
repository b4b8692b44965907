-- Does the workload change from one week to the next?
-- Each week beside the calendar week before: how much comes in, how long the work takes, who submits what, at what time of day.
-- Distances are 0 where the two weeks are alike and 1 where they have nothing in common. Small weeks are far apart by chance:
-- compare duration_distance with duration_noise; the logs' own bursts make even that a little too strict.
-- Grain: one row a trace and week, from the week of the trace's first submission to that of its last. Attempts belong to the
-- week in which their run was submitted; runs of which the log does not say when are left out.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   week (DATE, UTC): the Monday on which the week begins
--   hours (count): hours of the week between the trace's first and last submission; fewer than 168 in the first and last week
--   runs (count): runs submitted
--   runs_per_hour (runs per hour): runs over hours
--   rate_ratio (ratio): runs_per_hour over that of the week before; NULL where that week had no run
--   offered_gpus (GPUs): GPU-seconds of known durations of the attempts over the seconds of hours; NULL where none is known
--   durations (count): attempts whose natural duration is known exactly; the quantile and the distance are over these
--   p50_duration_s (seconds): their median
--   duration_distance (0..1): Kolmogorov-Smirnov distance of the durations of the two weeks; NULL where one has none
--   duration_noise (0..1): what it exceeds in 5 % of cases though nothing changed: 1.358 * sqrt((n + m) / (n * m)), Smirnov's
--     asymptotic law for n and m independent durations
--   drifted (boolean): whether duration_distance exceeds duration_noise
--   work_distance (0..1): total variation distance of the shares of task types and frameworks among the attempts; NULL where
--     a week has none, as the two that follow
--   tenant_distance (0..1): the same of the tenants among the runs
--   hour_of_day_distance (0..1): the same of the hours of the day (UTC) among the submissions
WITH weeks AS (
    SELECT origin, trace, replication, date_trunc('week', hour)::DATE AS week, count(*) AS hours, sum(runs)::BIGINT AS runs
    FROM analytics.arrivals_by_hour
    WHERE hour IS NOT NULL
    GROUP BY ALL
),
attempts AS (
    SELECT
        origin, trace, replication, date_trunc('week', r.submitted_at)::DATE AS week, t.task_type, t.framework, t.is_censored,
        TRY_CAST(round(t.gpus * 1e6) AS BIGINT)::HUGEINT AS gpus_u,
        coalesce(
            TRY_CAST(round(t.duration_s * 1e6) AS BIGINT), date_diff('microsecond', t.started_at, t.ended_at)
        ) AS duration_us
    FROM traces.task_runs AS t
    JOIN traces.pipeline_runs AS r USING (origin, trace, replication, run_id)
    WHERE r.submitted_at IS NOT NULL
),
works AS (
    SELECT
        origin, trace, replication, week,
        sum(gpus_u * duration_us) / 1e12 AS gpu_seconds,
        quantile_cont(duration_us, 0.5) FILTER (WHERE NOT is_censored) / 1e6 AS p50_duration_s
    FROM attempts
    GROUP BY origin, trace, replication, week
),
-- Every week's durations twice: as those of the week itself, and as those before the following week.
durations AS (
    SELECT origin, trace, replication, week, duration_us, count(*) AS here
    FROM attempts
    WHERE duration_us IS NOT NULL AND NOT is_censored
    GROUP BY ALL
),
steps AS (
    SELECT origin, trace, replication, week, duration_us, sum(here) AS here, sum(before) AS before
    FROM (
        SELECT origin, trace, replication, week, duration_us, here, 0 AS before FROM durations
        UNION ALL
        SELECT origin, trace, replication, week + 7, duration_us, 0, here FROM durations
    )
    GROUP BY ALL
),
totals AS (
    SELECT origin, trace, replication, week, sum(here) AS here, sum(before) AS before
    FROM steps
    GROUP BY origin, trace, replication, week
),
climbs AS (
    SELECT
        origin, trace, replication, week,
        sum(here) OVER shorter AS here, sum(before) OVER shorter AS before
    FROM steps
    WINDOW shorter AS (PARTITION BY origin, trace, replication, week ORDER BY duration_us)
),
distances AS (
    SELECT
        origin, trace, replication, week,
        any_value(t.here)::BIGINT AS durations,
        max(abs(c.here / nullif(t.here, 0) - c.before / nullif(t.before, 0))) AS duration_distance,
        any_value(1.358 * sqrt((t.here + t.before) / nullif(t.here * t.before, 0))) AS duration_noise
    FROM climbs AS c
    JOIN totals AS t USING (origin, trace, replication, week)
    GROUP BY origin, trace, replication, week
),
kinds AS (
    SELECT
        origin, trace, replication, week, 'work' AS aspect, task_type AS first_part, framework AS second_part, count(*) AS here
    FROM attempts
    GROUP BY ALL
    UNION ALL
    SELECT
        origin, trace, replication, date_trunc('week', submitted_at)::DATE, 'tenant', tenant, NULL, count(*)
    FROM traces.pipeline_runs
    WHERE submitted_at IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT
        origin, trace, replication, date_trunc('week', submitted_at)::DATE, 'hour_of_day', hour(submitted_at)::VARCHAR, NULL,
        count(*)
    FROM traces.pipeline_runs
    WHERE submitted_at IS NOT NULL
    GROUP BY ALL
),
mixes AS (
    SELECT
        origin, trace, replication, week, aspect,
        sum(here) AS here, sum(before) AS before,
        sum(sum(here)) OVER (PARTITION BY origin, trace, replication, week, aspect) AS all_here,
        sum(sum(before)) OVER (PARTITION BY origin, trace, replication, week, aspect) AS all_before
    FROM (
        SELECT origin, trace, replication, week, aspect, first_part, second_part, here, 0 AS before FROM kinds
        UNION ALL
        SELECT origin, trace, replication, week + 7, aspect, first_part, second_part, 0, here FROM kinds
    )
    GROUP BY origin, trace, replication, week, aspect, first_part, second_part
),
shifts AS (
    -- Whole numbers over one common denominator, so that the sum does not depend on its order.
    SELECT
        origin, trace, replication, week, aspect,
        sum(abs(here * all_before - before * all_here)) / nullif(2 * any_value(all_here * all_before), 0) AS distance
    FROM mixes
    GROUP BY origin, trace, replication, week, aspect
),
beside AS (
    SELECT
        origin, trace, replication, week,
        max(distance) FILTER (WHERE aspect = 'work') AS work_distance,
        max(distance) FILTER (WHERE aspect = 'tenant') AS tenant_distance,
        max(distance) FILTER (WHERE aspect = 'hour_of_day') AS hour_of_day_distance
    FROM shifts
    GROUP BY origin, trace, replication, week
)
SELECT
    origin, trace, replication, week, w.hours, w.runs,
    w.runs / w.hours AS runs_per_hour,
    w.runs / w.hours / nullif(b.runs / b.hours, 0) AS rate_ratio,
    k.gpu_seconds / (3600 * w.hours) AS offered_gpus,
    coalesce(d.durations, 0) AS durations,
    k.p50_duration_s,
    d.duration_distance, d.duration_noise,
    d.duration_distance > d.duration_noise AS drifted,
    s.work_distance, s.tenant_distance, s.hour_of_day_distance
FROM weeks AS w
LEFT JOIN (SELECT origin, trace, replication, week + 7 AS week, hours, runs FROM weeks) AS b
    USING (origin, trace, replication, week)
LEFT JOIN works AS k USING (origin, trace, replication, week)
LEFT JOIN distances AS d USING (origin, trace, replication, week)
LEFT JOIN beside AS s USING (origin, trace, replication, week)
ORDER BY origin, trace, replication, week

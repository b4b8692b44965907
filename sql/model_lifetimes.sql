-- When was each version of a model live?
-- Where a log does not say when a version went live, it did so at the first live measurement of its performance; where it does
-- not say when its place was taken, that was when the next version of the model went live. Of versions that went live at one
-- instant the later trained comes later (created_at, then the version as a number, then as a word): it takes the other's place
-- at once.
-- Grain: one row a trace and version of a model that traces.models or traces.model_metrics has.
-- Columns:
--   origin (text): where the trace comes from: observed, synthetic or simulated
--   trace (text): which one: observed, the identifier of the synthetic trace, or the name of the scenario
--   replication (number): of a simulated scenario, from 0 on; 0 otherwise
--   model_id (text): the model
--   version (text): its version
--   deployment (number): 1 for the version of the model that went live first, 2 for the next and so on; NULL if it never did
--   deployed_at (TIMESTAMP, UTC): when it went live; NULL if it never did
--   retired_at (TIMESTAMP, UTC): when another version took its place; NULL if none did
--   live_until (TIMESTAMP, UTC): retired_at, or the end of the trace where none took its place: the later of the end of its log
--     and the last measurement; NULL if it never was live
WITH told AS (
    SELECT
        origin, trace, replication, model_id, version, created_at, deployed_at, retired_at, NULL::TIMESTAMP AS seen_live_at
    FROM traces.models
    UNION ALL
    SELECT
        origin, trace, replication, model_id, version, NULL, NULL, NULL,
        CASE WHEN phase = 'live' AND metric = 'performance' THEN measured_at END
    FROM traces.model_metrics
),
versions AS (
    SELECT
        origin, trace, replication, model_id, version,
        max(created_at) AS created_at,
        coalesce(max(deployed_at), min(seen_live_at)) AS deployed_at,
        max(retired_at) AS retired_at
    FROM told
    GROUP BY origin, trace, replication, model_id, version
),
ends AS (
    SELECT origin, trace, replication, max(seen_at) AS end_at
    FROM (
        SELECT origin, trace, replication, observed_until AS seen_at FROM traces.pipeline_runs
        UNION ALL
        SELECT origin, trace, replication, measured_at FROM traces.model_metrics
    )
    GROUP BY origin, trace, replication
),
in_turn AS (
    -- Those that never went live come last: none takes the place of another.
    SELECT
        *,
        row_number() OVER deployments AS deployment,
        lead(deployed_at) OVER deployments AS next_deployed_at
    FROM versions
    WINDOW deployments AS (
        PARTITION BY origin, trace, replication, model_id
        ORDER BY deployed_at NULLS LAST, created_at, TRY_CAST(version AS BIGINT), version
    )
)
SELECT
    origin, trace, replication, v.model_id, v.version,
    CASE WHEN v.deployed_at IS NOT NULL THEN v.deployment END AS deployment,
    v.deployed_at,
    coalesce(v.retired_at, v.next_deployed_at) AS retired_at,
    CASE
        WHEN v.deployed_at IS NOT NULL
            THEN greatest(v.deployed_at, coalesce(v.retired_at, v.next_deployed_at, e.end_at))
    END AS live_until
FROM in_turn AS v
LEFT JOIN ends AS e USING (origin, trace, replication)
ORDER BY origin, trace, replication, v.model_id, v.version

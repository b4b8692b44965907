"""The definitions that `dagster dev` and `dg` load: assets, checks, resources, jobs, and what runs them."""

import dagster as dg

from dagster_project import (
    analytics,
    automation,
    checks,
    logs,
    operations,
    quality,
    report,
    scenarios,
    simulated,
    synthetic,
    traces,
    workload,
)
from dagster_project.resources import Home, Inbox

defs = dg.Definitions(
    assets=[
        logs.sample_logs,
        logs.log_files,
        logs.observed,
        workload.workload_model,
        quality.synthetic_quality,
        synthetic.synthetic_trace,
        scenarios.scenarios,
        simulated.simulated_runs,
        traces.traces,
        *analytics.TABLES,
        report.report,
        report.figures,
        report.catalogue,
    ],
    asset_checks=checks.CHECKS,
    jobs=[*automation.JOBS, operations.prune],
    sensors=automation.SENSORS,
    schedules=[*automation.SCHEDULES, operations.weekly_prune],
    resources={"home": Home(), "inbox": Inbox()},
    # A step takes a second or so: a process for each would cost more than it saves.
    executor=dg.in_process_executor,
)

"""The definitions that `dagster dev` and `dg` load: all assets, their checks, the resource, and the job over all of them."""

import dagster as dg

from dagster_project import analytics, checks, logs, report, simulated, synthetic, traces, workload
from dagster_project.resources import Home

RUNS = simulated.RUNS.get_partition_keys()

whole_path = dg.define_asset_job(
    "whole_path",
    description="Everything in one run: logs, workload model, synthetic trace, every scenario, analytics, report, catalogue.",
    # One run for the whole grid of partitions, which Dagster names by its corners.
    tags={
        "dagster/asset_partition_range_start": RUNS[0],
        "dagster/asset_partition_range_end": RUNS[-1],
    },
)

defs = dg.Definitions(
    assets=[
        logs.sample_logs,
        logs.observed,
        workload.workload_model,
        synthetic.synthetic_trace,
        simulated.simulated_runs,
        traces.traces,
        *analytics.TABLES,
        report.report,
        report.catalogue,
    ],
    asset_checks=checks.CHECKS,
    jobs=[whole_path],
    resources={"home": Home()},
    # A step takes a second or so: a process for each would cost more than it saves.
    executor=dg.in_process_executor,
)

"""From the workload model to a synthetic trace."""

import dagster as dg
from pydantic import Field

from dagster_project.metadata import OWNERS, code_version, counts, preview
from dagster_project.resources import Home
from dagster_project.workload import GROUP, workload_model
from pipesim.demo import SYNTHETIC_DAYS
from pipesim.workload import SynthesisConfig


class Synthesis(SynthesisConfig, dg.Config):
    """What is drawn from the workload model."""

    days: float = Field(default=SYNTHETIC_DAYS, description="Length of the trace in days.")
    seed: int = Field(default=42, ge=0, description="The root seed.")


@dg.asset(
    deps=[workload_model],
    group_name=GROUP,
    kinds={"python", "polars", "parquet"},
    owners=OWNERS,
    tags={"stage": "synthetic"},
    code_version=code_version("workload", "streams.py"),
)
def synthetic_trace(config: Synthesis, home: Home) -> dg.MaterializeResult[None]:
    """What could have happened: pipeline runs drawn from the workload model, for any horizon and arrival rate."""
    from pipesim.verbs import synthesize_trace

    lake = home.lake()
    made = synthesize_trace(lake, config)
    trace = lake.load_synthetic(made.trace)
    rows = {table: trace[table].height for table in trace}
    return dg.MaterializeResult(
        metadata={
            **made.as_dict(),
            "dagster/row_count": sum(rows.values()),
            "tables": counts(rows, "table"),
            "task_runs": preview(trace.task_runs),
            "folder": dg.MetadataValue.path(lake.synthetic_folder(made.trace)),
        }
    )

"""From the observed trace to the workload model."""

import dagster as dg

from dagster_project.logs import observed
from dagster_project.metadata import OWNERS, code_version
from dagster_project.resources import Home
from pipesim.workload import FitConfig

GROUP = "workload"


class Fit(FitConfig, dg.Config):
    """How the workload model is fitted."""


@dg.asset(
    deps=[observed],
    group_name=GROUP,
    kinds={"python", "scipy", "json"},
    owners=OWNERS,
    tags={"stage": "model"},
    code_version=code_version("workload", "streams.py"),
)
def workload_model(config: Fit, home: Home) -> dg.MaterializeResult[None]:
    """What was learnt from the observed trace: arrivals, run structure, durations, demands, data and failures."""
    from pipesim.verbs import fit_workload, load_model

    lake = home.lake()
    fitted = fit_workload(lake, config)
    return dg.MaterializeResult(
        metadata={
            **fitted.as_dict(),
            "notes": list(load_model(lake, fitted.model).notes),
            "file": dg.MetadataValue.path(lake.models / f"{fitted.model}.json"),
        }
    )

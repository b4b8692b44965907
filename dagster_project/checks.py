"""What is checked before anything downstream runs."""

import dagster as dg

from dagster_project.logs import observed
from dagster_project.resources import Home
from dagster_project.synthetic import synthetic_trace
from pipesim.trace import Trace


@dg.asset_check(asset=observed, name="keeps_the_schema", blocking=True)
def observed_keeps_the_schema(home: Home) -> dg.AssetCheckResult:
    """Every row that was ingested keeps every rule of the data model."""
    return _verdict(home.lake().load_observed())


@dg.asset_check(asset=synthetic_trace, name="keeps_the_schema", blocking=True)
def synthetic_keeps_the_schema(home: Home) -> dg.AssetCheckResult:
    """Every row of the current synthetic trace keeps every rule of the data model."""
    lake = home.lake()
    return _verdict(lake.load_synthetic(str(lake.current(lake.lake / "synthetic"))))


def _verdict(trace: Trace) -> dg.AssetCheckResult:
    broken = trace.violations()
    return dg.AssetCheckResult(passed=not broken, metadata={f"{v.table}.{v.rule}": v.rows for v in broken})


CHECKS = [observed_keeps_the_schema, synthetic_keeps_the_schema]

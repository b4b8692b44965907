"""What is checked: the data before anything downstream runs, the model and the synthetic trace for likeness, each simulation.

Every check is a function of `pipesim.checks`; its docstring is the description in the UI.
"""

import inspect
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg

from dagster_project.logs import observed
from dagster_project.resources import Home
from dagster_project.simulated import RUNS, simulated_runs
from dagster_project.synthetic import synthetic_trace
from dagster_project.workload import workload_model
from pipesim.checks.accounting import accounting, quarantine_ratio
from pipesim.checks.capacity import capacity_exceeded
from pipesim.checks.fidelity import arrivals_like_observed, durations_like_observed, tasks_like_observed
from pipesim.checks.observed import freshness, keeps_the_schema, overlapping_ids
from pipesim.checks.simulated import capacity, causality, conservation, hold_times, stored_runs
from pipesim.checks.verdict import Verdict, markdown
from pipesim.checks.workload import arrivals_fit, durations_fit, quantities_fit
from pipesim.errors import RequestError
from pipesim.lake import Lake

MAX_AGE = "PIPESIM_MAX_LOG_AGE_DAYS"
_SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}


@dg.asset_check(asset=observed, name="keeps_the_schema", blocking=True, description=inspect.getdoc(keeps_the_schema))
def observed_keeps_the_schema(home: Home) -> dg.AssetCheckResult:
    """Check what was ingested."""
    return _result(keeps_the_schema(home.lake().load_observed()))


@dg.asset_check(asset=synthetic_trace, name="keeps_the_schema", blocking=True, description=inspect.getdoc(keeps_the_schema))
def synthetic_keeps_the_schema(home: Home) -> dg.AssetCheckResult:
    """Check the current synthetic trace."""
    lake = home.lake()
    return _result(keeps_the_schema(lake.load_synthetic(str(lake.current(lake.lake / "synthetic")))))


@dg.asset_check(asset=observed, name="freshness", blocking=True, description=inspect.getdoc(freshness))
def observed_freshness(home: Home) -> dg.AssetCheckResult:
    """Check the age of the log against the clock, and the limit that the environment sets, if it does."""
    return _result(freshness(home.lake(), datetime.now(UTC).replace(tzinfo=None), _max_age()))


def _max_age() -> float | None:
    text = os.environ.get(MAX_AGE)
    if not text:
        return None
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days < float("inf"):
        raise RequestError(f"{text!r} is no number of days", where=MAX_AGE, remedy="set it to a number above 0, or not at all")
    return days


def _check(asset: dg.AssetsDefinition, judge: Callable[[Lake], Verdict], *, blocking: bool = False) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=judge.__name__, blocking=blocking, description=inspect.getdoc(judge))
    def check(home: Home) -> dg.AssetCheckResult:
        return _result(judge(home.lake()))

    return check


def _invariant(judge: Callable[[Lake, Sequence[tuple[str, int]]], Verdict]) -> dg.AssetChecksDefinition:
    """Return a check of the simulations: in a run of some partitions of those, else of all that are stored."""

    @dg.asset_check(asset=simulated_runs, name=judge.__name__, description=inspect.getdoc(judge))
    def check(context: dg.AssetCheckExecutionContext, home: Home) -> dg.AssetCheckResult:
        lake = home.lake()
        if not (context.has_partition_key or context.has_partition_key_range):
            return _result(judge(lake, stored_runs(lake)))
        places = [RUNS.get_partition_key_from_str(key).keys_by_dimension for key in context.partition_keys]
        return _result(judge(lake, [(place["scenario"], int(place["replication"])) for place in places]))

    return check


def _result(verdict: Verdict) -> dg.AssetCheckResult:
    scores = verdict.scores()
    tables = {"goals": scores, **verdict.tables} if scores.height else verdict.tables
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=_SEVERITIES[verdict.severity],
        description=verdict.words,
        metadata={
            **{name: figure.value for name, figure in verdict.figures.items() if figure.value is not None},
            **{name: dg.MetadataValue.md(markdown(table)) for name, table in tables.items()},
        },
    )


CHECKS = [
    observed_keeps_the_schema,
    observed_freshness,
    *(_check(observed, judge, blocking=True) for judge in (accounting, quarantine_ratio, overlapping_ids, capacity_exceeded)),
    *(_check(workload_model, judge) for judge in (durations_fit, arrivals_fit, quantities_fit)),
    synthetic_keeps_the_schema,
    *(_check(synthetic_trace, judge) for judge in (arrivals_like_observed, durations_like_observed, tasks_like_observed)),
    *(_invariant(judge) for judge in (conservation, causality, capacity, hold_times)),
]

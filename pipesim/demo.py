"""The demo: the whole path on the sample logs, from files to a report that compares platforms and retraining strategies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipesim import analytics
from pipesim.catalog import publish, snapshot_views
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.report import answer, read_strategies, write_report
from pipesim.shipped import shipped
from pipesim.simulation import load_scenario
from pipesim.simulation.models.figures import LifecycleFigures
from pipesim.verbs import fit_workload, ingest_logs, synthesize_trace
from pipesim.workload import FitConfig, SynthesisConfig

#: The what-ifs that the demo compares, besides the strategies of `scenarios/retraining/`.
SCENARIOS = ("as-is", "more-gpus", "shortest-first")
SYNTHETIC_DAYS = 28


def run_demo(lake: Lake, say: Callable[[str], None]) -> dict[str, Any]:
    """Run every verb on the sample logs in a home folder.

    Args:
        lake: Where everything goes; running the demo again in the same place changes nothing.
        say: Called with a sentence for each step.

    Returns:
        Where the report and the catalogue are, how to start the UI, and the seconds it took.
    """
    begun = time.perf_counter()
    counts = ingest_logs(lake, [shipped("traces", "sample")], "native").as_dict()
    say(
        f"ingest      {counts['lines']:,} lines: {counts['valid']:,} valid, {counts['duplicates']:,} duplicates, "
        f"{counts['quarantined']:,} quarantined, {counts['blank_or_header']:,} blank or header"
    )
    fitted = fit_workload(lake, FitConfig())
    say(f"fit         model {fitted.model} from {fitted.rows:,} task attempts in {fitted.cells} duration cells")
    made = synthesize_trace(lake, SynthesisConfig(days=SYNTHETIC_DAYS, seed=42))
    say(f"synthesize  {made.pipelines:,} pipeline runs, {made.tasks:,} tasks over {SYNTHETIC_DAYS} days")
    files = [shipped("scenarios", f"{name}.yaml") for name in SCENARIOS]
    strategies = sorted(shipped("scenarios", "retraining").glob("*.yaml"))
    results = run_scenarios(lake, [load_scenario(file) for file in (*files, *strategies)], say=say)
    kept: dict[str, list[LifecycleFigures]] = {}
    for summary in (result.summary for result in results):
        if summary.lifecycle is not None:
            kept.setdefault(summary.scenario, []).append(summary.lifecycle)
            continue
        used = ", ".join(f"{pool} {value or 0:.0%}" for pool, value in summary.utilization.items())
        say(
            f"simulate    {summary.scenario}: mean wait {summary.mean_wait_s or 0:,.0f} s, 95 % of waits under "
            f"{summary.p95_wait_s or 0:,.0f} s; used: {used}"
        )
    for name, figures in kept.items():
        say(f"retrain     {name}: {_kept_fresh(figures)}")
    tables = analytics.build(lake)
    say(f"analyze     {len(tables)} tables, {sum(tables.values()):,} rows")
    with snapshot_views(lake) as con:
        say(f"answer      {answer(read_strategies(con))}")
    report = write_report(lake, stored=True)
    publish(lake)
    command = f"{_near(Path(sys.executable))} -m pipesim ui --home {lake.home if lake.mirror else _near(lake.root)}"
    return {
        "report": str(_near(report)),
        "warehouse": str(_near(lake.warehouse)),
        "ui": f"{command}   (then open http://127.0.0.1:3000)",
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _kept_fresh(told: list[LifecycleFigures]) -> str:
    """Say how well a strategy keeps models and what it takes, in the mean over its replications."""
    performance, below, retrainings, cost = (
        sum(getattr(one, name) or 0.0 for one in told) / len(told)
        for name in ("mean_performance", "below_objective", "retrainings", "retraining_cost")
    )
    return (
        f"models perform at {100 * performance:.1f} of 100, {below:.0%} of the time below the objective; "
        f"{retrainings:,.0f} retrainings for ${cost:,.0f}"
    )


def _near(path: Path) -> Path:
    """Return the path as seen from the current folder, if it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

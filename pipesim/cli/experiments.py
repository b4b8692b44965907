"""The commands that simulate and compare scenarios, and sweeps of them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipesim.cli.options import (
    HOME,
    Address,
    Debug,
    Engine,
    Home,
    Json,
    Replications,
    Report,
    Where,
    Workers,
    answer,
    chosen_backend,
    say,
)
from pipesim.cli.printing import comparison_table, interval_table, runs_table
from pipesim.cli.scenarios import load_all, of_each, published, scenarios_of, variants_of
from pipesim.errors import RequestError
from pipesim.lake import Lake
from pipesim.progress import bar, working
from pipesim.words import count, lasting

if TYPE_CHECKING:
    from pipesim.experiments.backends import Backend
    from pipesim.experiments.intervals import Interval
    from pipesim.experiments.precision import Precision
    from pipesim.experiments.replications import RunResult
    from pipesim.experiments.sweeps import Sweep, Variant
    from pipesim.simulation import RunSummary

Scenarios = Annotated[list[Path], typer.Argument(metavar="SCENARIO.yaml...", help="Scenario files; one may be a sweep.")]
Again = Annotated[bool, typer.Option("--again", help="Simulate also what a sweep has simulated already.")]
Exactly = Annotated[
    str | None,
    typer.Option("--precision", metavar="5%", help="Add replications until the 95 % interval of --metric is that narrow."),
]
Metric = Annotated[str, typer.Option("--metric", help="The figure that --precision is about.")]
Yes = Annotated[bool, typer.Option("--yes", help="Simulate however long it takes.")]

#: How many different warnings are told.
_WARNINGS = 10


def simulate(
    scenarios: Scenarios,
    engine: Engine = None,
    replications: Replications = None,
    workers: Workers = None,
    where: Where = "processes",
    address: Address = None,
    precision: Exactly = None,
    metric: Metric = "mean_wait_s",
    again: Again = False,
    yes: Yes = False,
    report: Report = None,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Simulate what-if scenarios, or sweeps over them, on the observed or a synthetic workload."""
    from pipesim.experiments.intervals import of_batches

    lake, wanted, sweeps = _lake(home, report), _wanted(precision, metric), load_all(scenarios)
    with chosen_backend(lake, where, address, workers) as on:
        if not yes:
            _ask_if_long(lake, sweeps, engine, replications, workers, on)
        variants = variants_of(sweeps)
        summaries, intervals = _simulate(lake, sweeps, variants, engine, replications, workers, on, again, wanted)
    runs = [summary.as_dict() for summary in summaries]
    told = {"intervals": {name: asdict(found) for name, found in intervals.items()}} if wanted else {}
    if wanted:
        text = interval_table(metric, intervals, Counter(run["scenario"] for run in runs))
    else:
        text = runs_table(runs, [of_batches(summary.wait_batches) for summary in summaries])
    page = _page(lake, report, sweeps, summaries)
    answer({"runs": runs, **told, **page}, as_json, "\n".join([text, *page.values()]))


def compare(
    scenarios: Scenarios,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="NAME", help="What the others are compared with; by default the first.")
    ] = None,
    engine: Engine = None,
    replications: Replications = None,
    workers: Workers = None,
    where: Where = "processes",
    address: Address = None,
    precision: Exactly = None,
    metric: Metric = "mean_wait_s",
    again: Again = False,
    yes: Yes = False,
    report: Report = None,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Simulate scenarios and compare them, replication by replication; strategies of retraining also by what they cost."""
    from pipesim.experiments.comparison import check_names, unlike
    from pipesim.experiments.comparison import compare as compare_summaries

    lake, wanted, sweeps = _lake(home, report), _wanted(precision, metric), load_all(scenarios)
    check_names([name for sweep in sweeps for name in sweep.names], baseline)
    with chosen_backend(lake, where, address, workers) as on:
        if not yes:
            _ask_if_long(lake, sweeps, engine, replications, workers, on)
        variants = variants_of(sweeps)
        if keys := unlike(scenarios_of(variants)):
            say(f"warning: the scenarios differ in {', '.join(keys)}, so what they are compared in may come from that")
        summaries, _ = _simulate(lake, sweeps, variants, engine, replications, workers, on, again, wanted)
    compared = compare_summaries(summaries, baseline)
    page = _page(lake, report, sweeps, summaries, baseline)
    answer({**compared.as_dict(), **page}, as_json, "\n".join([comparison_table(compared), *page.values()]))


def _lake(home: str, report: str | None) -> Lake:
    """Return the store, once it is known that the page can be written."""
    if report is not None:
        from pipesim.report.decision import check_name

        check_name(report)
    return Lake(home)


def _page(
    lake: Lake,
    report: str | None,
    sweeps: list[Sweep],
    summaries: list[RunSummary],
    baseline: str | None = None,
) -> dict[str, str]:
    """Write the page on what was simulated, if it is asked for, and return what is told of it."""
    if report is None:
        return {}
    from pipesim.experiments.sweeps import sweep_rows
    from pipesim.report.decision import Evidence, write_decision

    rows = [sweep_rows(sweep) for sweep in sweeps if sweep.axes]
    with working("writing the report"):
        return {"report": str(write_decision(lake, report, Evidence.at_hand(lake, summaries, rows), baseline))}


def _ask_if_long(
    lake: Lake, sweeps: list[Sweep], engine: str | None, replications: int | None, workers: int | None, on: Backend | None
) -> None:
    """Refuse very many runs with how long they would take, as the first one shows, if nothing else is wrong with them.

    Raises:
        RequestError: If there are so many, or for all mistakes in them.
    """
    from pipesim.experiments.backends import default_workers
    from pipesim.experiments.replications import Run, check_different, run_replication
    from pipesim.experiments.sweeps import MANY_RUNS

    runs = sum(sweep.runs(replications) for sweep in sweeps)
    if runs <= MANY_RUNS:
        return
    with working("checking the scenarios"):
        of_each(sweeps, lambda sweep: sweep.check())
        check_different([name for sweep in sweeps for name in sweep.names] if len(sweeps) > 1 else [])
    workers = on.workers if on else workers or default_workers(runs)
    first = sweeps[0].first().scenario
    for _ in range(2):  # the first time, code is loaded
        begun = time.perf_counter()
        run_replication(Run(lake.home, first, 0, engine))
        seconds = time.perf_counter() - begun
    raise RequestError(
        f"{count(sum(sweep.size for sweep in sweeps), 'scenario')}, {count(runs, 'run')} in all: about "
        f"{lasting(seconds * runs / workers)} on {count(workers, 'worker')}, as the first one took {seconds:.2g} s",
        where=", ".join(sweep.source for sweep in sweeps),
        remedy="say --yes to simulate them all, or sweep fewer values",
    )


def _simulate(
    lake: Lake,
    sweeps: list[Sweep],
    variants: list[list[Variant]],
    engine: str | None,
    replications: int | None,
    workers: int | None,
    on: Backend | None,
    again: bool,
    wanted: Precision | None,
) -> tuple[list[RunSummary], dict[str, Interval]]:
    """Simulate, store what comes out, publish it, and tell each warning once, with how many scenarios it concerns."""
    from pipesim.experiments.precision import run_to_precision
    from pipesim.experiments.replications import run_scenarios
    from pipesim.experiments.sweeps import save_sweeps

    scenarios = scenarios_of(variants)
    save_sweeps(lake, sweeps)
    left = Counter({scenario.name: replications or scenario.replications for scenario in scenarios})
    waits: dict[str, list[float]] = {}
    warned: dict[str, set[str]] = {}
    with bar("simulating") as progress:

        def tell(result: RunResult) -> None:
            name, wait = result.summary.scenario, result.summary.mean_wait_s
            for warning in result.warnings:
                warned.setdefault(warning, set()).add(name)
            left[name] -= 1
            waits.setdefault(name, []).extend([] if wait is None else [wait])
            if progress and not left[name]:
                mean = f", mean wait {sum(waits[name]) / len(waits[name]):,.0f} s" if waits[name] else ""
                progress.line(f"{name}: {'there already' if result.kept else 'simulated'}{mean}")

        options: dict[str, Any] = {
            "engine": engine,
            "workers": workers,
            "on": on,
            "reuse": not again and any(sweep.axes for sweep in sweeps),
            "on_done": tell,
            "say": say,
            "tell": progress,
        }
        try:
            with published(lake):
                if wanted:
                    results, found = run_to_precision(lake, scenarios, wanted, fewest=replications, **options)
                else:
                    results, found = run_scenarios(lake, scenarios, replications=replications, **options), {}
        finally:
            warn(warned, [scenario.name for scenario in scenarios])
    return [result.summary for result in results], found


def _wanted(precision: str | None, metric: str) -> Precision | None:
    from pipesim.experiments.precision import Precision

    return None if precision is None else Precision.parse(precision, metric)


def warn(warned: dict[str, set[str]], names: list[str]) -> None:
    """Tell the warnings, those of the most scenarios first, each with the first scenario that it concerns."""
    for warning, concerned in sorted(warned.items(), key=lambda item: -len(item[1]))[:_WARNINGS]:
        others = f" (and {count(len(concerned) - 1, 'other scenario')})" if len(concerned) > 1 else ""
        say(f"warning: {next(name for name in names if name in concerned)}{others}: {warning}")
    if len(warned) > _WARNINGS:
        say(f"warning: {count(len(warned) - _WARNINGS, 'further warning')} in the manifests of the runs")

"""The commands that simulate: scenarios and sweeps of them, and what they have in common."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipesim.cli_options import (
    HOME,
    Address,
    Debug,
    Engine,
    Home,
    Json,
    Replications,
    Where,
    Workers,
    answer,
    chosen_backend,
    say,
)
from pipesim.errors import PipesimError, RequestError
from pipesim.lake import Lake
from pipesim.printing import capacity_line, capacity_table, comparison_table, interval_table, mix_table, runs_table
from pipesim.progress import bar, working
from pipesim.words import count, lasting

if TYPE_CHECKING:
    from pipesim.experiments.backends import Backend
    from pipesim.experiments.intervals import Interval
    from pipesim.experiments.precision import Precision
    from pipesim.experiments.replications import RunResult
    from pipesim.experiments.sweeps import Sweep, Variant
    from pipesim.simulation import RunSummary, Scenario

Scenarios = Annotated[list[Path], typer.Argument(metavar="SCENARIO.yaml...", help="Scenario files; one may be a sweep.")]
Again = Annotated[bool, typer.Option("--again", help="Simulate also what a sweep has simulated already.")]
Exactly = Annotated[
    str | None,
    typer.Option("--precision", metavar="5%", help="Add replications until the 95 % interval of --metric is that narrow."),
]
Metric = Annotated[str, typer.Option("--metric", help="The figure that --precision is about.")]
Yes = Annotated[bool, typer.Option("--yes", help="Simulate however long it takes.")]

#: More runs than this are simulated only by those who have been told how long it takes.
_MANY_RUNS = 10_000
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
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Simulate what-if scenarios, or sweeps over them, on the observed or a synthetic workload."""
    from pipesim.experiments.intervals import of_batches

    lake, sweeps, wanted = Lake(home), _load_all(scenarios), _wanted(precision, metric)
    with chosen_backend(lake, where, address, workers) as on:
        if not yes:
            _ask_if_long(lake, sweeps, engine, replications, workers, on)
        summaries, intervals = _simulate(lake, sweeps, _variants(sweeps), engine, replications, workers, on, again, wanted)
    runs = [summary.as_dict() for summary in summaries]
    told = {"intervals": {name: asdict(found) for name, found in intervals.items()}} if wanted else {}
    if wanted:
        text = interval_table(metric, intervals, Counter(run["scenario"] for run in runs))
    else:
        text = runs_table(runs, [of_batches(summary.wait_batches) for summary in summaries])
    answer({"runs": runs, **told}, as_json, text)


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
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Simulate scenarios and compare them, replication by replication; strategies of retraining also by what they cost."""
    from pipesim.experiments.comparison import check_names, unlike
    from pipesim.experiments.comparison import compare as compare_summaries

    lake, sweeps, wanted = Lake(home), _load_all(scenarios), _wanted(precision, metric)
    with chosen_backend(lake, where, address, workers) as on:
        if not yes:
            _ask_if_long(lake, sweeps, engine, replications, workers, on)
        variants = _variants(sweeps)
        loaded = _scenarios(variants)
        check_names([scenario.name for scenario in loaded], baseline)
        if keys := unlike(loaded):
            say(f"warning: the scenarios differ in {', '.join(keys)}, so what they are compared in may come from that")
        summaries, _ = _simulate(lake, sweeps, variants, engine, replications, workers, on, again, wanted)
    compared = compare_summaries(summaries, baseline)
    answer(compared.as_dict(), as_json, comparison_table(compared))


def capacity(
    pool: Annotated[
        list[str], typer.Option("--pool", metavar="NAME", help="The pool whose capacity is asked for; two for a mix of them.")
    ],
    slo: Annotated[str, typer.Option("--slo", metavar="OBJECTIVE", help="What to keep, for example 'p95_wait_s < 600'.")],
    scenarios: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SCENARIO.yaml...", help="Scenario files, or sweeps; by default the scenario as-is."),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option("--price", metavar="POOL=X", help="For a mix: what one of it costs an hour; else as in the scenario."),
    ] = None,
    confidence: Annotated[
        float, typer.Option("--confidence", metavar="P", help="How sure it must be that the mean keeps the objective.")
    ] = 0.95,
    replications: Annotated[int, typer.Option("--replications", metavar="N", min=2, help="Runs of each capacity.")] = 10,
    engine: Engine = None,
    workers: Workers = None,
    where: Where = "processes",
    address: Address = None,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Find the smallest capacity of a pool, or the cheapest mix of two, that meets an objective."""
    from pipesim.catalog import publish
    from pipesim.experiments.capacity import Answer, Mix, Objective, Trial, find_capacity, find_mix
    from pipesim.experiments.scenario_files import read_scenario

    lake, objective, prices = Lake(home), Objective.parse(slo), dict(map(_price, price or []))
    if len(pool) > 2:
        raise RequestError("one pool or two can be sized at once", where="--pool", remedy="name two at most")
    wanted = _scenarios(_variants(_load_all(scenarios))) if scenarios else [read_scenario(lake, "as-is")]

    def tell(trial: Trial) -> None:
        if sys.stderr.isatty():
            say(capacity_line(trial, objective.metric))

    answers: list[Answer | Mix] = []
    searching = working(f"searching for the capacity of {' and '.join(pool)}")
    with chosen_backend(lake, where, address, workers) as on, searching:
        options: dict[str, Any] = {
            "confidence": confidence, "replications": replications, "engine": engine, "workers": workers, "on": on, "tell": tell
        }  # fmt: skip
        try:
            for scenario in wanted:
                if len(pool) == 1:
                    answers.append(find_capacity(lake, scenario, pool[0], objective, **options))
                else:
                    answers.append(find_mix(lake, scenario, (pool[0], pool[1]), objective, prices=prices, **options))
        finally:
            publish(lake)
    tables = [capacity_table(found) if isinstance(found, Answer) else mix_table(found) for found in answers]
    answer({"answers": [found.as_dict() for found in answers]}, as_json, "\n\n".join(tables))


def _price(text: str) -> tuple[str, float]:
    pool, sign, amount = text.rpartition("=")
    try:
        if not sign or not float(amount) > 0:
            raise ValueError
        return pool, float(amount)
    except ValueError:
        raise RequestError(
            f"{text!r} is no price", where="--price", remedy="write a pool and what one costs: gpu=2.50"
        ) from None


def _load_all(paths: list[Path]) -> list[Sweep]:
    """Load every scenario file before the first is run, so that all mistakes show at once."""
    from pipesim.experiments.sweeps import load_sweep

    loaded, problems = [], []
    for path in paths:
        try:
            loaded.append(load_sweep(path))
        except PipesimError as error:
            problems.append(str(error))
    if problems:
        raise RequestError("\n".join(problems))
    return loaded


def _variants(sweeps: list[Sweep]) -> list[list[Variant]]:
    """Return the scenarios of each file, or tell all mistakes in any of them."""
    found, problems = [], []
    for sweep in sweeps:
        try:
            found.append(sweep.variants())
        except PipesimError as error:
            problems.append(str(error))
    if problems:
        raise RequestError("\n".join(problems))
    return found


def _scenarios(variants: list[list[Variant]]) -> list[Scenario]:
    return [variant.scenario for of_file in variants for variant in of_file]


def _ask_if_long(
    lake: Lake, sweeps: list[Sweep], engine: str | None, replications: int | None, workers: int | None, on: Backend | None
) -> None:
    """Refuse very many runs with how long they would take, as the first one shows.

    Raises:
        RequestError: If there are so many.
    """
    from pipesim.experiments.backends import default_workers
    from pipesim.experiments.replications import Run, run_replication

    first = [sweep.first().scenario for sweep in sweeps]
    runs = sum(sweep.size * (replications or scenario.replications) for sweep, scenario in zip(sweeps, first, strict=True))
    if runs <= _MANY_RUNS:
        return
    workers = on.workers if on else workers or default_workers(runs)
    for _ in range(2):  # the first time, code is loaded
        begun = time.perf_counter()
        run_replication(Run(lake.root, first[0], 0, engine))
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
    from pipesim.catalog import publish
    from pipesim.experiments.precision import run_to_precision
    from pipesim.experiments.replications import run_scenarios
    from pipesim.experiments.sweeps import sweep_rows

    scenarios = _scenarios(variants)
    for sweep, of_file in zip(sweeps, variants, strict=True):
        if sweep.axes:
            lake.save_sweep(sweep.name, sweep_rows(sweep, of_file))
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

        try:
            options: dict[str, Any] = {
                "engine": engine,
                "workers": workers,
                "on": on,
                "reuse": not again and any(sweep.axes for sweep in sweeps),
                "on_done": tell,
                "say": say,
                "tell": progress,
            }
            if wanted:
                results, found = run_to_precision(lake, scenarios, wanted, fewest=replications, **options)
            else:
                results, found = run_scenarios(lake, scenarios, replications=replications, **options), {}
        finally:
            publish(lake)  # what was simulated before a scenario was refused is there to be queried
            _warn(warned, [scenario.name for scenario in scenarios])
    return [result.summary for result in results], found


def _wanted(precision: str | None, metric: str) -> Precision | None:
    from pipesim.experiments.precision import Precision

    return None if precision is None else Precision.parse(precision, metric)


def _warn(warned: dict[str, set[str]], names: list[str]) -> None:
    """Tell the warnings, those of the most scenarios first, each with the first scenario that it concerns."""
    for warning, concerned in sorted(warned.items(), key=lambda item: -len(item[1]))[:_WARNINGS]:
        others = f" (and {count(len(concerned) - 1, 'other scenario')})" if len(concerned) > 1 else ""
        say(f"warning: {next(name for name in names if name in concerned)}{others}: {warning}")
    if len(warned) > _WARNINGS:
        say(f"warning: {count(len(warned) - _WARNINGS, 'further warning')} in the manifests of the runs")

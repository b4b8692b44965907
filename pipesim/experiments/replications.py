"""Replications: scenarios simulated as often as they ask for, each run stored as it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipesim.errors import PipesimError, RequestError
from pipesim.experiments.backends import default_workers, map_runs
from pipesim.experiments.submitted import history_of, ingests, model_source, workload
from pipesim.lake import Lake
from pipesim.simulation import DEFAULT, RunSummary, Scenario, Tell, make_ready, simulate
from pipesim.simulation.engines import engine_named
from pipesim.simulation.scenario.policy import own_policy


@dataclass(frozen=True)
class Run:
    """One replication of one scenario, to be simulated and stored."""

    home: Path
    scenario: Scenario
    replication: int
    engine: str | None

    def __str__(self) -> str:
        return f"replication {self.replication} of scenario {self.scenario.name}"


@dataclass(frozen=True)
class RunResult:
    """What a run left."""

    summary: RunSummary
    warnings: tuple[str, ...]


def run_scenarios(
    lake: Lake,
    scenarios: Sequence[Scenario],
    *,
    engine: str | None = None,
    replications: int | None = None,
    workers: int | None = None,
    on_done: Callable[[RunResult], None] | None = None,
    say: Callable[[str], None] | None = None,
    tell: Tell | None = None,
) -> list[RunResult]:
    """Simulate every replication of every scenario and store each in the lake, in place of what an earlier run left.

    Args:
        lake: Where the workload comes from and the results go.
        scenarios: The what-ifs; their names must differ.
        engine: The engine of all runs; by default the fastest that can run each.
        replications: How often each is run; by default as often as the scenario says.
        workers: How many processes; by default one for up to three runs, else one a core.
        on_done: Called with each result as it is stored.
        say: Called with a sentence where something takes long before the first run.
        tell: Called now and then with the share of all runs that is done, 0..1.

    Returns:
        The results, by scenario as given, then by replication.

    Raises:
        RequestError: If two scenarios share a name, or one cannot be run on what the lake holds.
    """
    if engine is not None:
        engine_named(engine)
    # A user's own order is known only when it has been loaded, and then with it the engine.
    make_ready(engine or DEFAULT, [s for s in scenarios if engine or own_policy(s.policy.order) is None], say)
    names = [scenario.name for scenario in scenarios]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise RequestError(f"two scenarios are called {', '.join(repeated)}", remedy="give each scenario file its own `name`")
    counts = [replications or scenario.replications for scenario in scenarios]
    # By replication first, as the scenarios of one draw the same work, which is drawn once then.
    runs = [
        Run(lake.root, scenario, number, engine)
        for number in range(max(counts, default=0))
        for scenario, count in zip(scenarios, counts, strict=True)
        if number < count
    ]
    results: list[RunResult] = []

    def tell_all(share: float) -> None:
        if tell:
            tell((len(results) + share) / len(runs))

    workers = workers or default_workers(len(runs))
    # Another process could not tell how far it is.
    function = partial(run_replication, tell=tell_all) if workers == 1 else run_replication
    for _, result in map_runs(function, runs, workers):
        results.append(result)
        tell_all(0.0)
        if on_done:
            on_done(result)
    for scenario, count in zip(scenarios, counts, strict=True):
        lake.drop_replications(scenario.name, keep=count)
    return sorted(results, key=lambda result: (names.index(result.summary.scenario), result.summary.replication))


def try_replication(run: Run) -> RunResult | PipesimError:
    """Simulate one replication and store it, or return why it cannot be."""
    try:
        return run_replication(run)
    except PipesimError as error:
        return error


def run_replication(run: Run, tell: Tell | None = None) -> RunResult:
    """Simulate one replication and store it; `tell` is called now and then with the share that is done, 0..1."""
    lake = Lake(run.home)
    try:
        trace, origin = workload(lake, run.scenario, run.replication)
        history, models = history_of(lake, run.scenario), model_source(lake, run.scenario, run.replication)
        result = simulate(
            trace,
            run.scenario,
            replication=run.replication,
            history=history,
            engine=run.engine,
            tell=tell,
            source=None if models is None else models[0],
        )
    except PipesimError as error:
        error.where = f"scenario {run.scenario.name}: {error.where}" if error.where else f"scenario {run.scenario.name}"
        raise
    manifest = {
        "scenario": run.scenario.model_dump(mode="json", exclude_none=True),
        "replication": run.replication,
        "engine": result.summary.engine,
        "workload": origin,
        "warnings": list(result.warnings),
    }
    if history is not None:
        manifest["history"] = {"ingests": ingests(lake)}
    if models is not None:
        manifest["lifecycle"] = models[1]
    lake.save_simulated(result.trace, run.replication, result.summary.as_frame(), manifest)
    return RunResult(result.summary, result.warnings)

"""Replications: scenarios simulated as often as they ask for, each run stored as it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipesim import __version__
from pipesim.errors import PipesimError, RequestError
from pipesim.experiments.backends import Backend, InThisProcess, given_or_own
from pipesim.experiments.claims import claimed
from pipesim.experiments.submitted import expected_attempts, history_of, made_from, model_source, workload
from pipesim.lake import Lake
from pipesim.simulation import DEFAULT, RunSummary, Scenario, Tell, make_ready, simulate
from pipesim.simulation.engines import engine_named
from pipesim.simulation.scenario.policy import own_policy

#: What a worker takes for each task attempt of the run that it simulates; measured with 70,000 and 340,000 of them.
_BYTES_EACH = 1200


@dataclass(frozen=True)
class Run:
    """One replication of one scenario, to be simulated and stored.

    Args:
        home: What opens the lake (`Lake.home`).
        scenario: The scenario.
        replication: Its number, from 0.
        engine: The engine; None for the fastest that can.
        reuse: Whether a result that is in the lake, made from the same by the same version, will do.
    """

    home: Path | str
    scenario: Scenario
    replication: int
    engine: str | None
    reuse: bool = False

    def __str__(self) -> str:
        return f"replication {self.replication} of scenario {self.scenario.name}"


@dataclass(frozen=True)
class RunResult:
    """What a run left; `kept` says whether it was there already. The wall-clock times of one that was are 0."""

    summary: RunSummary
    warnings: tuple[str, ...]
    kept: bool = False


def run_scenarios(
    lake: Lake,
    scenarios: Sequence[Scenario],
    *,
    engine: str | None = None,
    replications: int | Mapping[str, int] | None = None,
    done: Sequence[RunResult] = (),
    workers: int | None = None,
    on: Backend | None = None,
    reuse: bool = False,
    on_done: Callable[[RunResult], None] | None = None,
    say: Callable[[str], None] | None = None,
    tell: Tell | None = None,
) -> list[RunResult]:
    """Simulate every replication of every scenario and store each in the lake, in place of what an earlier run left.

    Another process that simulates any of them in the same home is waited for.

    Args:
        lake: Where the workload comes from and the results go.
        scenarios: The what-ifs; their names must differ.
        engine: The engine of all runs; by default the fastest that can run each.
        replications: How often each is run, or each by its name; by default as often as the scenario says.
        done: Results of these scenarios, stored by an earlier call, that are not made again.
        workers: How many processes; by default one for up to three runs, else one a core.
        on: Where to run them instead; it is left open.
        reuse: Whether a result that is in the lake, made from the same by the same version, is not made again.
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
    check_different(names)
    if isinstance(replications, Mapping):
        counts = [replications[name] for name in names]
    else:
        counts = [replications or scenario.replications for scenario in scenarios]
    there = {(result.summary.scenario, result.summary.replication) for result in done}
    # By replication first, as the scenarios of one draw the same work, which is drawn once then.
    runs = [
        Run(lake.home, scenario, number, engine, reuse)
        for number in range(max(counts, default=0))
        for scenario, count in zip(scenarios, counts, strict=True)
        if number < count and (scenario.name, number) not in there
    ]
    results: list[RunResult] = []
    if reuse:
        lake.bring_simulated()

    def tell_all(share: float) -> None:
        if tell:
            tell((len(results) + share) / len(runs))

    with claimed(lake, names, say):
        with given_or_own(on, workers, len(runs), 0 if on or workers else _bytes_each(lake, runs)) as place:
            # Another process could not tell how far it is.
            function = partial(run_replication, tell=tell_all) if isinstance(place, InThisProcess) else run_replication
            for _, result in place.map(function, runs):
                results.append(result)
                tell_all(0.0)
                if on_done:
                    on_done(result)
        with lake.reading(simulated=True):
            for scenario, count in zip(scenarios, counts, strict=True):
                lake.drop_replications(scenario.name, keep=count)
    place_of = {name: place for place, name in enumerate(names)}
    return sorted([*done, *results], key=lambda result: (place_of[result.summary.scenario], result.summary.replication))


def _bytes_each(lake: Lake, runs: Sequence[Run]) -> int:
    """Return how much memory the largest of some runs takes."""
    distinct = {run.scenario.workload: run.scenario for run in runs}
    largest = max((expected_attempts(lake, scenario) for scenario in distinct.values()), default=0.0)
    return int(_BYTES_EACH * largest)


def check_different(names: Iterable[str]) -> None:
    """Check that no two scenarios have the same name.

    Raises:
        RequestError: If some have.
    """
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise RequestError(f"two scenarios are called {', '.join(repeated)}", remedy="give each scenario file its own `name`")


def try_replication(run: Run) -> RunResult | PipesimError:
    """Simulate one replication and store it, or return why it cannot be."""
    try:
        return run_replication(run)
    except PipesimError as error:
        return error


def run_replication(run: Run, tell: Tell | None = None) -> RunResult:
    """Simulate one replication and store it, unless it may be taken from the lake and is there.

    Args:
        run: Which one.
        tell: Is called now and then with the share that is done, 0..1.
    """
    lake, scenario = Lake(run.home), run.scenario
    try:
        made = made_from(lake, scenario, run.replication)
        manifest = _manifest(run, made)
        if run.reuse and (found := _kept(lake, run, manifest)):
            return found
        result = simulate(
            workload(lake, scenario, run.replication, made),
            scenario,
            replication=run.replication,
            history=history_of(lake, made),
            engine=run.engine,
            tell=tell,
            source=model_source(lake, scenario, made),
        )
    except PipesimError as error:
        error.where = f"scenario {scenario.name}: {error.where}" if error.where else f"scenario {scenario.name}"
        raise
    manifest |= {"engine": result.summary.engine, "warnings": list(result.warnings), "figures": list(result.summary.asked)}
    lake.save_simulated(result.trace, run.replication, result.summary.as_frame(), manifest)
    return RunResult(result.summary, result.warnings)


def kept_replications(lake: Lake, scenario: Scenario, engine: str | None = None) -> int:
    """Return how many replications the lake holds, from the first on, that `reuse` would take.

    Args:
        lake: The store.
        scenario: The scenario.
        engine: The engine that must have run them; None for any.
    """
    kept = 0
    for number in lake.replications(scenario.name):
        run = Run(lake.home, scenario, number, engine, reuse=True)
        if number != kept or _kept(lake, run, _manifest(run, made_from(lake, scenario, number))) is None:
            break
        kept += 1
    return kept


def _manifest(run: Run, made: Mapping[str, Any]) -> dict[str, Any]:
    scenario = run.scenario.model_dump(mode="json", exclude_none=True)
    return {"scenario": scenario, "replication": run.replication, **made}


def _kept(lake: Lake, run: Run, made: dict[str, Any]) -> RunResult | None:
    """Return the result that the lake holds of a replication, if it was made from the same by the same version."""
    if own_policy(run.scenario.policy.order):  # whose code may have changed
        return None
    stored = lake.load_summary(run.scenario.name, run.replication)
    if stored is None:
        return None
    row, manifest = stored
    told = {key: manifest.pop(key, None) for key in ("engine", "warnings", "figures")}
    if manifest != {**made, "pipesim": __version__} or run.engine not in (None, told["engine"]) or told["figures"] is None:
        return None
    return RunResult(RunSummary.revive(row, told["figures"]), tuple(told["warnings"]), kept=True)

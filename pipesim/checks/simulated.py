"""Whether the invariants of a simulation (docs/simulation.md) hold for what was stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import polars as pl

from pipesim.checks.invariants import Simulated, lost_or_invented, out_of_order, over_capacity, wrong_times
from pipesim.checks.verdict import MOST_ROWS, Figure, Verdict
from pipesim.errors import RequestError
from pipesim.experiments.submitted import Made, made_from, model_source, workload
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.simulation.models.fleet import submitted_with
from pipesim.trace import Trace
from pipesim.words import count


def stored_runs(lake: Lake) -> list[tuple[str, int]]:
    """Return every scenario and replication that is stored."""
    lake.bring_simulated()
    return [(name, number) for name in lake.simulated_scenarios() for number in lake.replications(name)]


def conservation(lake: Lake, runs: Sequence[tuple[str, int]]) -> Verdict:
    """Nothing is lost: the attempts that were submitted are those that came out, each once, finished, skipped or left open.

    Each run of an attempt that was interrupted stands in a row of its own before it. Left out are, rightly, attempts of a
    task that has failed as often as it may, and runs submitted after the horizon. What was submitted is read or drawn again;
    where logs were ingested or the model was fitted since, it cannot be told. An attempt that is said to be over has ended,
    one that never started holds nothing, and a run is over exactly when all of its tasks are.
    """
    return _judge(lake, runs, lost_or_invented, "Nothing was lost or invented", with_input=True)


def causality(lake: Lake, runs: Sequence[tuple[str, int]]) -> Verdict:
    """No effect comes before its cause: submitted <= queued <= started <= ended, and parents end before children are queued.

    A retry is queued when the attempt before it has ended.
    """
    return _judge(lake, runs, out_of_order, "Every instant comes after its causes")


def capacity(lake: Lake, runs: Sequence[tuple[str, int]]) -> Verdict:
    """At no instant is more held of a pool than it has, of any resource that it limits.

    Besides, nothing starts in a pool, or on a node, by which it would hold more than the scenario gives it at that instant,
    its timetable included.
    """
    return _judge(lake, runs, over_capacity, "No pool ever held more than it has")


def hold_times(lake: Lake, runs: Sequence[tuple[str, int]]) -> Verdict:
    """What started holds its resources for as long as its work takes there, to the microsecond.

    That is latency + read bytes / read rate + overhead and natural duration / speed of the pool + written bytes / write rate,
    each rounded to the microsecond; and ended - started = duration. What was interrupted before needs the time to start
    again, and less by what it has kept of its work; what is interrupted or does not end holds them for no longer than that.
    Where what was submitted cannot be told, only ended - started is checked.
    """
    return _judge(lake, runs, wrong_times, "Every attempt took the time that its work takes", with_input=True)


def _load(lake: Lake, runs: Sequence[tuple[str, int]], *, with_input: bool = False) -> Iterator[Simulated]:
    """Read the stored replications; those of one workload one after the other, so that it is drawn once."""
    found = []
    for name, number in runs:
        path = lake.simulated_folder("manifests", name, number) / "manifest.json"
        if not path.is_file():
            raise RequestError(f"replication {number} of scenario {name!r} is not stored", remedy="simulate it first")
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found.append((json.dumps([number, manifest["scenario"]["workload"]], sort_keys=True), name, number, manifest))
    asked: str | None = None
    drawn: Trace | None = None
    for workload_key, name, number, manifest in sorted(found, key=lambda f: f[:3]):
        scenario = Scenario(**manifest["scenario"])
        now = _made_from(lake, scenario, number) if with_input else {}
        if with_input and asked != workload_key:
            asked, drawn = workload_key, workload(lake, scenario, number, now) if now else None
        given = drawn if now and now["workload"] == manifest["workload"] else None
        trace = lake.load_simulated(name, number)
        if given is not None and scenario.lifecycle is not None:
            models = model_source(lake, scenario, now) if now["lifecycle"] == manifest["lifecycle"] else None
            given = submitted_with(given, scenario.lifecycle, models, trace) if models else None
        yield Simulated(scenario, number, trace, given)


def _made_from(lake: Lake, scenario: Scenario, replication: int) -> Made:
    """Return what the replication would be made from now; nothing where the model or the log is gone."""
    try:
        return made_from(lake, scenario, replication)
    except RequestError:
        return {}


def _judge(
    lake: Lake,
    runs: Sequence[tuple[str, int]],
    broken: Callable[[Simulated], pl.DataFrame],
    good: str,
    *,
    with_input: bool = False,
) -> Verdict:
    checked, attempts, unknown = 0, 0, 0
    problems = []
    for run in _load(lake, runs, with_input=with_input):
        checked += 1
        attempts += run.trace.task_runs.height
        unknown += run.given is None
        found = broken(run)
        if found.height:
            named = pl.lit(run.scenario.name).alias("scenario"), pl.lit(run.replication).alias("replication")
            problems.append(found.select(*named, pl.all()))
    total = sum(p.height for p in problems)
    figures = {"simulations": Figure(checked), "attempts": Figure(attempts), "violations": Figure(total, high=0)}
    words = f"{good}, in {count(checked, 'simulation')} of {count(attempts, 'attempt')}."
    if problems:
        words = (
            f"{count(total, 'violation')} in {len(problems):,} of {count(checked, 'simulation')}: {problems[0]['problem'][0]}."
        )
    if with_input:
        figures["without_input"] = Figure(unknown)
    if with_input and unknown:
        words = f"{words[:-1]}; what {unknown:,} of them were submitted cannot be told any more."
    tables = {"violations": pl.concat(p.head(MOST_ROWS) for p in problems).head(MOST_ROWS)} if problems else {}
    return Verdict(not problems, words, figures=figures, tables=tables)

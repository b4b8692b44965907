"""The invariants of a simulation (docs/simulation.md), held against what was stored, without any of the engine's code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from pipesim.checks.capacity import usage
from pipesim.checks.verdict import MOST_ROWS, Figure, Verdict
from pipesim.errors import RequestError
from pipesim.experiments.replications import workload
from pipesim.lake import Lake
from pipesim.schema import TERMINAL_STATUSES
from pipesim.simulation import Scenario
from pipesim.simulation.describe import count
from pipesim.trace import Trace

_KEY = ("run_id", "task_id", "attempt")
_OPEN = ("PENDING", "RUNNING")


@dataclass(frozen=True)
class Simulated:
    """One stored replication of a scenario.

    Args:
        scenario: The scenario as it was simulated.
        replication: The number of the replication.
        trace: What happened.
        given: What was submitted; None where it was not asked for, or is not what it was when this was simulated.
    """

    scenario: Scenario
    replication: int
    trace: Trace
    given: Trace | None


def stored_runs(lake: Lake) -> list[tuple[str, int]]:
    """Return every scenario and replication that is stored."""
    names = sorted(path.name.removeprefix("scenario=") for path in (lake.lake / "simulated" / "task_runs").glob("scenario=*"))
    return [(name, number) for name in names for number in lake.replications(name)]


def conservation(lake: Lake, runs: Sequence[tuple[str, int]]) -> Verdict:
    """Nothing is lost: the attempts that were submitted are those that came out, each once, finished, skipped or left open.

    What was submitted is read or drawn again; where logs were ingested or the model was fitted since, it cannot be told. An
    attempt that is said to be over has ended, one that never started holds nothing, and a run is over exactly when all of
    its tasks are.
    """
    return _judge(lake, runs, lost_or_invented, "Nothing was lost or invented", with_input=True)


def causality(lake: Lake, runs: Sequence[tuple[str, int]]) -> Verdict:
    """No effect comes before its cause: submitted <= queued <= started <= ended, and parents end before children are queued.

    A retry is queued when the attempt before it has ended.
    """
    return _judge(lake, runs, out_of_order, "Every instant comes after its causes")


def capacity(lake: Lake, runs: Sequence[tuple[str, int]]) -> Verdict:
    """At no instant is more held of a pool than it has, of any resource that it limits."""
    return _judge(lake, runs, over_capacity, "No pool ever held more than it has")


def hold_times(lake: Lake, runs: Sequence[tuple[str, int]]) -> Verdict:
    """What started holds its resources for as long as its work takes there, to the microsecond.

    That is latency + read bytes / read rate + natural duration / speed of the pool + written bytes / write rate, each rounded
    to the microsecond; and ended - started = duration. Where what was submitted cannot be told, only the latter is checked.
    """
    return _judge(lake, runs, wrong_times, "Every attempt took the time that its work takes", with_input=True)


def lost_or_invented(run: Simulated) -> pl.DataFrame:
    """Return what breaks conservation (I1): run_id, task_id, attempt, problem."""
    after = run.trace.task_runs
    over = pl.col("status").is_in([s for s in TERMINAL_STATUSES if s != "SKIPPED"]) | (pl.col("status") == "UNKNOWN")
    found = [
        _told(after.filter(after.select(_KEY).is_duplicated()), "stands in several rows"),
        _told(after.filter(over & pl.col("ended_at").is_null()), "is said to be over, but never ended"),
        _told(
            after.filter(pl.col("status").is_in(["PENDING", "SKIPPED"]) & pl.col("started_at").is_not_null()),
            "started, but is said never to have run",
        ),
        _told(
            after.filter((pl.col("status") == "RUNNING") & (pl.col("started_at").is_null() | pl.col("ended_at").is_not_null())),
            "is said to be running, but did not start, or ended",
        ),
        _told(after.join(run.trace.pipeline_runs, on="run_id", how="anti"), "belongs to no run"),
        _wrong_ends_of_runs(run.trace),
    ]
    if run.given is not None:
        before = _submitted(run.given)
        found += [
            _told(before.join(after, on=_KEY, how="anti"), "was submitted, but never came out"),
            _told(after.join(before, on=_KEY, how="anti"), "came out, but was never submitted"),
        ]
    return pl.concat(found)


def out_of_order(run: Simulated) -> pl.DataFrame:
    """Return what breaks causality (I2): run_id, task_id, attempt, problem."""
    attempts = (
        run.trace.task_runs.select(*_KEY, "queued_at", "started_at", "ended_at", "duration_s")
        .join(run.trace.pipeline_runs.select("run_id", "submitted_at"), on="run_id", how="left")
        .sort(_KEY)
        .with_columns(released=_released())
    )
    again = (pl.col("run_id") == pl.col("run_id").shift()) & (pl.col("task_id") == pl.col("task_id").shift())
    problem = (
        pl.when(pl.col("queued_at") < pl.col("submitted_at"))
        .then(pl.lit("was queued before its run was submitted"))
        .when(pl.col("started_at").is_not_null() & pl.col("queued_at").is_null())
        .then(pl.lit("started without being queued"))
        .when(pl.col("started_at") < pl.col("queued_at"))
        .then(pl.lit("started before it was queued"))
        .when(pl.col("ended_at") < pl.coalesce("started_at", "queued_at"))
        .then(pl.lit("ended before it began"))
        .when(again & (pl.col("queued_at") < pl.col("released").shift()))
        .then(pl.lit("was queued before the attempt before it had ended"))
    )
    tasks = attempts.group_by("run_id", "task_id", maintain_order=True).agg(
        pl.col("attempt", "queued_at").first(), ended=pl.col("ended_at").last()
    )
    parents = tasks.select("run_id", "ended", parent_task_id="task_id")
    children = (
        run.trace.task_edges.join(tasks.drop("ended"), on=["run_id", "task_id"])
        .join(parents, on=["run_id", "parent_task_id"], how="left")
        .filter(pl.col("queued_at").is_not_null())
    )
    orphans = children.filter((pl.col("queued_at") < pl.col("ended")).fill_null(True))
    return pl.concat(
        [
            attempts.with_columns(problem=problem).filter(pl.col("problem").is_not_null()).select(*_KEY, "problem"),
            _told(orphans.unique(_KEY, keep="first", maintain_order=True), "was queued before its parents had ended"),
        ]
    )


def over_capacity(run: Simulated) -> pl.DataFrame:
    """Return what breaks the capacities (I3): pool, resource, peak, capacity, over_s, first_at, problem."""
    found = usage(run.trace)
    problem = (
        pl.when(pl.col("capacity").is_null())
        .then(pl.lit("the trace does not tell its capacity"))
        .when(pl.col("over_s") > 0)
        .then(pl.lit("more was held than there is"))
    )
    columns = ("pool", "resource", "peak", "capacity", "over_s", "first_at", "problem")
    return found.with_columns(problem=problem).filter(pl.col("problem").is_not_null()).select(columns)


def wrong_times(run: Simulated) -> pl.DataFrame:
    """Return the attempts whose times are not what rule 4 says: run_id, task_id, attempt, problem."""
    held = (pl.col("duration_s") * 1e6).round()
    started = run.trace.task_runs.filter(pl.col("started_at").is_not_null())
    span = (pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds()
    found = [_told(started.filter((span != held).fill_null(False)), "ended - started is not its duration")]
    if run.given is not None:
        given = _submitted(run.given).select(*_KEY, "natural_s", "read_bytes", "written_bytes")
        both = started.drop("read_bytes", "written_bytes").join(given, on=_KEY)
        found.append(
            _told(both.filter((_work(run.scenario) != held).fill_null(True)), "its duration is not what its work takes")
        )
    return pl.concat(found)


def _work(scenario: Scenario) -> pl.Expr:
    """Return the microseconds that an attempt's work takes in its pool (rule 4)."""
    speeds = {pool.name: pool.speed for pool in scenario.platform.pools}
    speed = pl.col("pool").replace_strict(speeds, default=None, return_dtype=pl.Float64)
    work = (pl.col("natural_s") * 1e6 / speed).round()
    if (store := scenario.platform.store) is not None:
        # A megabyte a second is a byte a microsecond.
        moved = [
            pl.lit(store.latency_s * 1e6),
            pl.col("read_bytes").fill_null(0) / store.read_mb_per_s,
            pl.col("written_bytes").fill_null(0) / store.write_mb_per_s,
        ]
        work += pl.sum_horizontal(part.round() for part in moved)
    return work


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
    drawn: tuple[Trace, object] | None = None
    for workload_key, name, number, manifest in sorted(found, key=lambda f: f[:3]):
        scenario = Scenario(**manifest["scenario"])
        if with_input and asked != workload_key:
            asked, drawn = workload_key, _draw(lake, scenario, number)
        given = drawn[0] if drawn is not None and drawn[1] == manifest["workload"] else None
        yield Simulated(scenario, number, lake.load_simulated(name, number), given)


def _draw(lake: Lake, scenario: Scenario, replication: int) -> tuple[Trace, object] | None:
    """Return what the replication would submit now, and what that is made from; None where there is nothing to make it from."""
    try:
        return workload(lake, scenario, replication)
    except RequestError:  # the model or the log is gone
        return None


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


def _submitted(given: Trace) -> pl.DataFrame:
    """Return the attempts of the runs of which a submission is known, with `natural_s`, the seconds of work."""
    queued = given.task_runs.group_by("run_id").agg(queued=pl.col("queued_at").min())
    runs = given.pipeline_runs.select("run_id", "submitted_at", "observed_until")
    known = queued.join(runs, on="run_id", how="left").filter(pl.any_horizontal(pl.col("submitted_at", "queued").is_not_null()))
    seen = pl.when(pl.col("status") == "RUNNING").then(pl.col("observed_until") - pl.col("started_at"))
    span = pl.coalesce(pl.col("ended_at") - pl.col("started_at"), seen).dt.total_microseconds() / 1e6
    return given.task_runs.join(known, on="run_id").with_columns(natural_s=pl.coalesce("duration_s", span))


def _wrong_ends_of_runs(trace: Trace) -> pl.DataFrame:
    """A run is over exactly when the last attempt of each of its tasks is."""
    last = trace.task_runs.sort("attempt").group_by("run_id", "task_id").agg(pl.col("status").last())
    still = last.group_by("run_id").agg(open=pl.col("status").is_in(_OPEN).any())
    runs = trace.pipeline_runs.join(still, on="run_id", how="left").with_columns(pl.col("open").fill_null(False))
    wrong = runs.filter(pl.col("open") == pl.col("ended_at").is_not_null())
    rows = wrong.select("run_id", task_id=pl.lit(None, pl.String), attempt=pl.lit(None, pl.Int64))
    return _told(rows, "the run has ended though a task of it has not, or the other way round")


def _released() -> pl.Expr:
    """When an attempt gave back what it held: a running one when it was last seen, though nobody saw it end."""
    return pl.coalesce("ended_at", pl.col("started_at") + pl.duration(microseconds=(pl.col("duration_s") * 1e6).round()))


def _told(rows: pl.DataFrame, problem: str) -> pl.DataFrame:
    return rows.select(*_KEY, problem=pl.lit(problem))

"""The numbered invariants of docs/simulation.md over random workloads, checked without any of the engine's code.

The workloads are made to collide: whole seconds, zero durations, full pools, fractions of GPUs, retries, failures.
"""

import io
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.checks.simulated import Simulated, lost_or_invented, out_of_order, over_capacity, wrong_times
from pipesim.simulation import ENGINES, Scenario, SimulationResult
from pipesim.simulation import simulate as simulate_by
from pipesim.trace import Trace

SECOND = 1_000_000
START = datetime(2026, 1, 5)
FAILURES = ("FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
NEVER_RAN = ("SKIPPED", "PENDING", "CANCELLED")

attempts = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["FAILED", "NODE_FAIL"])), max_size=2).flatmap(
    lambda failed: (
        st.sampled_from(
            ["SUCCEEDED"] * 8 + ["UNKNOWN", "FAILED", "TIMEOUT", "RUNNING", "SKIPPED", "PENDING", "CANCELLED"]
        ).flatmap(lambda s: st.tuples(st.none() if s in NEVER_RAN else st.integers(0, 4), st.just(s)))
    ).map(lambda last: [*failed, last])
)


@st.composite
def tasks(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [
        {
            "attempts": draw(attempts),
            "parents": sorted(draw(st.sets(st.integers(0, k - 1), max_size=2))) if k else [],
            "gpus": draw(st.sampled_from([None, 2 / 3, 0.5, 1.0, 1.5, 2.0])),
            "cpu_cores": draw(st.sampled_from([None, 0.5, 1.0, 2.0])),
            "pool": draw(st.sampled_from([None, None, "a", "b", "elsewhere"])),
        }
        for k in range(draw(st.integers(1, 4)))
    ]


run = st.fixed_dictionaries({"submitted": st.integers(0, 4), "priority": st.sampled_from([None, 0, 1]), "tasks": tasks()})
workloads = st.lists(run, min_size=6, max_size=10)
pools = st.tuples(
    st.fixed_dictionaries({"name": st.just("a"), "gpus": st.sampled_from([2, 2.5])}, optional={"slots": st.integers(1, 3)}),
    st.fixed_dictionaries(
        {"name": st.just("b"), "cpu_cores": st.sampled_from([2, 3])},
        optional={"speed": st.just(2.0), "overhead_s": st.sampled_from([1, 2.5])},
    ),
)
policies = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["fifo", "lifo", "sjf", "ljf", "smallest", "priority", "-cpu_cores * attempt"]),
        "backfill": st.sampled_from(["none", "greedy"]),
    }
)


def simulate(trace: Trace, what_if: Scenario) -> SimulationResult:
    """Simulate by every engine; what holds for the result holds for each, as they are the same (I6)."""
    results = {name: simulate_by(trace, what_if, engine=name) for name in ENGINES}
    first = results.pop("reference")
    for name, result in results.items():
        for table in first.trace:
            assert result.trace[table].equals(first.trace[table]), (name, table)
    return first


def scenario(pools: Any, policy: dict[str, str]) -> Scenario:
    return Scenario(name="random", platform={"pools": list(pools)}, policy=policy)


@dataclass
class Attempt:
    """One attempt of the plain input, and what happens to it."""

    run: int
    task: int
    number: int
    status: str
    last: bool
    pool: str
    demand: dict[str, int]
    hold: int | None
    key: float | None
    queued: int | None = None
    started: int | None = None
    released: int | None = None


@dataclass
class ByTheRules:
    """Rules 1 to 6 as slowly and plainly as they can be written: every pass sorts everything that waits."""

    runs: list[dict[str, Any]]
    capacity: dict[str, dict[str, int]]
    greedy: bool
    attempts: dict[tuple[int, int], list[Attempt]]
    waiting: list[Attempt] = field(default_factory=list)
    running: list[Attempt] = field(default_factory=list)
    state: dict[tuple[int, int], str] = field(default_factory=dict)

    def simulate(self) -> None:
        to_submit = sorted({r["submitted"] * SECOND for r in self.runs})
        while to_submit or self.running:
            now = min([*to_submit[:1], *(a.released for a in self.running)])
            for attempt in [a for a in self.running if a.released == now]:
                self.running.remove(attempt)
                self.conclude(attempt, now)
            if to_submit[:1] == [now]:
                to_submit.pop(0)
                for r, k in self.attempts:
                    if self.runs[r]["submitted"] * SECOND == now and not self.runs[r]["tasks"][k]["parents"]:
                        self.queue(self.attempts[r, k][0], now)
            for pool in self.capacity:
                self.pass_over(pool, now)

    def turn(self, a: Attempt) -> tuple[float, int, int, int]:
        return -a.queued if a.key is None else a.key, a.queued, self.rank(a.run), a.task

    def pass_over(self, pool: str, now: int) -> None:
        for a in sorted((w for w in self.waiting if w.pool == pool), key=self.turn):
            if fits(a.demand, self.capacity[pool], [r.demand for r in self.running if r.pool == pool]):
                self.waiting.remove(a)
                self.running.append(a)
                a.started, a.released = now, now + a.hold
            elif not self.greedy:
                break

    def rank(self, r: int) -> tuple[int, int]:
        return self.runs[r]["submitted"], r

    def queue(self, a: Attempt, now: int) -> None:
        if a.hold is not None:
            a.queued = now
            self.waiting.append(a)
            return
        if a.status != "PENDING":
            a.queued = a.released = now
        self.conclude(a, now)

    def conclude(self, a: Attempt, now: int) -> None:
        if not a.last:
            self.queue(self.attempts[a.run, a.task][a.number], now)
            return
        self.state[a.run, a.task] = a.status
        ready = []
        for k, task in enumerate(self.runs[a.run]["tasks"]):
            states = [self.state.get((a.run, p), "PENDING") for p in task["parents"]]
            if a.task in task["parents"] and all(s in ("SUCCEEDED", "UNKNOWN", "SKIPPED") for s in states):
                ready.append(self.attempts[a.run, k][0])
        for first in ready:
            self.queue(first, now)


def fits(demand: dict[str, int], capacity: dict[str, int], held: list[dict[str, int]]) -> bool:
    return all(demand[d] + sum(h[d] for h in held) <= capacity[d] for d in capacity)


def attempts_of(runs: list[dict[str, Any]], pools: Any, order: str) -> dict[tuple[int, int], list[Attempt]]:
    """Read the plain input: `a` has GPUs and takes what needs them, `b` has none and takes the rest."""
    capacity, speed = capacities(pools), {p["name"]: p.get("speed", 1) for p in pools}
    overhead = {p["name"]: round(p.get("overhead_s", 0) * SECOND) for p in pools}
    found: dict[tuple[int, int], list[Attempt]] = defaultdict(list)
    for (r, run), number in itertools.product(enumerate(runs), range(3)):
        for k, task in enumerate(run["tasks"]):
            if number >= len(task["attempts"]):
                continue
            duration_s, status = task["attempts"][number]
            pool = task["pool"] if task["pool"] in capacity else "a" if task["gpus"] else "b"
            demand = {d: 1000 if d == "slots" else round(1000 * (task[d] or 0)) for d in capacity[pool]}
            hold = None if duration_s is None else overhead[pool] + round(duration_s * SECOND / speed[pool])
            share = max(demand[d] / capacity[pool][d] for d in demand)
            cores = task["cpu_cores"]
            key = {
                "fifo": 0,
                "lifo": None,
                "sjf": hold,
                "ljf": -(hold or 0),
                "smallest": share,
                "priority": -(run["priority"] or 0),
                "-cpu_cores * attempt": np.inf if cores is None else -cores * (number + 1),
            }[order]
            last = number + 1 == len(task["attempts"])
            found[r, k].append(Attempt(r, k, number + 1, status, last, pool, demand, hold, key))
    return found


def capacities(pools: Any) -> dict[str, dict[str, int]]:
    return {p["name"]: {d: round(1000 * p[d]) for d in ("gpus", "cpu_cores", "slots") if d in p} for p in pools}


def micros(frame: pl.DataFrame, column: str) -> list[int | None]:
    return (frame[column] - START).dt.total_microseconds().to_list()


def outcome(result: SimulationResult) -> list[dict[str, Any]]:
    """The simulated attempts with instants in microseconds; `released` is the end of holding, seen or not."""
    t = result.trace.task_runs.sort("run_id", "task_id", "attempt")
    columns = {name: micros(t, f"{name}_at") for name in ("queued", "started", "ended")}
    rows = t.with_columns(**{name: pl.Series(values, dtype=pl.Int64) for name, values in columns.items()})
    released = pl.coalesce("ended", pl.col("started") + (pl.col("duration_s") * 1e6).cast(pl.Int64))
    return rows.with_columns(released=released).to_dicts()


@pytest.mark.drawn
@settings(max_examples=2 * settings.default.max_examples)
@given(workloads, pools, policies)
def test_the_engine_follows_the_rules_to_the_microsecond(trace_of, runs, pools, policy):
    rules = ByTheRules(runs, capacities(pools), policy["backfill"] == "greedy", attempts_of(runs, pools, policy["order"]))
    rules.simulate()
    result = simulate(trace_of(runs), scenario(pools, policy))
    expected = [(a.queued, a.started, a.released) for key in sorted(rules.attempts) for a in rules.attempts[key]]
    assert [(a["queued"], a["started"], a["released"]) for a in outcome(result)] == expected


@pytest.mark.drawn
@given(workloads, pools, policies)
def test_i1_conservation(trace_of, runs, pools, policy):
    """Every submitted task is there once, in a state that its own outcome and its ancestors' allow."""
    result = simulate(trace_of(runs), scenario(pools, policy))
    assert result.trace.violations() == []
    last = {(int(a["run_id"][-3:]), int(a["task_id"][1:])): a for a in outcome(result)}
    assert set(last) == {(r, k) for r, run in enumerate(runs) for k in range(len(run["tasks"]))}
    for r, run in enumerate(runs):
        states = []
        for k, task in enumerate(run["tasks"]):
            above = [states[p] for p in task["parents"]]
            if any(s in FAILURES or s == "below a failure" for s in above):
                states.append("below a failure")
            elif any(s in ("PENDING", "RUNNING") for s in above):
                states.append("PENDING")
            else:
                states.append(task["attempts"][-1][1])
            assert last[r, k]["status"] == states[k].replace("below a failure", "SKIPPED")
        ended = result.trace.pipeline_runs.sort("run_id")["ended_at"][r]
        assert (ended is None) == any(s in ("PENDING", "RUNNING") for s in states)


def simulated(trace: Trace, what_if: Scenario) -> Simulated:
    """What the checks judge; that each fails where it should is shown in tests/checks/test_simulated.py."""
    return Simulated(what_if, 0, simulate(trace, what_if).trace, trace)


@pytest.mark.drawn
@given(workloads, pools, policies)
def test_i2_causality(trace_of, runs, pools, policy):
    assert out_of_order(simulated(trace_of(runs), scenario(pools, policy))).is_empty()


@pytest.mark.drawn
@given(workloads, pools, policies)
def test_i3_capacity(trace_of, runs, pools, policy):
    assert over_capacity(simulated(trace_of(runs), scenario(pools, policy))).is_empty()


@pytest.mark.drawn
@given(workloads, pools, policies)
def test_every_stored_attempt_is_one_that_was_submitted_and_takes_its_time(trace_of, runs, pools, policy):
    result = simulated(trace_of(runs), scenario(pools, policy))
    assert lost_or_invented(result).is_empty()
    assert wrong_times(result).is_empty()


def asks(a: dict[str, Any], dimension: str) -> int:
    return 1000 if dimension == "slots" else round(1000 * (a[dimension] or 0))


@pytest.mark.drawn
@given(workloads, pools, policies)
def test_i4_no_needless_idling(trace_of, runs, pools, policy):
    """Once an instant is over, no attempt waits that fits (greedy), or the first in order does not fit (none)."""
    rows = outcome(simulate(trace_of(runs), scenario(pools, policy)))
    keys = {(a.run, a.task, a.number): a.key for line in attempts_of(runs, pools, policy["order"]).values() for a in line}
    for now, (pool, capacity) in itertools.product(
        {a[x] for a in rows for x in ("queued", "released")} - {None}, capacities(pools).items()
    ):
        here = [a for a in rows if a["pool"] == pool and a["started"] is not None]
        held = [{d: asks(a, d) for d in capacity} for a in here if a["started"] <= now < a["released"]]
        waiting = [a for a in here if a["queued"] <= now < a["started"]]
        key = {id(a): keys[int(a["run_id"][-3:]), int(a["task_id"][1:]), a["attempt"]] for a in waiting}
        order = {
            id(a): (
                -a["queued"] if key[id(a)] is None else key[id(a)],
                a["queued"],
                runs[int(a["run_id"][-3:])]["submitted"],
            )
            for a in waiting
        }
        waiting.sort(key=lambda a: (*order[id(a)], a["run_id"], a["task_id"]))
        for a in waiting if policy["backfill"] == "greedy" else waiting[:1]:
            assert not fits({d: asks(a, d) for d in capacity}, capacity, held)


@pytest.mark.drawn
@given(workloads, pools, policies, st.randoms(use_true_random=False))
def test_i5_determinism(trace_of, runs, pools, policy, random):
    """Same input, same bytes, in whatever order the rows of tasks and edges stand; that of runs breaks ties."""
    trace = trace_of(runs)
    shuffled = {"pipeline_runs": trace["pipeline_runs"]}
    for name in ("task_runs", "task_edges"):
        rows = list(range(trace[name].height))
        random.shuffle(rows)
        shuffled[name] = trace[name][rows] if rows else trace[name]
    first, second = (simulate(t, scenario(pools, policy)) for t in (trace, Trace(shuffled)))
    for table in ("pipeline_runs", "task_runs", "pools"):
        assert stored(first.trace[table]) == stored(second.trace[table])
    assert stored(first.summary.as_frame()) == stored(second.summary.as_frame())


def stored(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.mark.drawn
@given(workloads, policies)
def test_i7_replay(trace_of, runs, policy):
    """With room for everything nothing waits, and every attempt that ran takes the time that the log says."""
    vast = [{"name": "a", "gpus": 1e6}, {"name": "b", "cpu_cores": 1e6}]
    for a in outcome(simulate(trace_of(runs), scenario(vast, policy))):
        if a["started"] is not None:
            duration_s, _ = runs[int(a["run_id"][-3:])]["tasks"][int(a["task_id"][1:])]["attempts"][a["attempt"] - 1]
            assert a["queued"] == a["started"]
            assert a["duration_s"] == duration_s


@pytest.mark.drawn
@given(workloads, pools, policies)
def test_i8_littles_law(trace_of, runs, pools, policy):
    """The area under the number that wait is the sum of the waits; that under the runs in the system, of completion times."""
    result = simulate(trace_of(runs), scenario(pools, policy))
    rows = [a for a in outcome(result) if a["started"] is not None]
    if rows:
        area = under([a["queued"] for a in rows], [a["started"] for a in rows])
        assert np.isclose(area, result.summary.mean_wait_s * len(rows) * SECOND, rtol=1e-9, atol=1)
    done = result.trace.pipeline_runs.filter(pl.col("ended_at").is_not_null())
    if done.height:
        area = under(micros(done, "submitted_at"), micros(done, "ended_at"))
        assert np.isclose(area, result.summary.mean_jct_s * done.height * SECOND, rtol=1e-9, atol=1)


def under(arrivals: list[int], departures: list[int]) -> int:
    """The area under the number present, swept from change to change."""
    changes = sorted([(at, 1) for at in arrivals] + [(at, -1) for at in departures])
    area = present = 0
    for (now, change), (following, _) in itertools.pairwise(changes):
        present += change
        area += present * (following - now)
    return area

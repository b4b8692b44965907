"""What the engines cost: time and memory of the same work on `compiled`, `reference`, bare SimPy, Ciw and salabim.

    python benchmarks/engine.py [--repeats 3] [--largest 10000000] [--patience 30] [--quick]

The work is that of a year on two pools: runs of one to six tasks in a chain, 3.5 on average, Poisson arrivals, load .85, first
come, first served. What is compared is the event loop, from the arrays of a `SimulationInput` to the instants at which the
tasks start; the lists that a Python simulator makes of the arrays count as its own. The starts of each must equal those of
`compiled` to the microsecond, else the benchmark stops.

Each simulator has a process of its own at each size, which first simulates a little work, so that imports and machine code are
there. Figures are medians of the repeats; what is quick is repeated for a fifth of a second in all, and nothing is repeated
once it has taken ten seconds. A size is left out (-) where the size before lets expect that one run takes longer than
`--patience`.

Peak memory is what the process has resident at most during its first run, less what it had before: the kernel's own peak
(`VmHWM`), set back before the run. So whatever is allocated counts, by whomever, and nothing is slowed down by counting. Memory
that is free before the run, but still the process's, would hide as much of the growth, so it is given back to the kernel first.
Room that is allocated and never touched is not resident; the goal is held against all that is asked for, as `tracemalloc`
counts it. On other systems than Linux, nothing is said about resident memory.

The deep queue is that of one pool and of 250,000 runs of one task that ask for one to eight GPUs, half as much again as the
pool can take. Greedy backfill is compared with none on the very same arrays, where both queues must reach 40,000 attempts;
and with none on the same tasks submitted so slowly that the load is .85, where the queue is short.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import gc
import os
import platform
import re
import shlex
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from engine_peers import ciw_starts, salabim_starts, simpy_starts
from engine_work import LOAD, OVERLOAD, crowd, deepest_queue, with_models, with_rules, year

from pipesim.simulation import compiled
from pipesim.simulation.engine import GREEDY, NEVER, NONE, Int64, Rules, SimulationInput
from pipesim.simulation.engines import engine_named

#: Tasks of a run, on average.
LENGTH = 3.5
#: Runs of a year, and of the work with the deep queue, and how deep that must become.
YEAR, CROWD, DEPTH = 720_000, 250_000, 40_000
#: Seconds for which loops are repeated at least and at most.
SHORT, LONG = 0.2, 10.0

P = ParamSpec("P")
T = TypeVar("T")


def starts_of(engine: str, given: SimulationInput) -> Int64:
    return engine_named(engine)(given).started


SIMULATORS: dict[str, Callable[[SimulationInput], Int64]] = {
    "compiled": functools.partial(starts_of, "compiled"),
    "reference": functools.partial(starts_of, "reference"),
    "bare SimPy": simpy_starts,
    "Ciw": ciw_starts,
    "salabim": salabim_starts,
}


@dataclass(frozen=True)
class Cost:
    """What one simulator took for one size; `memory` is in bytes, above the input, or None where it cannot be measured."""

    runs: int
    tasks: int
    seconds: float
    memory: int | None

    @property
    def per_run(self) -> float:
        """Microseconds a run."""
        return self.seconds / self.runs * 1e6


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Args:
        sizes: Numbers of tasks.
        year: Runs of the year.
        repeats: How often each loop is run.
        patience: The most seconds that one run may be expected to take.
        apart: Whether each measurement has a process of its own.
    """

    sizes: list[int]
    year: int
    repeats: int
    patience: float
    apart: bool

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function, where it is to be called."""
        print(f"{function.__name__} {' '.join(map(str, args))}", file=sys.stderr)
        if not self.apart:
            return function(*args, **kwargs)
        with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as process:
            return process.submit(function, *args, **kwargs).result()


def peak_memory(work: Callable[[], T]) -> tuple[T, int | None]:
    """Do the work; returns its result, and by how many bytes the resident memory of this process grew at most meanwhile."""
    if sys.platform != "linux":
        return work(), None
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back, see proc(5)

    def resident(what: str) -> int:
        return 1024 * int(re.findall(rf"^{what}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)[0])

    before = resident("VmRSS")
    result = work()
    return result, resident("VmHWM") - before


def timed(work: Callable[[], T], seconds: list[float]) -> T:
    """Do the work; returns its result, and appends how long it took."""
    began = time.perf_counter()
    result = work()
    seconds.append(time.perf_counter() - began)
    return result


def repeated(work: Callable[[], object], seconds: list[float], repeats: int) -> float:
    """Do the work some times more, and append how long it took; returns the median."""
    while sum(seconds) < SHORT or (len(seconds) < repeats and sum(seconds) < LONG):
        timed(work, seconds)
    return statistics.median(seconds)


def measure(name: str, runs: int, repeats: int) -> Cost:
    """Measure one simulator on one size in this process, and compare what it gives."""
    given, seconds = year(runs), list[float]()
    work = functools.partial(SIMULATORS[name], given)
    try:
        SIMULATORS[name](year(100))
    except ImportError as missing:
        raise SystemExit(f"{name} is not installed; it is one of the development dependencies in pyproject.toml") from missing
    starts, memory = peak_memory(lambda: timed(work, seconds))
    median = repeated(work, seconds, repeats)
    expected = starts_of("compiled", given)
    differing = np.flatnonzero(starts != expected)
    if len(differing):
        task = differing[0]
        raise SystemExit(
            f"{name} and compiled differ in {len(differing):,} of {len(starts):,} starts; the first is that of task {task}, "
            f"at {starts[task]} and {expected[task]} microseconds"
        )
    return Cost(runs, len(starts), median, memory)


def requested_memory(name: str, runs: int) -> int:
    """Return how many bytes one of our engines asks for, also those that it never touches and so are not resident."""
    engine, given = engine_named(name), year(runs)
    engine(year(100))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    engine(given)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - before


def measure_backfill(repeats: int) -> dict[str, tuple[float, int]]:
    """Return the microseconds a run and the depth of the queue: greedy, none on the same arrays, and none at `LOAD`."""
    engine, found = engine_named("compiled"), {}
    for name, load, backfill in (("greedy", OVERLOAD, GREEDY), ("none", OVERLOAD, NONE), ("short", LOAD, NONE)):
        work = functools.partial(engine, replace(crowd(CROWD, load), rules=Rules(backfill=backfill)))
        depth = deepest_queue(work())
        if load == OVERLOAD and depth < DEPTH:
            raise SystemExit(f"with backfill {name} the queue is only {depth:,} deep, and should be {DEPTH:,}")
        found[name] = repeated(work, [], repeats) / CROWD * 1e6, depth
    return found


def measure_rules(runs: int, repeats: int) -> dict[str, float]:
    """Return the seconds that the same work takes without further rules, and with each."""
    engine = engine_named("compiled")
    return {name: repeated(functools.partial(engine, given), [], repeats) for name, given in with_rules(year(runs)).items()}


def measure_models(runs: int, models: int, repeats: int) -> tuple[float, int]:
    """Return how many times as long a run takes where it puts a version of a model into production, and the retrainings."""
    engine, plain = engine_named("compiled"), year(runs)
    given = with_models(plain, models)
    told = engine(given).retrainings
    assert told is not None
    retrainings = int((told.submitted != NEVER).sum())
    with_them = repeated(functools.partial(engine, given), [], repeats) / (runs + retrainings)
    return with_them / (repeated(functools.partial(engine, plain), [], repeats) / runs), retrainings


def measure_sizes(plan: Plan) -> dict[str, list[Cost]]:
    """Measure every simulator on every number of tasks that it can be expected to simulate in the plan's time."""
    found: dict[str, list[Cost]] = {name: [] for name in SIMULATORS}
    for name, costs in found.items():
        for size in plan.sizes:
            if costs and costs[-1].seconds / costs[-1].tasks * size > plan.patience:
                break
            costs.append(plan.call(measure, name, round(size / LENGTH), plan.repeats))
    return found


def table(*rows: Iterable[object]) -> str:
    """Return the rows as a table in Markdown, the first as its head."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([lines[0], "|---" * (lines[0].count(" | ") + 1) + "|", *lines[1:]]) + "\n"


def machine() -> str:
    """Say what this is measured on, and with which versions."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else []
    versions = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "simpy", "ciw", "salabim"))
    processor = models[0] if models else platform.processor() or platform.machine()
    return f"{os.cpu_count()} CPUs ({processor}), {platform.system()}, Python {platform.python_version()}, {versions}"


def print_sizes(found: dict[str, list[Cost]]) -> None:
    """Print a table of time and one of memory."""

    def rows(cell: Callable[[Cost, Cost], str]) -> list[list[str]]:
        rows = [["tasks", "runs", *found]]
        for costs in zip_longest(*found.values()):
            ours = costs[0]
            cells = ("-" if cost is None else cell(cost, ours) for cost in costs)
            rows.append([f"{ours.tasks:,}", f"{ours.runs:,}", *cells])
        return rows

    print("Microseconds a run, and how many times those of `compiled`:\n")
    print(table(*rows(lambda cost, ours: f"{cost.per_run:.2f}" + f" ({cost.per_run / ours.per_run:.0f})" * (cost is not ours))))
    print("Peak memory above the input, bytes a task:\n")
    print(table(*rows(lambda cost, _: "-" if cost.memory is None else f"{cost.memory / cost.tasks:,.0f}")))


def print_goals(plan: Plan, first: Cost, last: Cost) -> None:
    """Measure and print what the compiled engine is to keep to, given what it took for the first size and the last."""
    ours, reference = (plan.call(measure, name, plan.year, plan.repeats) for name in ("compiled", "reference"))
    requested = plan.call(requested_memory, "compiled", plan.year)
    backfill = plan.call(measure_backfill, plan.repeats)
    greedy, deep = backfill.pop("greedy")
    growth = last.seconds / last.tasks / (first.seconds / first.tasks)
    resident = "" if ours.memory is None else f", {ours.memory / ours.tasks:,.0f} of them touched"
    rows = [
        (f"the loop of {ours.runs:,} runs, {ours.tasks:,} tasks", "1.5 s", f"{ours.seconds:.2f} s"),
        (
            "the same on `reference`",
            "at least 60 times",
            f"{reference.seconds / ours.seconds:.0f} times, {reference.seconds:.1f} s",
        ),
        ("its memory above the input, a task", "400 bytes", f"{requested / ours.tasks:,.0f} bytes{resident}"),
        (f"a task of {last.tasks:,}, to one of {first.tasks:,}", "linear: 1", f"{growth:.2f}"),
    ]
    for us, depth in backfill.values():
        what = f"a run of greedy backfill, {deep:,} deep, to one of none, {depth:,} deep"
        rows.append((what, "3 times", f"{greedy / us:.2f} times, {greedy:.2f} to {us:.2f} us"))
    rules = plan.call(measure_rules, plan.year // 4, plan.repeats)
    for name, seconds in rules.items():
        if name != "plain":
            rows.append((f"the year's work with {name}, to that without", "2 times", f"{seconds / rules['plain']:.2f} times"))
    models = plan.year // 72
    times, retrainings = plan.call(measure_models, plan.year, models, plan.repeats)
    what = f"a run of the year's work with {models:,} models and {retrainings:,} retrainings, to one without"
    rows.append((what, "2 times", f"{times:.2f} times"))
    print("Goals:\n")
    print(table(("what", "goal", "measured"), *rows))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="how often each loop is run (default: 3)")
    parser.add_argument("--largest", type=int, default=10_000_000, help="the largest number of tasks (default: 10000000)")
    parser.add_argument(
        "--patience", type=float, default=30.0, help="the most seconds a run may be expected to take (default: 30)"
    )
    parser.add_argument("--quick", action="store_true", help="a test: only a little work, and all of it in one process")
    options = parser.parse_args()
    if options.largest < 10_000:
        parser.error("--largest is 10000 at least; see --quick")
    sizes = [10**k for k in range(4, 10) if 10**k <= options.largest]
    plan = Plan(sizes, YEAR, options.repeats, options.patience, apart=True)
    if options.quick:
        plan = Plan([1_000, 10_000], YEAR // 100, options.repeats, 0.05, apart=False)
    print("compiling, once on this machine", file=sys.stderr)
    for part in ("plain", "lifecycle", "rules"):
        compiled.make_ready(part)
    found = measure_sizes(plan)
    command = shlex.join(["python", "benchmarks/engine.py", *sys.argv[1:]])
    print(f"`{command}` on {machine()}; medians of {plan.repeats} runs, or of those that fit into {LONG:g} s.\n")
    print_sizes(found)
    print_goals(plan, found["compiled"][0], found["compiled"][-1])


if __name__ == "__main__":
    main()

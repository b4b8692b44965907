"""Drawing attempts: demands, outcomes, retries, durations and bytes of every task of a synthetic trace."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.streams import stream
from pipesim.workload.draws import Indices, grouped_choice, whole_numbers
from pipesim.workload.laws.law import Floats, Law
from pipesim.workload.laws.quantities import conditional, third, uniform
from pipesim.workload.model import WorkloadModel
from pipesim.workload.tasks.durations import cell_index
from pipesim.workload.tasks.kinds import DEMAND, Demands, Kind


@dataclass(frozen=True)
class Tasks:
    """What is known of n tasks before their attempts are.

    Args:
        kind: [n] Index of its kind.
        demand: [n] Row of all kinds' demands one after the other.
        cell: [n] The duration cell that holds its law.
        work: [n] Normal score of its natural duration in its cell.
        data: [n] Normal score of the bytes it reads for its kind.
    """

    kind: Indices
    demand: Indices
    cell: Indices
    work: Floats
    data: Floats


def draw_tasks(
    model: WorkloadModel,
    kind: Indices,
    tenant: Indices,
    tenants: list[str | None],
    demand: Indices,
    work: Floats,
    seed: int,
) -> Tasks:
    """Return tasks of given work, with what they ask for and how much data they read.

    Args:
        model: The workload model.
        kind: [n] For each task to draw, its kind (index into the model's).
        tenant: [n] The tenant of its run, a position among `tenants`.
        tenants: The tenants.
        demand: [n] The row of its kind's demands, -1 where it is to be drawn.
        work: [n] Normal score of its natural duration in its cell.
        seed: Root seed.
    """
    begins = np.cumsum([0, *(len(k.demands.tasks) for k in model.kinds)])[:-1]
    open_, u = np.flatnonzero(demand < 0), stream(seed, "demands").random(len(kind))
    entry = begins[kind] + demand
    entry[open_] = begins[kind[open_]] + _draw_demands(model.kinds, kind[open_], tenant[open_], tenants, u[open_])
    cell = cell_index(model.durations, model.kinds, tenants)[entry, tenant]
    together = np.array([k.correlation[0] for k in model.kinds])[kind]
    data = together * work + np.sqrt(1 - together**2) * stream(seed, "data").standard_normal(len(kind))
    return Tasks(kind, entry, cell, work, data)


@dataclass(frozen=True)
class Ends:
    """How n attempts end, ordered by task and attempt.

    Args:
        task: [n] Index into the tasks.
        attempt: [n] 1, 2, ... of the task.
        outcome: [n] Index into all kinds' outcomes, one kind after the other.
        final: [n] Whether no attempt follows.
    """

    task: Indices
    attempt: Indices
    outcome: Indices
    final: NDArray[np.bool_]


def draw_ends(kinds: tuple[Kind, ...], kind: Indices, seed: int) -> Ends:
    """Return how the attempts of tasks end.

    An attempt that fails is followed by another with the fitted probability, until the most that were seen.

    Args:
        kinds: The kinds of a workload model.
        kind: [n] Each task's kind.
        seed: Root seed.
    """
    owner = np.repeat(np.arange(len(kinds)), [len(k.outcomes) for k in kinds])
    choose = grouped_choice(owner, np.array([o.probability for k in kinds for o in k.outcomes]), len(kinds))
    retry = np.array([o.retry for k in kinds for o in k.outcomes])
    most = np.array([k.max_attempts for k in kinds])
    task = np.arange(len(kind))
    counts = np.ones(len(kind), dtype=np.int64)
    rounds = []
    for number in range(1, int(most.max()) + 1):
        rng = stream(seed, "outcomes", number)
        outcome = choose(kind[task], rng.random(len(task)))
        again = (rng.random(len(task)) < retry[outcome]) & (number < most[kind[task]])
        rounds.append((task, outcome, again))
        task = task[again]
        if not len(task):
            break
        counts[task] += 1
    owner = np.repeat(np.arange(len(kind)), counts)
    begins = np.cumsum(counts) - counts
    attempts, outcomes = np.empty((2, len(owner)), dtype=np.int64)
    finals = np.empty(len(owner), dtype=np.bool_)
    for number, (task, outcome, again) in enumerate(rounds, start=1):
        at = begins[task] + (number - 1)
        attempts[at], outcomes[at], finals[at] = number, outcome, ~again
    return Ends(owner, attempts, outcomes, finals)


def draw_attempts(model: WorkloadModel, tasks: Tasks, ends: Ends, seed: int) -> pl.DataFrame:
    """Return one row an attempt, ordered by task and attempt.

    Args:
        model: The workload model.
        tasks: What `draw_tasks` returns.
        ends: What `draw_ends` returns of their kinds.
        seed: Root seed.

    Returns:
        task (index into the tasks), attempt, status, final (no attempt follows), the demand columns, duration_s, read_bytes
        and written_bytes.
    """
    duration, read, written = _draw_quantities(model, tasks, ends.task, ends.outcome, seed)
    statuses = pl.Series([o.status for k in model.kinds for o in k.outcomes], dtype=pl.String)
    return pl.DataFrame(
        [
            pl.Series("task", ends.task),
            pl.Series("attempt", ends.attempt),
            statuses[ends.outcome].alias("status"),
            pl.Series("final", ends.final),
            *demand_frame([k.demands for k in model.kinds])[tasks.demand[ends.task]].iter_columns(),
            pl.Series("duration_s", duration),
            whole_numbers(read).alias("read_bytes"),
            whole_numbers(written).alias("written_bytes"),
        ]
    )


def kind_of_node(kinds: tuple[Kind, ...], nodes: pl.DataFrame) -> Indices:
    """Return the kind of each task of the shapes (`structure.task_columns`)."""
    index = {(kind.task_type, kind.framework): i for i, kind in enumerate(kinds)}
    return np.array([index[pair] for pair in nodes.select("task_type", "framework").iter_rows()], dtype=np.int64)


def _draw_demands(kinds: tuple[Kind, ...], kind: Indices, tenant: Indices, tenants: list[str | None], u: Floats) -> Indices:
    """Return the row of its kind's demands for each task: as often as its tenant asked for it, or all where it never did.

    Args:
        kinds: The kinds.
        kind: [n] Each task's kind.
        tenant: [n] The position of its tenant among `tenants`.
        tenants: The tenants.
        u: [n] Uniform numbers.
    """
    group = np.full((len(kinds), len(tenants)), -1, dtype=np.int64)
    groups: list[int] = []
    rows: list[int] = []
    weights: list[int] = []
    place = {name: i for i, name in enumerate(tenants)}
    for i, k in enumerate(kinds):
        of_all = len(group) * len(tenants) + i
        known: dict[int, list[int]] = {}
        for j, name in enumerate(k.demands.of_tenant):
            if name in place:
                known.setdefault(place[name], []).append(j)
        for t in range(len(tenants)):
            group[i, t] = i * len(tenants) + t if t in known else of_all
            mine = known.get(t, [])
            groups += [int(group[i, t])] * len(mine)
            rows += [k.demands.of_row[j] for j in mine]
            weights += [k.demands.of_tasks[j] for j in mine]
    for i, k in enumerate(kinds):
        groups += [len(kinds) * len(tenants) + i] * len(k.demands.tasks)
        rows += range(len(k.demands.tasks))
        weights += k.demands.tasks
    choose = grouped_choice(np.array(groups), np.array(weights), len(kinds) * (len(tenants) + 1))
    return np.array(rows, dtype=np.int64)[choose(group[kind, tenant], u)]


def demand_frame(demands: Sequence[Demands]) -> pl.DataFrame:
    """Return the combinations of several kinds one after the other."""
    types = {
        "gpus": pl.Float64(),
        "cpu_cores": pl.Float64(),
        "memory_bytes": pl.Int64(),
        "gpu_type": pl.String(),
        "pool": pl.String(),
    }
    return pl.DataFrame({c: [v for one in demands for v in getattr(one, c)] for c in DEMAND}, schema=types)


def _draw_quantities(
    model: WorkloadModel, tasks: Tasks, task: Indices, outcome: Indices, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Return each attempt's seconds, bytes read and bytes written; NaN where the log would not say.

    The three share a Gaussian copula. Natural duration and data read belong to the task, so all its attempts have the same. An
    unsuccessful attempt's seconds come from the law of its outcome instead of its cell's, those of a kind whose time follows
    its data from these, with the noise in the copula.
    """
    held = [o.held for k in model.kinds for o in k.outcomes]
    ends_early = np.array([law is not None for law in held])[outcome]
    kind = tasks.kind[task]
    score, data = tasks.work[task], tasks.data[task]
    seconds, read, written = np.full(len(kind), np.nan), np.empty(len(kind)), np.empty(len(kind))

    def draw_kind(group: tuple[int, Indices]) -> None:
        k, rows = model.kinds[group[0]], group[1]
        rng = stream(seed, "durations", k.name)
        early = rows[ends_early[rows]]
        score[early] = conditional(k.correlation[0], data[early], rng.standard_normal(len(early)))
        data_time = k.data_time.law if k.data_time else None
        if k.read.law is None and k.written.law is None and data_time is None:
            read[rows] = written[rows] = np.nan
            return
        known = stream(seed, "bytes", k.name).random(len(rows))
        amount = uniform(data[rows])
        read[rows] = k.read.draw(amount, known)
        if k.written.law is not None:
            out = third(k.correlation, data[rows], score[rows], rng.standard_normal(len(rows)))
            written[rows] = k.written.draw(uniform(out), known)
        else:
            written[rows] = np.nan
        if data_time is not None:
            seconds[rows] = data_time.seconds(data_time.amounts(read[rows], amount), uniform(score[rows]))
            seconds[early] = np.nan

    laws: list[Law | None] = [*(c.choice.law if c.choice else None for c in model.durations), *held]

    def draw_seconds(group: tuple[int, Indices]) -> None:
        law, rows = laws[group[0]], group[1]
        assert law is not None, "every attempt draws from a cell or an outcome that has a law"
        rows = rows[np.isnan(seconds[rows])]
        seconds[rows] = law.quantile(uniform(score[rows]))

    # Each group has rows and streams of its own, so that threads change nothing but the time.
    with ThreadPoolExecutor() as pool:
        list(pool.map(draw_kind, _groups(kind, len(model.kinds))))
        label = np.where(ends_early, len(model.durations) + outcome, tasks.cell[task])
        list(pool.map(draw_seconds, _groups(label, len(laws))))
    return seconds, read, written


def _groups(label: Indices, groups: int) -> list[tuple[int, Indices]]:
    """Return the row numbers of each group that has rows, the largest first: threads then end at about the same time."""
    order = np.argsort(label.astype(np.int16) if groups < 2**15 else label, kind="stable")
    ends = np.cumsum(np.bincount(label, minlength=groups))
    found = [(i, order[b:e]) for i, (b, e) in enumerate(zip([0, *ends[:-1]], ends, strict=True)) if e > b]
    return sorted(found, key=lambda group: -len(group[1]))

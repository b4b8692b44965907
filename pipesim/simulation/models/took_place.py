"""Leaving out the retrainings that no trigger has submitted, so that what follows sees runs that took place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from pipesim.simulation.calendar import LATER
from pipesim.simulation.compilation import Compilation
from pipesim.simulation.engine import NEVER, Int64, Schedule, SimulationInput
from pipesim.simulation.models.building import Models
from pipesim.simulation.placement import Mask
from pipesim.simulation.upkeep import AT_BEGINNING, NO_VERSION, Retrainings, Upkeep


def took_place(compiled: Compilation, schedule: Schedule) -> tuple[Compilation, Schedule]:
    """Return the runs that were submitted, with the instants at which they were, and what became of them.

    In what is returned the run numbers of `Retrainings.replaces` and `Upkeep.retrainings` are those of the runs that are left.
    """
    given, models, retrainings = compiled.given, compiled.models, schedule.retrainings
    if models is None or given.upkeep is None or retrainings is None:
        return compiled, schedule
    submitted = given.run_submitted.copy()
    submitted[given.upkeep.retrainings] = np.where(retrainings.submitted == NEVER, LATER, retrainings.submitted)
    runs = submitted < LATER
    tasks = np.repeat(runs, np.diff(given.run_tasks))
    attempts = np.repeat(tasks, np.diff(given.task_attempts))
    fired = retrainings.submitted != NEVER
    number = _numbers(runs)
    upkeep = _of_fired(given.upkeep, fired, runs, tasks, number)
    replaces = retrainings.replaces[fired]
    replaces = np.where(replaces >= 0, number[replaces], replaces)
    kept = Retrainings(retrainings.submitted[fired], retrainings.way[fired], replaces, retrainings.postponed)
    left = replace(
        compiled,
        given=_of_runs(given, submitted, upkeep, runs, tasks, attempts),
        runs=_runs(compiled.runs.filter(runs), upkeep, kept, models),
        attempts=compiled.attempts.filter(attempts).with_columns(
            run=pl.Series(number)[compiled.attempts["run"].filter(pl.Series(attempts))],
            task=pl.Series(_numbers(tasks))[compiled.attempts["task"].filter(pl.Series(attempts))],
        ),
        edges=compiled.edges.join(compiled.runs.filter(runs), on="run_id", how="semi", maintain_order="left"),
        placement=replace(
            compiled.placement,
            **{name: getattr(compiled.placement, name)[attempts] for name in ("pool", "demand_class", "share", "rejected")},
        ),
        models=replace(models, versions=models.versions.only(runs, tasks), refused=models.refused[attempts]),
    )
    return left, _schedule(schedule, kept, tasks, attempts)


def _numbers(kept: Mask) -> Int64:
    """Return the new number of each that is kept."""
    numbers: Int64 = np.cumsum(kept) - 1
    return numbers


def _offsets(offsets: Int64, kept: Mask) -> Int64:
    return np.concatenate(([0], np.cumsum(np.diff(offsets)[kept])))


def _of_runs(
    given: SimulationInput, submitted: Int64, upkeep: Upkeep, runs: Mask, tasks: Mask, attempts: Mask
) -> SimulationInput:
    estimate, priority = given.attempt_estimate, given.run_priority
    # The runs of edges are whole, so the children of a task are kept with it.
    edges = np.repeat(tasks, np.diff(given.task_children))
    key = given.attempt_key.copy()
    if upkeep.relative_keys:
        run_of = np.repeat(np.repeat(np.arange(len(runs)), np.diff(given.run_tasks)), np.diff(given.task_attempts))
        key += np.where(given.run_submitted == LATER, submitted, 0)[run_of].astype(np.float64)
    return replace(
        given,
        run_submitted=submitted[runs],
        run_tasks=_offsets(given.run_tasks, runs),
        task_parents=given.task_parents[tasks],
        task_children=_offsets(given.task_children, tasks),
        children=_numbers(tasks)[given.children[edges]],
        task_attempts=_offsets(given.task_attempts, tasks),
        attempt_class=given.attempt_class[attempts],
        attempt_hold=given.attempt_hold[attempts],
        attempt_outcome=given.attempt_outcome[attempts],
        attempt_key=key[attempts],
        attempt_estimate=None if estimate is None else estimate[attempts],
        run_priority=None if priority is None else priority[runs],
        upkeep=upkeep,
    )


def _of_fired(upkeep: Upkeep, fired: Mask, runs: Mask, tasks: Mask, number: Int64) -> Upkeep:
    owner = np.repeat(np.arange(upkeep.models), np.diff(upkeep.first_retraining))[fired]
    return replace(
        upkeep,
        run_model=upkeep.run_model[runs],
        performance=upkeep.performance[runs],
        task_role=upkeep.task_role[tasks],
        first_retraining=np.searchsorted(owner, np.arange(upkeep.models + 1)).astype(np.int64),
        retrainings=number[upkeep.retrainings[fired]],
        charge=upkeep.charge[fired],
    )


def _runs(runs: pl.DataFrame, upkeep: Upkeep, retrainings: Retrainings, models: Models) -> pl.DataFrame:
    """Write into the rows of retrainings when and why they were submitted, and which run's version they are to replace."""
    ids = runs["run_id"]
    order = np.argsort(upkeep.retrainings)
    parents = [None if run in (AT_BEGINNING, NO_VERSION) else ids[run] for run in retrainings.replaces[order].tolist()]
    words = pl.Series(models.words, dtype=pl.String)
    told = pl.DataFrame(
        {
            "submitted_at": pl.Series(retrainings.submitted[order]).cast(pl.Datetime("us")),
            "trigger": words.gather(retrainings.way[order]),
            "parent_run_id": pl.Series(parents, dtype=pl.String),
        }
    )
    tail = runs[upkeep.submissions :].with_columns(told.iter_columns())
    return pl.concat([runs[: upkeep.submissions], tail])


def _schedule(schedule: Schedule, retrainings: Retrainings, tasks: Mask, attempts: Mask) -> Schedule:
    cut = schedule.interruptions
    names = ("queued", "started", "ended", "outcome", "node", "nodes")
    columns: dict[str, Any] = {name: getattr(schedule, name)[attempts] for name in names}
    return replace(
        schedule,
        **columns,
        task_state=schedule.task_state[tasks],
        interruptions=replace(cut, attempt=_numbers(attempts)[cut.attempt].astype(np.int32)),
        retrainings=retrainings,
    )

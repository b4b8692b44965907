"""Which models a scenario has, which runs it leaves out for them, and the retrainings that triggers may submit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import polars as pl

from pipesim.errors import RequestError
from pipesim.lifecycle import LifecycleModel
from pipesim.simulation.scenario.lifecycle import Lifecycle
from pipesim.simulation.upkeep import Int64
from pipesim.trace import Trace
from pipesim.words import count

#: The tables with rows of runs.
_OF_RUNS = ("pipeline_runs", "task_runs", "task_edges")
#: How the names of the runs begin that are drawn as retrainings.
RETRAINING = "retrain-"
#: More retrainings than this are not kept ready: at some 10 KB each it is memory that would run out.
MOST_RETRAININGS = 5_000_000


@dataclass(frozen=True)
class ModelSource:
    """What the workload model knows of the models of a platform.

    Args:
        laws: How good their versions are and how they decay.
        draw: Draws the k-th retraining, k from 0 on, of every pipeline that can be trained again: a trace of one run each, in
            always the same order.
    """

    laws: LifecycleModel
    draw: Callable[[int], Trace]
    _drawn: dict[int, Trace] = field(default_factory=dict, repr=False, compare=False)

    def retraining(self, number: int) -> Trace:
        """Return the k-th retraining of every pipeline, which is drawn once."""
        if number not in self._drawn:
            self._drawn[number] = self.draw(number)
        return self._drawn[number]


@dataclass(frozen=True)
class Fleet:
    """The models of a scenario. M models.

    Args:
        names: [M] Their pipelines, in alphabetical order.
        source: What is known of them.
        workload: What is submitted, without the runs whose place the strategy takes.
        everything: The whole of it, by which random numbers are drawn, so that scenarios share them.
        can_retrain: [M] Whether there are retrainings of it.
        replaced: How many runs were left out.
        warnings: What of it has no effect.
    """

    names: tuple[str, ...]
    source: ModelSource
    workload: Trace
    everything: Trace
    can_retrain: tuple[bool, ...]
    replaced: int
    warnings: tuple[str, ...]

    @cached_property
    def numbers(self) -> pl.DataFrame:
        """The number of each model, by `pipeline_name`."""
        return pl.DataFrame(
            {"pipeline_name": self.names, "model": range(len(self.names))},
            schema={"pipeline_name": pl.String, "model": pl.Int32},
        )

    def retraining(self, number: int) -> Trace:
        """Return the k-th retraining of every pipeline, under names that no run of the workload has."""
        drawn = self.source.retraining(number)
        if self._free == RETRAINING:
            return drawn
        named = pl.col("run_id").str.replace(RETRAINING, self._free, literal=True)
        frames = {name: drawn[name].with_columns(named) for name in _OF_RUNS}
        return replace(drawn, frames={**drawn.frames, **frames})

    @cached_property
    def _free(self) -> str:
        """How the names of retrainings begin: logs may hold some that were simulated before."""
        taken = self.everything.pipeline_runs["run_id"].filter(
            self.everything.pipeline_runs["run_id"].str.starts_with(RETRAINING)
        )
        prefixes = (RETRAINING if number == 1 else f"{RETRAINING}{number}-" for number in itertools.count(1))
        return next(prefix for prefix in prefixes if not taken.str.starts_with(prefix).any())

    def retrainings(self, room: Int64, priority: int, trigger: str | None) -> Trace:
        """Return the first so many retrainings of each model, by their numbers, then in the order of their pipelines.

        Args:
            room: [M] How many of each model.
            priority: Their priority.
            trigger: What submits them, where that is known beforehand.

        Raises:
            RequestError: If there are more than can be kept.
        """
        most = int(room.max(initial=0))
        if most * len(self.names) > MOST_RETRAININGS:
            text = f"they may fire {most:,} times for one of {count(len(self.names), 'model')}"
            raise RequestError(
                f"{text}, and {MOST_RETRAININGS:,} retrainings is the most that is kept ready",
                where="lifecycle.trigger",
                remedy="raise `cooldown_h`, or let the triggers fire less often",
            )
        parts = []
        wanted = self.numbers.with_columns(room=pl.Series(room)).select("pipeline_name", "room")
        for number in range(most):
            drawn = self.retraining(number)
            kept = drawn.pipeline_runs.join(wanted.filter(pl.col("room") > number), on="pipeline_name", how="semi")
            parts.append(_only(drawn, kept["run_id"]))
        frames = {name: pl.concat([part[name] for part in parts]) for name in _OF_RUNS} if parts else {}
        if parts:
            marks = {"priority": pl.lit(priority, pl.Int64), "trigger": pl.lit(trigger, pl.String)}
            frames["pipeline_runs"] = frames["pipeline_runs"].with_columns(submitted_at=None, **marks)
        return Trace(frames, "synthetic", "retrainings")


def fleet_of(trace: Trace, lifecycle: Lifecycle, source: ModelSource | None) -> Fleet:
    """Return the models of a workload: the pipelines that train a model and put it into production.

    Raises:
        RequestError: If nothing is known of models, or there are none.
    """
    if source is None:
        raise RequestError(
            "a lifecycle needs to know how models decay and what a retraining runs",
            where="lifecycle",
            remedy="fit a workload model with `pipesim fit`; in Python, give `simulate` a `ModelSource`",
        )
    able = source.retraining(0)
    owners = sorted(_owners(trace, lifecycle) | _owners(able, lifecycle))
    if not owners:
        raise RequestError(
            "no pipeline of the workload both trains a model and deploys it",
            where="lifecycle.live_after",
            remedy="map the task types `train` and `deploy`, or say `live_after: train` where logs show no deployment",
        )
    replaced = _replaced(trace, lifecycle, owners)
    warnings = []
    if lifecycle.replaces and not len(replaced):
        named = ", ".join(lifecycle.replaces)
        warnings.append(f"`lifecycle.replaces` has no effect: no run that trains one of the models has the trigger {named}")
    retrained = set(able.pipeline_runs["pipeline_name"])
    unable = [name for name in owners if name not in retrained]
    if unable and lifecycle.trigger is not None:
        text = "never trained again, as the workload model does not know their pipelines"
        warnings.append(f"{text} ({', '.join(unable[:3])}): {count(len(unable), 'model')}")
    return Fleet(
        names=tuple(owners),
        source=source,
        workload=_only(trace, replaced, how="anti") if len(replaced) else trace,
        everything=trace,
        can_retrain=tuple(name in retrained for name in owners),
        replaced=len(replaced),
        warnings=tuple(warnings),
    )


def submitted_with(trace: Trace, lifecycle: Lifecycle, source: ModelSource, simulated: Trace) -> Trace:
    """Return what a simulation submitted: the workload without what was replaced, and the retrainings that took place.

    Args:
        trace: The whole workload.
        lifecycle: The scenario's.
        source: What is known of models.
        simulated: What came out, which tells when each retraining was submitted.
    """
    fleet = fleet_of(trace, lifecycle, source)
    came_out = simulated.pipeline_runs.join(trace.pipeline_runs, on="run_id", how="anti").select("run_id", "submitted_at")
    parts = [fleet.workload]
    number, missing = 0, came_out
    while missing.height:
        drawn = fleet.retraining(number)
        mine = drawn.pipeline_runs.join(missing, on="run_id", how="semi")["run_id"]
        if mine.is_empty():
            break  # what is left was never drawn, and so is said to be invented
        part = _only(drawn, mine)
        told = part.pipeline_runs.drop("submitted_at").join(came_out, on="run_id", maintain_order="left")
        parts.append(replace(part, frames={**part.frames, "pipeline_runs": told}))
        missing = missing.filter(~pl.col("run_id").is_in(mine.implode()))
        number += 1
    frames = {name: pl.concat([part[name] for part in parts]) for name in _OF_RUNS}
    return replace(trace, frames={**trace.frames, **frames})


def _owners(trace: Trace, lifecycle: Lifecycle) -> set[str]:
    needed = ["train"] if lifecycle.live_after == "train" else ["train", "deploy"]
    return set(_with_tasks(trace, needed)["pipeline_name"])


def _with_tasks(trace: Trace, types: list[str]) -> pl.DataFrame:
    """Return the runs that have a task of each type."""
    found = trace.pipeline_runs
    for kind in types:
        found = found.join(trace.task_runs.filter(pl.col("task_type") == kind), on="run_id", how="semi")
    return found


def _replaced(trace: Trace, lifecycle: Lifecycle, owners: list[str]) -> pl.Series:
    """Return the runs whose place the strategy takes."""
    train = _with_tasks(trace, ["train"])
    return train.filter(pl.col("trigger").is_in(list(lifecycle.replaces)), pl.col("pipeline_name").is_in(owners))["run_id"]


def _only(trace: Trace, run_ids: pl.Series, how: Literal["semi", "anti"] = "semi") -> Trace:
    """Return these runs of a trace, or all rows but theirs."""
    named = run_ids.to_frame("run_id")
    frames = {name: trace[name].join(named, on="run_id", how=how, maintain_order="left") for name in _OF_RUNS}
    return replace(trace, frames={**trace.frames, **frames})

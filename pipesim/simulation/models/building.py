"""From a scenario's lifecycle to what the engine is told: first the retrainings, then, once all runs are compiled, the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pipesim.errors import EmptyTraceError
from pipesim.lifecycle import ModelLaw
from pipesim.simulation.engine import CODE, PASSES, Float64, Int64, SimulationInput
from pipesim.simulation.graph import Graph
from pipesim.simulation.models.doubts import doubts
from pipesim.simulation.models.fleet import Fleet, ModelSource, fleet_of
from pipesim.simulation.models.plan import Span, first_room, laws_of, upkeep_of, words_of
from pipesim.simulation.models.versions import Versions, versions_of
from pipesim.simulation.placement import Mask
from pipesim.simulation.rows import Rows, rows_of, runs_of
from pipesim.simulation.scenario import Scenario
from pipesim.simulation.scenario.lifecycle import Lifecycle
from pipesim.trace import Trace


@dataclass(frozen=True)
class Models:
    """The models of a compiled scenario. M models, R runs, A attempts, C ways to fire.

    Args:
        fleet: Which there are.
        laws: [M] How they decay.
        span: From when until when they live.
        room: [M] For how many retrainings of each there is room.
        versions: What the versions of all runs are worth.
        words: [C] What a run that is submitted in each way has for a trigger.
        refused: [A] Whether an attempt is that of an evaluation which finds too little.
        warnings: What was left out, and what of the lifecycle is always so or never.
    """

    fleet: Fleet
    laws: Sequence[ModelLaw]
    span: Span
    room: Int64
    versions: Versions
    words: Sequence[str]
    refused: Mask
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """The rows that are to be simulated, with room for retrainings."""

    scenario: Scenario
    lifecycle: Lifecycle
    fleet: Fleet
    laws: Sequence[ModelLaw]
    span: Span
    whole: Span
    room: Int64
    rows: Rows
    submissions: int

    def finish(
        self, given: SimulationInput, runs: pl.DataFrame, attempts: pl.DataFrame, graph: Graph, seed: int, replication: int
    ) -> tuple[SimulationInput, Models]:
        """Return the engine's input with its models, and what they are.

        Args:
            given: The input without them.
            runs: [R rows] The runs, retrainings last.
            attempts: [A rows] Their attempts.
            graph: The dependencies of their tasks.
            seed: The root seed.
            replication: The number of the replication.
        """
        rounds = int(self.room.max(initial=0))
        versions = versions_of(
            self.fleet, self.lifecycle, runs, attempts, graph, rounds=rounds, seed=seed, replication=replication
        )
        outcome = given.attempt_outcome.copy()
        refused = versions.refused[attempts["task"].to_numpy()] & np.isin(outcome, PASSES) & (given.attempt_class >= 0)
        outcome[refused] = CODE["FAILED"]
        upkeep = upkeep_of(
            self.fleet,
            self.lifecycle,
            self.laws,
            versions,
            submissions=self.submissions,
            charge=_charge(given, attempts),
            span=self.span,
            whole=self.whole,
            seed=seed,
            replication=replication,
            relative_keys=self.scenario.policy.order == "edf",
        )
        found = doubts(self.lifecycle, self.laws, upkeep, self.span, versions)
        warnings = (*self.fleet.warnings, *versions.warnings, *found)
        words = words_of(self.lifecycle)
        models = Models(self.fleet, self.laws, self.span, self.room, versions, words, refused, warnings)
        return replace(given, attempt_outcome=outcome, upkeep=upkeep), models


def prepare(trace: Trace, scenario: Scenario, lifecycle: Lifecycle, source: ModelSource | None, room: Int64 | None) -> Prepared:
    """Leave out what the strategy replaces, and add the runs that its triggers may submit.

    Raises:
        RequestError: If nothing is known of models, there are none, or there would be too many retrainings.
        EmptyTraceError: If nothing is left to be simulated.
    """
    fleet = fleet_of(trace, lifecycle, source)
    if fleet.workload.task_runs.is_empty() and not trace.task_runs.is_empty():
        raise EmptyTraceError(
            "nothing of the workload is left", where="lifecycle.replaces", remedy="let some of its runs be submitted"
        )
    rows = rows_of(fleet.workload, scenario)
    laws = laws_of(fleet, lifecycle)
    whole = _whole(trace)
    span = Span(int(rows.runs["submitted_at"].to_physical()[0]), min(whole.end, rows.horizon))
    if room is None:
        room = first_room(fleet, lifecycle, laws, span)
    words = set(words_of(lifecycle))
    retrainings = fleet.retrainings(room, lifecycle.priority, words.pop() if len(words) == 1 else None)
    submissions = rows.runs.height
    return Prepared(
        scenario, lifecycle, fleet, laws, span, whole, room, rows.with_retrainings(retrainings, scenario), submissions
    )


def _whole(trace: Trace) -> Span:
    """Return the time of the whole workload, whatever a scenario makes of it, so that scenarios share the shocks in it."""
    submitted = runs_of(trace)["submitted_at"].to_physical()
    seen = trace.pipeline_runs["observed_until"].to_physical()
    first, *last = (column for column in (submitted.min(), submitted.max(), seen.max()) if isinstance(column, int))
    return Span(first, max(last))


def gpus_of(attempts: pl.DataFrame) -> Float64:
    """Return how many GPUs each attempt asks for, [A], whether its pool limits them or not."""
    return attempts["gpus"].fill_null(0.0).cast(pl.Float64).to_numpy()


def _charge(given: SimulationInput, attempts: pl.DataFrame) -> Int64:
    """Return the GPU-milliseconds that the attempts of each run hold if nothing interrupts them, [R]."""
    thousandths = np.where(given.attempt_class >= 0, np.rint(1000 * gpus_of(attempts)), 0).astype(np.int64)
    charge = np.zeros(len(given.run_submitted), np.int64)
    np.add.at(charge, attempts["run"].to_numpy(), given.attempt_hold // 1000 * thousandths // 1000)
    return charge

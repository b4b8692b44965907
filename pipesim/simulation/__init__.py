"""What-if simulation: a trace and a scenario in, a simulated trace and its figures out."""

from __future__ import annotations

import time

from pipesim.errors import RequestError
from pipesim.simulation.compilation import Compilation, compile_scenario
from pipesim.simulation.engine import Tell, Waiting
from pipesim.simulation.engines import DEFAULT, ENGINES, choose_engine, engine_named, load, make_ready
from pipesim.simulation.models.fleet import ModelSource
from pipesim.simulation.models.history import model_tables
from pipesim.simulation.models.plan import room_for_more
from pipesim.simulation.models.took_place import took_place
from pipesim.simulation.own_order import OwnOrderError
from pipesim.simulation.results import SimulationResult, to_trace
from pipesim.simulation.scenario import Scenario
from pipesim.simulation.scenario.file import load_scenario
from pipesim.simulation.summary import RunSummary, summarize
from pipesim.simulation.upkeep import NoRetrainingsLeftError
from pipesim.trace import Trace

__all__ = [
    "DEFAULT",
    "ENGINES",
    "ModelSource",
    "RunSummary",
    "Scenario",
    "SimulationResult",
    "Tell",
    "Waiting",
    "load_scenario",
    "make_ready",
    "simulate",
]


def simulate(
    trace: Trace,
    scenario: Scenario,
    *,
    replication: int = 0,
    history: Trace | None = None,
    engine: str | None = None,
    tell: Tell | None = None,
    source: ModelSource | None = None,
) -> SimulationResult:
    """Simulate the work of a trace on the platform and under the policy of a scenario.

    Args:
        trace: What is submitted: an observed trace to replay, or a synthetic one.
        scenario: The platform and the policy; its `workload` says where the caller took the trace from.
        replication: The number of the replication, which is recorded, and chooses the random numbers.
        history: What was observed, for estimates of the kind `history`; by default the trace itself.
        engine: One of `ENGINES`; by default the fastest that can run the scenario.
        tell: Called now and then with the share of the simulated time that has passed, 0..1.
        source: What is known of models, which a scenario with a lifecycle needs.

    Returns:
        The simulated trace, its summary, and warnings about what was left out or reinterpreted.

    Raises:
        EmptyTraceError: If there is nothing to simulate.
        RequestError: If the engine is unknown or cannot run the scenario, the trace cannot be simulated on this platform, or a
            user's own order raises or gives no number.
    """
    began = time.perf_counter()
    if engine is not None:
        engine_named(engine)  # before the work that would be in vain
    compiled = compile_scenario(trace, scenario, replication=replication, history=history, source=source)
    engine = choose_engine(engine, compiled.given.rules.own)
    load(engine, compiled.given)
    engine_seconds = 0.0
    while True:
        loop_began = time.perf_counter()
        try:
            schedule = engine_named(engine)(compiled.given, tell)
            break
        except OwnOrderError as error:
            raise _stopped(error, compiled, scenario) from error
        except NoRetrainingsLeftError as more:
            assert compiled.models is not None
            room = room_for_more(compiled.models.room, more)
        engine_seconds += time.perf_counter() - loop_began
        compiled = compile_scenario(trace, scenario, replication=replication, history=history, source=source, room=room)
    engine_seconds += time.perf_counter() - loop_began
    compiled, schedule = took_place(compiled, schedule)
    tables, warnings = model_tables(compiled, schedule, scenario)
    simulated = to_trace(compiled, schedule, scenario, tables)
    summary = summarize(
        compiled,
        schedule,
        scenario,
        simulated,
        replication=replication,
        engine=engine,
        engine_seconds=engine_seconds,
        began=began,
    )
    return SimulationResult(simulated, summary, (*compiled.warnings, *warnings))


def _stopped(error: OwnOrderError, compiled: Compilation, scenario: Scenario) -> RequestError:
    run_id, task_id, attempt = compiled.attempts.select("run_id", "task_id", "attempt").row(error.attempt)
    return RequestError(
        f"{scenario.policy.order} has no key for run {run_id!r} task {task_id!r} attempt {attempt}: {error.reason}",
        where="policy.order",
        remedy="let it return a number for every task",
    )

"""What-if simulation: a trace and a scenario in, a simulated trace and its figures out."""

from __future__ import annotations

import time

from pipesim.simulation.compilation import compile_scenario
from pipesim.simulation.engine import Tell
from pipesim.simulation.engines import DEFAULT, ENGINES, engine_named, make_ready
from pipesim.simulation.results import SimulationResult, to_trace
from pipesim.simulation.scenario import Scenario
from pipesim.simulation.scenario_file import load_scenario
from pipesim.simulation.summary import RunSummary, summarize
from pipesim.trace import Trace

__all__ = [
    "DEFAULT",
    "ENGINES",
    "RunSummary",
    "Scenario",
    "SimulationResult",
    "Tell",
    "load_scenario",
    "make_ready",
    "simulate",
]


def simulate(
    trace: Trace, scenario: Scenario, *, replication: int = 0, engine: str = DEFAULT, tell: Tell | None = None
) -> SimulationResult:
    """Simulate the work of a trace on the platform and under the policy of a scenario.

    Args:
        trace: What is submitted: an observed trace to replay, or a synthetic one.
        scenario: The platform and the policy; its `workload` says where the caller took the trace from.
        replication: The number of the replication, which is recorded.
        engine: One of `ENGINES`.
        tell: Called now and then with the share of the runs that have been submitted, 0..1.

    Returns:
        The simulated trace, its summary, and warnings about what was left out or reinterpreted.

    Raises:
        EmptyTraceError: If there is nothing to simulate.
        RequestError: If the engine is unknown, or the trace cannot be simulated on this platform.
    """
    began = time.perf_counter()
    run = engine_named(engine)
    compiled = compile_scenario(trace, scenario)
    make_ready(engine)
    loop_began = time.perf_counter()
    schedule = run(compiled.given, tell)
    engine_seconds = time.perf_counter() - loop_began
    simulated = to_trace(compiled, schedule, scenario)
    summary = summarize(
        compiled, schedule, simulated, replication=replication, engine=engine, engine_seconds=engine_seconds, began=began
    )
    return SimulationResult(simulated, summary, compiled.warnings)

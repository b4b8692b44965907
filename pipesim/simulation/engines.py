"""Which engines there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from pipesim.errors import RequestError
from pipesim.simulation.engine import Schedule, SimulationInput, Tell, Waiting
from pipesim.simulation.own_order import is_compiled
from pipesim.simulation.scenario import Scenario
from pipesim.simulation.scenario.policy import own_policy


class Engine(Protocol):
    """What simulates."""

    def __call__(self, given: SimulationInput, tell: Tell | None = None) -> Schedule:
        """Simulate from the first submission until nothing is left to happen."""


#: What is used where nobody says otherwise, and the order is not a plain Python function, which only `reference` can call.
DEFAULT = "compiled"


def _compiled(given: SimulationInput, tell: Tell | None = None) -> Schedule:
    from pipesim.simulation import compiled  # Numba and SimPy are imported only when they are used

    return compiled.run(given, tell)


def _reference(given: SimulationInput, tell: Tell | None = None) -> Schedule:
    from pipesim.simulation import reference

    return reference.run(given, tell)


ENGINES: dict[str, Engine] = {"compiled": _compiled, "reference": _reference}


def engine_named(name: str) -> Engine:
    """Return the engine of that name.

    Raises:
        RequestError: If there is none.
    """
    if name not in ENGINES:
        raise RequestError(f"there is no engine {name!r}", where="engine", remedy=f"choose from: {', '.join(ENGINES)}")
    return ENGINES[name]


def choose_engine(name: str | None, own: Callable[[Waiting], float] | None) -> str:
    """Return the name of the engine that is to run: that which is asked for, else the fastest that can.

    Args:
        name: One of `ENGINES`, or None.
        own: The user's own order, if that is the scenario's.
    """
    return name or (DEFAULT if own is None or is_compiled(own) else "reference")


def make_ready(name: str, scenarios: Iterable[Scenario], say: Callable[[str], None] | None = None) -> None:
    """Do what an engine needs once on a machine, so that it does not count as simulation, nor is done by each process.

    Args:
        name: The engine.
        scenarios: What it is to simulate.
        say: Called with a sentence if that takes seconds.
    """
    if name != "compiled":
        return
    from pipesim.simulation import compiled

    for part in sorted({_part_needed(scenario) for scenario in scenarios}):
        if say and not compiled.is_ready(part):
            say("compiling the engine, once on this machine")
        compiled.make_ready(part)


def load(name: str, given: SimulationInput) -> None:
    """Load what an engine needs for a simulation, so that it does not count as simulation."""
    if name == "compiled":
        from pipesim.simulation import compiled

        compiled.make_ready(compiled.part_of(given))


def _part_needed(scenario: Scenario) -> str:
    """Return which part of the compiled engine a scenario needs (see `compiled.PARTS`), as far as it alone tells."""
    policy = scenario.policy
    more = (
        policy.backfill in ("easy", "conservative"),
        policy.order in ("fair-share", "las") or own_policy(policy.order) is not None,
        policy.preemption or any(tenant.quota for tenant in policy.tenants),
        policy.retries.limit is not None or policy.retries.backoff_s,
        *((pool.nodes or pool.failures or pool.timetable or pool.autoscale) for pool in scenario.platform.pools),
    )
    return "rules" if any(more) else "plain" if scenario.lifecycle is None else "lifecycle"

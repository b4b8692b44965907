"""Which engines there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pipesim.errors import RequestError
from pipesim.simulation.engine import Schedule, SimulationInput, Tell


class Engine(Protocol):
    """What simulates."""

    def __call__(self, given: SimulationInput, tell: Tell | None = None) -> Schedule:
        """Simulate from the first submission until nothing is left to happen."""


#: What is used where nobody says otherwise.
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


def make_ready(name: str, say: Callable[[str], None] | None = None) -> None:
    """Do what an engine needs once on a machine, so that it does not count as simulation, nor is done by each process.

    Args:
        name: The engine.
        say: Called with a sentence if that takes seconds.
    """
    if name != "compiled":
        return
    from pipesim.simulation import compiled

    if say and not compiled.is_ready():
        say("compiling the engine, once on this machine")
    compiled.make_ready()

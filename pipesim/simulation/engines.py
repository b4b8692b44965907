"""Which engines there are."""

from __future__ import annotations

from collections.abc import Callable

from pipesim.errors import RequestError
from pipesim.simulation.engine import Schedule, SimulationInput

Engine = Callable[[SimulationInput], Schedule]


def _reference(given: SimulationInput) -> Schedule:
    from pipesim.simulation import reference  # SimPy is imported only when it is used

    return reference.run(given)


ENGINES: dict[str, Engine] = {"reference": _reference}


def engine_named(name: str) -> Engine:
    """Return the engine of that name.

    Raises:
        RequestError: If there is none.
    """
    if name not in ENGINES:
        raise RequestError(f"there is no engine {name!r}", where="engine", remedy=f"choose from: {', '.join(ENGINES)}")
    return ENGINES[name]

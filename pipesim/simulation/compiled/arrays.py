"""Arrays as the compiled engine takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipesim.simulation.engine import Int64, SimulationInput


def offsets(sizes: npt.NDArray[Any]) -> Int64:
    """Return where each of the parts of these sizes begins, and where the last ends."""
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)


def own(given: SimulationInput, values: npt.NDArray[Any], kind: type[Any]) -> Any:
    """Return an array that a simulation with an upkeep may change."""
    return plain(values, kind) if given.upkeep is None else plain(values, kind).copy()


def plain(values: npt.NDArray[Any], kind: type[Any]) -> Any:
    """Return an array of one kind and layout, as for each other one the loop would be compiled once more."""
    return np.require(values, kind, ["C", "W"])

"""A user's own order of service: a function or a class from an installed package or a file, named in the scenario.

It is given what a `Waiting` says and returns a number, the least of which goes first. A class is made once with the frame of
all attempts, and then called like a function. What `numba.njit` has compiled runs in both engines, what is plain Python only
in `reference`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from pipesim.errors import RequestError
from pipesim.simulation.engine import DIMENSIONS, SimulationInput, Waiting

_WHERE = "policy.order"


class OwnOrderError(Exception):
    """A user's order raised, or gave what is no number, for an attempt."""

    def __init__(self, attempt: int, reason: str) -> None:
        super().__init__(reason)
        self.attempt, self.reason = attempt, reason


def load_own_order(module: str, name: str, rows: pl.DataFrame) -> Callable[[Waiting], float]:
    """Return the function that a scenario names.

    Args:
        module: The dotted name of an installed module, or the path of a file that ends in .py.
        name: The function or class in it.
        rows: One row an attempt, with which a class is made.

    Raises:
        RequestError: If there is no such module, file or name, it cannot be imported or made, or it cannot be called.
    """
    try:
        found: Any = getattr(_import(module), name)
    except AttributeError as error:
        raise RequestError(f"{module} has no {name}", where=_WHERE, remedy="name a function or a class in it") from error
    if not callable(found):
        raise RequestError(f"{module}:{name} cannot be called", where=_WHERE, remedy="name a function or a class")
    if inspect.isclass(found):
        try:
            found = found(rows)  # type: ignore[call-arg]
        except Exception as error:  # whatever a user's own code raises
            raise RequestError(
                f"{module}:{name} cannot be made of a frame of attempts: {_words(error)}",
                where=_WHERE,
                remedy="let its __init__ take one Polars frame",
            ) from error
        if not callable(found):
            raise RequestError(f"{module}:{name} has no __call__", where=_WHERE, remedy="give it `__call__(self, task)`")
    order: Callable[[Waiting], float] = found
    return order


def is_compiled(order: Callable[[Waiting], float] | None) -> bool:
    """Whether an order is machine code."""
    return hasattr(order, "py_func")


def ask_own_order(order: Callable[[Waiting], float] | None, waiting: Waiting) -> float:
    """Return the key of an attempt.

    Raises:
        OwnOrderError: If the order raises, or gives no number.
    """
    assert order is not None
    try:
        key: Any = order(waiting)
    except Exception as error:  # whatever a user's own code raises
        raise OwnOrderError(waiting.row, _words(error)) from error
    try:
        number = float(key)
    except (TypeError, ValueError) as error:
        raise OwnOrderError(waiting.row, f"it gave {key!r}, which is no number") from error
    if math.isnan(number):
        raise OwnOrderError(waiting.row, "it gave NaN")
    return number


def waiting_of(given: SimulationInput, attempt: int, run: int, number: int, now: int, submitted: int, attained: int) -> Waiting:
    """Return what an order sees of an attempt, the `number`-th of its task, that is queued now; its run was submitted then."""
    origin = int(given.run_submitted[0])
    demand_class = given.attempt_class[attempt]
    estimate = given.attempt_hold if given.attempt_estimate is None else given.attempt_estimate
    gpus, cpu_cores, memory_bytes, slots = (
        [float(a) / unit for a, unit in zip(given.class_demand[demand_class], DIMENSIONS.values(), strict=False)] + [0.0] * 4
    )[:4]
    priority = 0.0 if given.run_priority is None else float(given.run_priority[run])
    return Waiting(
        attempt,
        (now - origin) / 1e6,
        (submitted - origin) / 1e6,
        float(number),
        priority,
        int(estimate[attempt]) / 1e6,
        gpus,
        cpu_cores,
        memory_bytes,
        slots,
        attained / 1e6,
    )


def _import(module: str) -> Any:
    try:
        if not module.endswith(".py"):
            return importlib.import_module(module)
        path = Path(module)
        if not path.is_file():
            raise RequestError(f"there is no file {module}", where=_WHERE, remedy="give its path from where pipesim runs")
        name = f"pipesim_own_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        sys.modules[name] = made
        spec.loader.exec_module(made)
    except RequestError:
        raise
    except Exception as error:  # whatever a user's own code raises
        raise RequestError(f"{module} cannot be imported: {_words(error)}", where=_WHERE, remedy="mend it") from error
    return made


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

"""How the functions of the engine are compiled: those that Python calls, and those that only they call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def entry(function: _Function) -> _Function:
    """Compile a function that Python calls; the machine code is kept on disk."""
    return cast(_Function, njit(cache=True, error_model="numpy")(function))


def inner(function: _Function) -> _Function:
    """Compile a function that only others here call: without a way in from Python, and kept only as a part of those."""
    compiled = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")(function)  # type: ignore[call-overload]
    return cast(_Function, compiled)

"""The scenario files that commands are given, each of which may be a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipesim.errors import PipesimError, RequestError
from pipesim.lake import Lake

if TYPE_CHECKING:
    from pipesim.experiments.sweeps import Sweep, Variant
    from pipesim.simulation import Scenario

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


def load_all(paths: list[Path]) -> list[Sweep]:
    """Load every scenario file before the first is run, so that all mistakes show at once."""
    from pipesim.experiments.sweeps import load_sweep

    return of_each(paths, load_sweep)


def variants_of(sweeps: list[Sweep]) -> list[list[Variant]]:
    """Return the scenarios of each file, or tell all mistakes in any of them."""
    return of_each(sweeps, lambda sweep: sweep.variants())


def of_each(files: Iterable[Asked], ask: Callable[[Asked], Answered]) -> list[Answered]:
    """Ask something of each file, and tell all mistakes in any of them."""
    found, problems = [], []
    for file in files:
        try:
            found.append(ask(file))
        except PipesimError as error:
            problems.append(str(error))
    if problems:
        raise RequestError("\n".join(problems))
    return found


def scenarios_of(variants: list[list[Variant]]) -> list[Scenario]:
    """Return the scenarios of all files, in order."""
    return [variant.scenario for of_file in variants for variant in of_file]


@contextmanager
def published(lake: Lake) -> Iterator[None]:
    """Publish at the end what was stored, also before a failure, which is told and not what it makes of publishing."""
    from pipesim.catalog import publish

    try:
        yield
    except BaseException:
        with suppress(PipesimError):
            publish(lake)
        raise
    publish(lake)

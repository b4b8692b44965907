"""The scenario files that commands are given, each of which may be a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipesim.errors import PipesimError, RequestError

if TYPE_CHECKING:
    from pipesim.experiments.sweeps import Sweep, Variant
    from pipesim.simulation import Scenario


def load_all(paths: list[Path]) -> list[Sweep]:
    """Load every scenario file before the first is run, so that all mistakes show at once."""
    from pipesim.experiments.sweeps import load_sweep

    loaded, problems = [], []
    for path in paths:
        try:
            loaded.append(load_sweep(path))
        except PipesimError as error:
            problems.append(str(error))
    if problems:
        raise RequestError("\n".join(problems))
    return loaded


def variants_of(sweeps: list[Sweep]) -> list[list[Variant]]:
    """Return the scenarios of each file, or tell all mistakes in any of them."""
    found, problems = [], []
    for sweep in sweeps:
        try:
            found.append(sweep.variants())
        except PipesimError as error:
            problems.append(str(error))
    if problems:
        raise RequestError("\n".join(problems))
    return found


def scenarios_of(variants: list[list[Variant]]) -> list[Scenario]:
    """Return the scenarios of all files, in order."""
    return [variant.scenario for of_file in variants for variant in of_file]

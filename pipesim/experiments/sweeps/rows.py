"""What the scenarios of sweeps have at the keys that are swept, as a table beside their figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import polars as pl

from pipesim.experiments.sweeps.sweep import Sweep
from pipesim.experiments_schema import SWEEPS
from pipesim.lake import Lake


def save_sweeps(lake: Lake, sweeps: Iterable[Sweep]) -> None:
    """Store what the scenarios of each sweep have at its keys; files of one scenario are left out."""
    for sweep in sweeps:
        if sweep.axes:
            lake.save_experiment(sweep.name, {SWEEPS.name: sweep_rows(sweep)})


def sweep_rows(sweep: Sweep) -> pl.DataFrame:
    """Return what the scenarios of a sweep have at its keys, as the table `sweeps`."""
    told = {axis.path: [(_told_value(value), _number(value)) for value in axis.values] for axis in sweep.axes}
    rows = [
        (sweep.name, name, axis.path, place, *told[axis.path][place])
        for number, name in enumerate(sweep.names)
        for axis, place in sweep.point(number)
    ]
    return pl.DataFrame(rows, schema=SWEEPS.polars_schema, orient="row")


def _told_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

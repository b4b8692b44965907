"""What came out, for people and for other tools: the figures of all runs, and what sweeps varied, as Parquet and CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from pipesim.experiments.replications import RunResult
from pipesim.experiments_schema import SWEEPS


def write_results(results: Sequence[RunResult], sweeps: Mapping[str, pl.DataFrame], folder: Path) -> None:
    """Write `summaries` (a row a run) and, where there is a sweep, `sweeps` (a row a scenario and key) into a new folder."""
    folder.mkdir()
    tables = {"summaries": pl.concat([result.summary.as_frame() for result in results])}
    if sweeps:
        tables[SWEEPS.name] = pl.concat(sweeps.values())
    for name, frame in tables.items():
        frame.rechunk().write_parquet(folder / f"{name}.parquet", compression="zstd")
        _flat(frame).write_csv(folder / f"{name}.csv")


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with its lists as JSON, as CSV has none."""
    nested = [name for name, kind in frame.schema.items() if kind.is_nested()]
    return frame.with_columns(
        pl.Series(name, [None if value is None else json.dumps(value.to_list()) for value in frame[name]], dtype=pl.String)
        for name in nested
    )

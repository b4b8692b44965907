"""A trace: the canonical tables of one observed, synthetic or simulated platform as Polars frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import duckdb
import polars as pl

from pipesim.schema import TRACE_TABLES

Origin = Literal["observed", "synthetic", "simulated"]


@dataclass(frozen=True)
class Violation:
    """A rule of the schema that some rows of a trace break."""

    table: str
    rule: str
    rows: int
    doc: str


@dataclass(frozen=True, eq=False)
class Trace:
    """The tables of one platform's history. Tables that are not given are empty; columns that are not given are NULL.

    A trace is equal to itself alone, so that what was worked out from it can be kept for it.

    Args:
        frames: Polars frames by table name (see `pipesim.schema.TRACE_TABLES`).
        origin: Whether the history was observed, synthesised or simulated.
        name: `observed`, the identifier of the synthetic trace, or the name of the scenario.
    """

    frames: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    origin: Origin = "observed"
    name: str = "observed"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.frames) - set(TRACE_TABLES))
        if unknown:
            raise KeyError(f"no such canonical table: {', '.join(unknown)}")
        whole = {
            name: table.conform(self.frames[name]) if name in self.frames else table.empty()
            for name, table in TRACE_TABLES.items()
        }
        object.__setattr__(self, "frames", whole)

    def __getitem__(self, table: str) -> pl.DataFrame:
        return self.frames[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self.frames)

    @property
    def pipeline_runs(self) -> pl.DataFrame:
        """One row a run."""
        return self.frames["pipeline_runs"]

    @property
    def task_runs(self) -> pl.DataFrame:
        """One row an attempt."""
        return self.frames["task_runs"]

    @property
    def task_edges(self) -> pl.DataFrame:
        """One row a dependency."""
        return self.frames["task_edges"]

    @property
    def pools(self) -> pl.DataFrame:
        """One row a pool and period of constant capacity."""
        return self.frames["pools"]

    def violations(self) -> list[Violation]:
        """Return the schema's rules that rows of this trace break, duplicate keys among them; none means valid."""
        found = []
        with duckdb.connect() as con:
            for name, table in TRACE_TABLES.items():
                frame = self.frames[name]
                if frame.is_empty():
                    continue
                con.register("rows_to_check", frame.to_arrow())
                counts = ", ".join(f"count(*) FILTER (WHERE NOT ({rule.sql}))" for rule in table.rules)
                broken = con.execute(f"SELECT {counts} FROM rows_to_check").fetchall()[0]
                found += [Violation(name, r.name, n, r.doc) for r, n in zip(table.rules, broken, strict=True) if n]
                con.unregister("rows_to_check")
                repeated = frame.height - frame.select(table.key).n_unique()
                if repeated:
                    found.append(Violation(name, "duplicate_key", repeated, f"{', '.join(table.key)} identify a row"))
        return found

    def save(self, directory: Path) -> None:
        """Write each table that has rows to `<directory>/<table>.parquet`; the lake does the same atomically."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, frame in self.frames.items():
            if frame.height:
                frame.write_parquet(directory / f"{name}.parquet")

    @classmethod
    def load(cls, directory: Path, origin: Origin = "observed", name: str = "observed") -> Trace:
        """Read what `save` wrote; tables without a file are empty."""
        files = {table: directory / f"{table}.parquet" for table in TRACE_TABLES}
        return cls({t: pl.read_parquet(f) for t, f in files.items() if f.is_file()}, origin, name)

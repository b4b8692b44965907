"""What tells whether two tables are the same: a hash of their bytes, and one of their values, however those are stored."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from pipesim.lake import Lake
from pipesim.schema import TRACE_TABLES

#: The tables of a simulated run. Its manifest is none of them: it says where the log came from, not what the log holds.
RUN_TABLES = (*TRACE_TABLES, "summaries")


class Digest(BaseModel):
    """What identifies a table.

    Args:
        sha256: Of the Parquet file; another version of Polars may write equal values as other bytes.
        values: SHA-256 of the names and kinds of the columns and of all values in their order.
    """

    model_config = ConfigDict(frozen=True)

    sha256: str
    values: str


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run_digests(lake: Lake, scenario: str, replication: int) -> dict[str, Digest]:
    """Return what identifies each table of a simulated run that has rows, by the table's name."""
    files = {table: lake.simulated_folder(table, scenario, replication) / f"{table}.parquet" for table in RUN_TABLES}
    return {
        table: Digest(sha256=sha256_of(file), values=hash_of_values(pl.read_parquet(file, hive_partitioning=False)))
        for table, file in files.items()
        if file.is_file()
    }


def hash_of_values(frame: pl.DataFrame) -> str:
    """Return the SHA-256 of what a frame holds: columns and rows in their order, of no kind but those that the lake has.

    It depends neither on how values are stored nor on how a frame is cut into chunks.
    """
    digest = hashlib.sha256()
    for column in frame.iter_columns():
        _add(digest, column)
    return digest.hexdigest()


def _add(digest: Any, column: pl.Series) -> None:
    """Add a column: its name, kind and length, where it is NULL, and its values, little-endian."""
    kind = _kind(column.dtype)
    digest.update(f"{len(column.name)}:{column.name} {kind} {len(column)}\n".encode())
    digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
    if kind == "struct":
        for field in column.struct.fields:
            _add(digest, column.struct.field(field))
    elif kind == "list":
        lengths = column.list.len().fill_null(0)
        digest.update(lengths.to_numpy().astype("<i8").tobytes())
        _add(digest, column.filter(lengths > 0).explode().alias(""))
    elif kind == "text":
        text = column.fill_null("")
        digest.update(text.str.len_bytes().to_numpy().astype("<i8").tobytes())
        digest.update((text.str.join("").item() or "").encode())
    else:
        values = column.to_physical().cast(pl.Float64 if kind == "number" else pl.Int64).fill_null(0)
        digest.update(values.to_numpy().astype("<f8" if kind == "number" else "<i8").tobytes())


def _kind(kind: pl.DataType) -> str:
    """Return a word for a type that is the same in all versions of Polars; instants are always in microseconds."""
    if kind.is_float():
        return "number"
    if kind.is_integer():
        return "whole"
    words = {pl.Struct: "struct", pl.List: "list", pl.String: "text", pl.Datetime: "instant", pl.Boolean: "truth"}
    return words[kind.base_type()]

"""The beginning of a file, by which a format recognises its own."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile, open_decompressed

_BYTES = 1 << 18
_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Recognised:
    """Why a file is of a format.

    Args:
        certainty: 3 for what only this format has, 2 for its usual columns or keys, 1 for what many logs have.
        why: What was seen, as the end of a sentence that begins with "it has".
    """

    certainty: int
    why: str


@dataclass(frozen=True)
class Head:
    """What the first 256 KiB of a file show, compression aside.

    Args:
        file: The file.
    """

    file: LogFile

    @cached_property
    def text(self) -> str:
        """The beginning as text, whatever bytes are none left out; empty for a binary file."""
        if self.file.format in ("parquet", "sqlite"):
            return ""
        with open_decompressed(self.file.path) as read_into:
            room = np.empty(_BYTES, np.uint8)
            return room[: read_into(room)].tobytes().decode("utf-8-sig", errors="ignore")

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines that are not blank, the last one perhaps cut short."""
        return tuple(line for line in self.text.splitlines() if line.strip())

    @cached_property
    def first_object(self) -> Mapping[str, Any] | None:
        """The JSON object of the first line, if it is one."""
        try:
            found = json.loads(self.lines[0]) if self.lines else None
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that a header line or a Parquet file names; none for JSON and databases."""
        if self.file.format == "parquet":
            import pyarrow.parquet as pq

            try:
                return tuple(pq.read_schema(self.file.path).names)
            except (OSError, ValueError) as error:
                raise FileError(
                    f"the Parquet file is damaged ({error})", where=self.file.name, remedy="write it again"
                ) from error
        if self.file.format != "csv" or not self.lines:
            return ()
        first = self.lines[0]
        try:
            return tuple(name.strip() for name in next(csv.reader([first], delimiter=max(_DELIMITERS, key=first.count))))
        except csv.Error:
            return ()

    @cached_property
    def tables(self) -> frozenset[str]:
        """The tables of a SQLite database."""
        if self.file.format != "sqlite":
            return frozenset()
        try:
            with closing(sqlite3.connect(f"{self.file.path.resolve().as_uri()}?mode=ro", uri=True)) as con:
                return frozenset(name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise FileError(f"the database cannot be read ({error})", where=self.file.name, remedy="copy it again") from error

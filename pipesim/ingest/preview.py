"""What an ingest would do, without doing it: the first rows as they would land, what would be refused, what nothing reads."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipesim.catalog import quote, quote_name
from pipesim.ingest.accounts import fresh
from pipesim.ingest.digest import digest_files
from pipesim.ingest.load import MEMORY_LIMIT
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.sources.base import Source
from pipesim.lake import Lake, connect
from pipesim.schema import TRACE_TABLES

_ROWS = 3


@dataclass(frozen=True)
class Preview:
    """What an ingest of some files would leave.

    Args:
        rows: For each table that would get rows, how many, and the first ones, without the columns that the log leaves out.
        refused: A row a rule: `stage`, `rule`, `lines`, and of the first line `file`, `line`, `detail` and `raw`.
        unused: For each file, the fields that nothing reads.
        unsaid: For each table that would get rows, the columns that stay NULL throughout.
        chosen: Why the files were read as they were, where nobody named their format.
    """

    rows: dict[str, tuple[int, pl.DataFrame]]
    refused: pl.DataFrame
    unused: dict[str, list[str]]
    unsaid: dict[str, list[str]]
    chosen: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return {
            "rows": {table: count for table, (count, _) in self.rows.items()},
            "first": {
                table: [{k: _plain(v) for k, v in row.items()} for row in f.to_dicts()] for table, (_, f) in self.rows.items()
            },
            "refused": self.refused.to_dicts(),
            "unused": self.unused,
            "unsaid": self.unsaid,
        }


def preview(lake: Lake, files: Sequence[LogFile], source: Source) -> Preview:
    """Read files as an ingest would, and tell what it would do; nothing is stored.

    Raises:
        FileError: If a file cannot be read at all.
    """
    source, files = source.among(files)
    files = fresh(files, {})  # the same bytes twice are read once
    with tempfile.TemporaryDirectory(prefix="pipesim-") as spill, connect(MEMORY_LIMIT) as con:
        con.execute(f"SET temp_directory = {quote(spill)}")
        accounts, _ = digest_files(con, lake, files, source)
        rows: dict[str, tuple[int, pl.DataFrame]] = {}
        unsaid: dict[str, list[str]] = {}
        for name, table in TRACE_TABLES.items():
            columns = [c.name for c in table.columns]
            said = ", ".join(f"count({quote_name(c)})" for c in columns)
            total, *counts = con.execute(f"SELECT count(*), {said} FROM final_{name}").fetchall()[0]
            if not total:
                continue
            known = [c for c, n in zip(columns, counts, strict=True) if n]
            unsaid[name] = [c for c in columns if c not in known]
            listed = ", ".join(map(quote_name, known))
            rows[name] = (total, con.sql(f"SELECT {listed} FROM final_{name} ORDER BY file_no, line LIMIT {_ROWS}").pl())
        names = ", ".join(f"({n}, {quote(file.name)})" for n, file in enumerate(files))
        first = ", ".join(f"arg_min({what}, (file_no, line)) AS {what}" for what in ("file", "line", "detail", "raw"))
        refused = con.sql(
            f"SELECT stage, rule, count(DISTINCT (file_no, line)) AS lines, {first} FROM rejected "
            f"JOIN (VALUES {names}) AS named(file_no, file) USING (file_no) GROUP BY stage, rule "
            "ORDER BY lines DESC, stage, rule"
        ).pl()
    return Preview(rows, refused, {a.file: a.unused for a in accounts if a.unused}, unsaid)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)

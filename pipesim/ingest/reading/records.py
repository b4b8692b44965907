"""Records: what every reader of tables gives, a relation of named fields with a row a line, and the lines that hold none.

Lines that are blank or a header are counted, not hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import pyarrow as pa

from pipesim.catalog import quote_name
from pipesim.errors import FileError
from pipesim.ingest.reading.files import Format
from pipesim.ingest.reading.lines import BadLine

Batch = TypeVar("Batch")
#: For each file, the fields that nobody asked for.
Unused = Mapping[int, frozenset[str]]

#: SQL for what a physical line may end in.
LINE_END = "chr(13) || chr(10)"
#: What columns are called that readers add, in lower case.
INTERNAL = frozenset({"#place", "#text", "#path", "#first", "file_row_number"})
#: How many records are looked at to learn what is in them.
FIRST = 1000
_SCAN_PIECES = 8


@dataclass(frozen=True)
class Form:
    """How the records of a file are written; files that differ only in where their headers stand can be read together.

    Args:
        format: The file's format.
        names: The fields that its records have; for JSON, where each line may differ, those that are wanted.
        types: For Parquet, the types of the fields.
        delimiter: For CSV, what separates them.
        header_line: For CSV, the line of the header; 0 where there is none.
    """

    format: Format
    names: tuple[str, ...]
    types: tuple[str, ...] = ()
    delimiter: str = ""
    header_line: int = field(default=0, compare=False)


class Select(Protocol):
    """See `Records`."""

    def __call__(self, fields: Sequence[str], numbers: frozenset[str] = frozenset()) -> str:
        """Return the SELECT."""


@dataclass(frozen=True)
class Records:
    """A batch of records of one file, or of several small ones.

    Args:
        select: Given names of fields, and which of them hold numbers, returns a SELECT of `"#place"` (BIGINT, see
            `pipesim.ingest.reading.places`), `"#text"` (the record as it stands in the file) and those fields under their own
            names; a field that holds anything else than what it is said to makes the SELECT fail, or is given as text.
        head: The same, for the first records only.
        fields: The fields' names as they stand in the file.
        lines: How many physical lines of each file the batch covers.
        blank_or_header: How many of them hold no record by intention.
        bad: The lines that should hold a record and do not, each with the stage at which it failed.
        unused: Returns the names of fields in the first records of each file that were not asked for.
        sift: Where lines have not been looked at yet, looks at them, and returns the batch without those that hold no record.
    """

    select: Select
    head: Select
    fields: Sequence[str]
    lines: Counter[int]
    blank_or_header: Counter[int] = field(default_factory=Counter)
    bad: list[tuple[str, BadLine]] = field(default_factory=list)
    unused: Callable[[], Unused] = dict
    sift: Callable[[], Records] | None = None


def refuse_internal(names: Sequence[str], where: str) -> None:
    """Refuse columns that are called as pipesim calls its own while it reads.

    Raises:
        FileError: If there is any.
    """
    if taken := [name for name in names if name.lower() in INTERNAL]:
        raise FileError(
            f"the column {', '.join(taken)} has a name that pipesim needs for itself", where=where, remedy="rename it"
        )


def column_select(source: str, fields: Sequence[str], numbers: frozenset[str] = frozenset()) -> str:
    """Return the SELECT of `Records` over a relation that has a column for each field."""
    names = "".join(f", {quote_name(name)}" for name in fields)
    return f'SELECT "#place", "#text"{names} FROM {source}'


def first_records(source: str) -> str:
    """Return SQL for the first records of a relation."""
    return f"(SELECT * FROM {source} LIMIT {FIRST})"


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Read one batch ahead in a thread: reading, decompressing and the database all run outside Python's lock."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def in_pieces(table: pa.Table) -> pa.Table:
    """Return a table in as many pieces as let several threads scan it."""
    step = max(1, -(-len(table) // _SCAN_PIECES))
    return pa.concat_tables([table.slice(start, step) for start in range(0, max(len(table), 1), step)])

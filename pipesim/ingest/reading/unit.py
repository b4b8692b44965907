"""Units: what a log counts by that is no table of rows, and the canonical records that each unit holds.

A unit is a line of text, a node of a document or a row of a database: whatever the log's format would call one entry. Units
are numbered from 1 in the order of the file and accounted for as lines are: each is valid, a duplicate, quarantined or blank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.lines import read_lines

#: What a field of a record may be; None says that the log did not say. An instant without a zone is of the log's own.
Value = str | int | float | bool | datetime | None
#: A row, or a part of one, of the canonical table that its field `table` names; the other fields are that table's columns.
Record = Mapping[str, Value]


@dataclass(frozen=True)
class Unit:
    """One entry of a log.

    Args:
        number: Its place in the file, from 1: the line's number where there are lines.
        raw: How it stands in the file, for the quarantine.
        records: What it says; none where it is a header, a comment or blank.
        problem: Why it cannot be read, as the name of a rule and a sentence; it is quarantined then, with all it holds.
        unused: Names of its fields that nothing reads.
        stage: Where the problem showed: `read` if it is not even text, else `parse`.
    """

    number: int
    raw: str
    records: Sequence[Record] = ()
    problem: tuple[str, str] | None = None
    unused: Sequence[str] = ()
    stage: str = "parse"


def line_units(file: LogFile, translate: Callable[[int, str], Unit]) -> Iterator[Unit]:
    """Yield a unit for each line of a text file.

    Args:
        file: A file of lines.
        translate: Gives the unit of a line, from its number and its text without the line end. A line that is no text, or
            blank, does not come to it.

    Raises:
        FileError: If compressed data turns out to be damaged or cut short.
    """
    for batch in read_lines(file):
        unread = {bad.place: bad for bad in batch.bad}
        for number, text in enumerate(batch.text.to_pylist(), batch.first):
            if bad := unread.get(number):
                yield Unit(number, bad.raw, problem=(bad.rule, bad.detail), stage="read")
            elif text.strip():
                yield translate(number, text.rstrip("\r\n"))
            else:
                yield Unit(number, text)

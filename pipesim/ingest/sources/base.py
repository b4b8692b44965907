"""What a log format has to say about itself: which canonical columns come out of which fields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipesim.ingest.mapping.shaping import Shape
from pipesim.ingest.reading.csv_records import Layout
from pipesim.ingest.reading.files import SUFFIXES, LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.reading.unit import Unit
from pipesim.ingest.typing import Field


@dataclass(frozen=True)
class Projection:
    """The rows of one canonical table that records hold.

    Args:
        table: The canonical table.
        fields: The canonical columns that the source can say; all others are NULL.
        where: An SQL condition over the record's fields that picks the records which hold such a row.
        event_at: The instant of the event that a record reports, where the format has one; it orders partial rows.
        identify: Whether `run_id` is made from the record's content because the log has no identifiers.
        summed: Whether rows of one key are parts of a whole, whose quantities add up, and not events of one thing.
    """

    table: str
    fields: Mapping[str, Field]
    where: str = "true"
    event_at: Field | None = None
    identify: bool = False
    summed: bool = False


class Source(ABC):
    """A log format.

    A source only declares: reading, typing, validation, folding and accounting are the same for all of them.
    """

    name: str
    description: str

    #: The zone of instants that name none.
    time_zone: str = "UTC"
    #: How the names of the files end that a folder stands for, compression aside.
    suffixes: frozenset[str] = SUFFIXES

    @abstractmethod
    def wanted_fields(self, file: LogFile) -> Sequence[str] | None:
        """Return the fields of a JSON record to extract, or None for a file whose own header says what there is."""

    @abstractmethod
    def projections(self, file: LogFile, present: Sequence[str]) -> Sequence[Projection]:
        """Return what a file's records hold, given the names of the fields that are present.

        Raises:
            FileError: If a field that every record must have is not there.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Return what, beside a file's bytes, decides on the rows that come out: name and configuration."""

    def units(self, file: LogFile) -> Iterator[Unit] | None:
        """Return a file's entries where the format is no table of rows, or None where `projections` reads the rows."""
        return None

    def layout(self, file: LogFile) -> Layout:
        """Return what is known of how a CSV file is written."""
        return Layout()

    def shape(self, file: LogFile) -> Shape | None:
        """Return what is to be done with a file's rows first, or None where they are read as they stand."""
        return None

    def among(self, files: Sequence[LogFile]) -> tuple[Source, list[LogFile]]:
        """Return the source, knowing what else lies there, and the files that are to be read."""
        return self, list(files)

    def recognise(self, head: Head) -> Recognised | None:
        """Return why a file is of this format, or None where it does not look like it."""
        return None

    def known_unused(self) -> frozenset[str]:
        """Return the fields that are deliberately not read, so that nobody is warned about them."""
        return frozenset()

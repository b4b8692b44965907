"""Formats whose entries are translated one by one into canonical records, as no SQL over their fields could tell what they say.

A format derives from `Translated` and gives the units of a file; typing, validation, folding and accounting are those of the
`native` source, whose records these are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.unit import Unit
from pipesim.ingest.sources.base import Projection, Source
from pipesim.ingest.sources.native import NATIVE_FIELDS, native_projections


class Translated(Source):
    """A log format that says of each entry what canonical records it holds."""

    def __init__(self, time_zone: str | None = None) -> None:
        self.time_zone = time_zone or "UTC"

    @abstractmethod
    def units(self, file: LogFile) -> Iterator[Unit]:
        """Yield every entry of a file, in order; the same ones whenever it is asked.

        Raises:
            FileError: If the file cannot be of this format.
        """

    def fingerprint(self) -> str:
        """Return the name and the zone."""
        return f"{self.name} {self.time_zone}"

    def wanted_fields(self, file: LogFile) -> Sequence[str]:
        """Return every canonical column."""
        return NATIVE_FIELDS

    def projections(self, file: LogFile, present: Sequence[str]) -> Sequence[Projection]:
        """Return one projection a table: a record says which it belongs to."""
        return native_projections('"table"', frozenset(present))

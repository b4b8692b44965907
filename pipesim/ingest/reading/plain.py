"""Plain batches: lines that provably need no closer look, as one stream for the database; see `plain_json`, `plain_csv`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain

import pyarrow as pa

from pipesim.ingest.reading.lines import LineBatch
from pipesim.ingest.reading.places import per_file

#: The rows of a plain batch, and how many lines of each file are none by intention.
PlainRows = tuple[pa.Table, Counter[int]]


class PlainStream:
    """The plain batches that a log begins with, as one stream that the database can work on with all its threads.

    Args:
        batches: The log's batches.
        convert: Gives the rows of a batch; None if it is not plain.
    """

    def __init__(
        self, batches: Iterator[LineBatch], convert: Callable[[LineBatch], tuple[pa.Table, Counter[int]] | None]
    ) -> None:
        self._batches = batches
        self._convert = convert
        self._next = next(batches, None)
        self._rows = convert(self._next) if self._next else None
        #: The rows of the first batch; None where it is not plain.
        self.first = self._rows[0] if self._rows else None
        #: How many lines have been streamed of each file, and how many of them are none by intention.
        self.lines: Counter[int] = Counter()
        self.aside: Counter[int] = Counter()

    def stream(self) -> pa.RecordBatchReader:
        """Return a reader of the rows, to be read once, which ends before the first batch that is not plain."""
        if self.first is None:
            raise ValueError("the log does not begin with a plain batch")
        return pa.RecordBatchReader.from_batches(self.first.schema, self._alike())

    def rest(self) -> Iterator[LineBatch]:
        """Return the batches that were not streamed."""
        return chain([self._next] if self._next else [], self._batches)

    def _alike(self) -> Iterator[pa.RecordBatch]:
        while self._next is not None and self._rows is not None:
            rows, aside = self._rows
            self.lines += per_file(self._next.places)
            self.aside += aside
            yield from rows.to_batches()
            self._next = next(self._batches, None)
            self._rows = self._convert(self._next) if self._next else None

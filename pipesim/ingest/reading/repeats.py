"""A quick first reading of a text log: its lines, and which of their keys come more than once.

Only the lines of repeated keys need be held in memory to be told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.lines import read_lines


def plain_lines(file: LogFile) -> Iterator[tuple[int, str]]:
    """Yield number and text, perhaps with a line end, of each line that is not blank and can be read as text."""
    for batch in read_lines(file):
        for number, text in enumerate(batch.text.to_pylist(), batch.first):
            if text and not text.isspace():
                yield number, text


class Keys:
    """The keys of a log's lines: eight bytes a line, whatever the keys are.

    A key is known by its hash. Two keys that share one would make each other look repeated, and a missing one present, which
    for 10 million keys happens once in 400,000 logs.

    Args:
        keys: The key of each line.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._hashes, counts = np.unique(np.fromiter(map(hash, keys), np.int64), return_counts=True)
        self._repeated = frozenset(self._hashes[counts > 1].tolist())

    def __contains__(self, key: str) -> bool:
        place = int(np.searchsorted(self._hashes, hash(key)))
        return place < len(self._hashes) and int(self._hashes[place]) == hash(key)

    @property
    def any_repeated(self) -> bool:
        """Whether a key comes more than once."""
        return bool(self._repeated)

    def repeated(self, key: str) -> bool:
        """Return whether a key comes more than once."""
        return hash(key) in self._repeated

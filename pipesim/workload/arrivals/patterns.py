"""How submissions follow each other within minutes: scripts submit at regular steps, which no cascade of chances does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipesim.workload.arrivals.clock import HOUR_US, Instants
from pipesim.workload.draws import expand
from pipesim.workload.part import Part

Counts = NDArray[np.int64]

#: A pattern covers half an hour: longer ones would copy the log, shorter ones lose what follows what.
LEVEL = 1
_WIDTH_US = HOUR_US // 2**LEVEL
#: More submissions tell no other patterns; the model would only grow.
_MOST = 100_000
#: A pattern is drawn among at least so many.
_CANDIDATES = 10


class Patterns(Part):
    """The submissions of the log in the half hours that have any.

    Attributes:
        size: How many submissions each has, ascending.
        offset: When each came, in units of the log's resolution since the half hour began; pattern after pattern.
    """

    size: tuple[int, ...] = Field(min_length=1)
    offset: tuple[int, ...] = Field(min_length=1)

    def place(self, rng: np.random.Generator, cell: Instants, counts: Counts, scale: float, resolution_us: int) -> Instants:
        """Return instants, in no order.

        Each half hour has the pattern of one of the log with about `counts / scale` submissions, of which as many are kept at
        random as it needs. Where it needs more, the pattern is stretched to them.

        Args:
            rng: The generator.
            cell: [c] Half hours since 1970.
            counts: [c] How many submissions each has, at least one.
            scale: What the rate of the log was multiplied by, at most 1.
            resolution_us: The unit of the offsets.
        """
        size, offset = np.asarray(self.size), np.asarray(self.offset)
        begins = np.cumsum(size) - size
        wanted = np.maximum(np.rint(counts / scale), 1)
        low = np.searchsorted(size, wanted, side="left")
        high = np.searchsorted(size, wanted, side="right")
        short = np.maximum(_CANDIDATES - (high - low), 0)
        low, high = np.maximum(low - short // 2 - short % 2, 0), np.minimum(high + short // 2, len(size))
        low = np.minimum(low, len(size) - 1)
        pattern = low + (rng.random(len(cell)) * np.maximum(high - low, 1)).astype(np.int64)

        enough = size[pattern] >= counts
        owner, at = expand(size[pattern[enough]])
        kept = _some(rng, owner, counts[enough])
        few = [
            (np.flatnonzero(enough)[owner[kept]], offset[begins[pattern[enough]][owner[kept]] + at[kept]].astype(np.float64))
        ]
        owner, at = expand(counts[~enough])
        if len(owner):
            mine, total = pattern[~enough][owner], counts[~enough][owner]
            place = (at + rng.random(len(at))) * size[mine] / total
            index = np.minimum(place.astype(np.int64), size[mine] - 1)
            here = offset[begins[mine] + index]
            after = np.where(index + 1 < size[mine], offset[np.minimum(begins[mine] + index + 1, len(offset) - 1)], here)
            few.append((np.flatnonzero(~enough)[owner], here + (place - index) * (after - here)))
        where, offsets = (np.concatenate(parts) for parts in zip(*few, strict=True))
        return np.asarray(cell[where] * _WIDTH_US + np.floor(offsets).astype(np.int64) * resolution_us)


def fit_patterns(submitted: Instants, resolution_us: int) -> Patterns:
    """Return the patterns of a log; of one with over 100,000 submissions, those of evenly spread half hours.

    Args:
        submitted: Sorted submission instants, at least one.
        resolution_us: Of which they are whole multiples.
    """
    cell, first, size = np.unique(submitted // _WIDTH_US, return_index=True, return_counts=True)
    kept = np.arange(len(cell))
    if len(submitted) > _MOST:
        kept = np.unique(np.linspace(0, len(cell) - 1, max(1, len(cell) * _MOST // len(submitted))).astype(np.int64))
    order = kept[np.argsort(size[kept], kind="stable")]
    owner, at = expand(size[order])
    offsets = (submitted % _WIDTH_US // resolution_us)[first[order][owner] + at]
    return Patterns(size=tuple(size[order].tolist()), offset=tuple(offsets.tolist()))


def _some(rng: np.random.Generator, owner: Counts, wanted: Counts) -> Counts:
    """Return the rows that are kept: as many of each owner, at random, as are wanted."""
    order = np.lexsort((rng.random(len(owner)), owner))
    begins = np.searchsorted(owner, np.arange(len(wanted)))
    return np.sort(order[np.arange(len(owner)) - begins[owner] < wanted[owner]])

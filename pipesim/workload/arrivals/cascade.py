"""Where in its hour each submission lies: a binary cascade, which is bursty on every scale from an hour to a second."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipesim.workload.arrivals.clock import HOUR_US, SECOND_US, Instants, resolution
from pipesim.workload.arrivals.patterns import LEVEL, Patterns, fit_patterns
from pipesim.workload.part import Part

Counts = NDArray[np.int64]

LEVELS = 12
_CELLS = 2**LEVELS
#: A cell of 2, 3-4, 5-8, 9-16, 17-32, 33-64, or more submissions.
_BIN_ENDS = np.array([2, 4, 8, 16, 32, 64])
_BINS = len(_BIN_ENDS) + 1
_ALPHAS = np.geomspace(0.02, 200.0, 50)
#: Fewer cells tell no alpha of their own.
_FEWEST_CELLS = 20


class Cascade(Part):
    """How the submissions of an hour fall into its halves, these into theirs, and so on, 12 times.

    Of n submissions in a cell the left half has Binomial(n, p), p ~ Beta(a, a), with `a` by the level and by n: small where
    submissions come in bursts, large where halves are alike. Inside the last cells, of 0.9 s, they are uniform. With patterns
    it ends at half hours, which have the patterns of half hours of the log.
    """

    alphas: tuple[tuple[float, ...], ...] = Field(min_length=LEVELS, max_length=LEVELS, description="[level][bin of n].")
    resolution_us: int = Field(ge=1, le=60 * SECOND_US, description="Instants are rounded down to whole multiples of this.")
    patterns: Patterns | None = None

    def spread(self, rng: np.random.Generator, hours: Instants, counts: Counts, scale: float) -> Instants:
        """Return the instants of submissions, ascending.

        A log of `scale` times the rate has cells as uneven as those that were fitted, with `scale` times the submissions; so
        `a` goes by n / scale. Beyond the log's rate patterns tell nothing: their chance would be multiplied too.

        Args:
            rng: The generator.
            hours: [h] Hours since 1970.
            counts: [h] How many submissions each has.
            scale: What the rate of the log was multiplied by.
        """
        if self.patterns is not None and scale <= 1.0:
            cell, counts = self._halve(rng, hours, counts, scale, LEVEL)
            return np.sort(self.patterns.place(rng, cell, counts, scale, self.resolution_us))
        cell, counts = self._halve(rng, hours, counts, scale, LEVELS)
        cell = np.repeat(cell, counts)
        within = (cell % _CELLS + rng.random(len(cell))) * (HOUR_US / _CELLS)
        instants = cell // _CELLS * HOUR_US + within.astype(np.int64)
        return np.asarray(np.sort(instants // self.resolution_us * self.resolution_us))

    def _halve(
        self, rng: np.random.Generator, cell: Instants, counts: Counts, scale: float, levels: int
    ) -> tuple[Instants, Counts]:
        """Return the cells of a level that have submissions, and how many."""
        table = np.array(self.alphas)
        for level in range(levels):
            some = counts > 0
            cell, counts = cell[some], counts[some]
            alpha = table[level, bins(counts / scale)]
            left = rng.binomial(counts, rng.beta(alpha, alpha))
            cell = np.stack([2 * cell, 2 * cell + 1], axis=1).ravel()
            counts = np.stack([left, counts - left], axis=1).ravel()
        return cell[counts > 0], counts[counts > 0]


def fit_cascade(submitted: Instants) -> Cascade:
    """Return the cascade of a log, by maximum likelihood of the symmetric beta-binomial law on a grid of `a`.

    A bin of n with under 20 cells on a level has the `a` of all cells of that level; a level with under 20 cells is even.

    Args:
        submitted: Sorted submission instants, at least one.
    """
    step = resolution(submitted)
    return Cascade(
        alphas=tuple(_level(*splits(submitted, level)[1:]) for level in range(LEVELS)),
        resolution_us=step,
        patterns=fit_patterns(submitted, step),
    )


def splits(submitted: Instants, level: int) -> tuple[NDArray[np.int64], Counts, Counts]:
    """Return the cells of a level that hold two submissions or more: the first of these, how many are in the left half, n.

    Args:
        submitted: Submission instants, ascending; the first of a cell is an index into these.
        level: 0 for the hour, 1 for its halves, and so on.
    """
    finest = submitted // HOUR_US * _CELLS + submitted % HOUR_US * _CELLS // HOUR_US
    half = finest >> (LEVELS - 1 - level)
    cell = half >> 1
    first = np.flatnonzero(np.diff(cell, prepend=cell[:1] - 1))
    total = np.diff(first, append=len(cell))
    left = np.add.reduceat(1 - half % 2, first) if len(first) else total
    several = total > 1
    return first[several], left[several], total[several]


def _level(left: Counts, total: Counts) -> tuple[float, ...]:
    """Return the `a` of each bin of n."""
    overall = _likeliest(left, total) if len(total) >= _FEWEST_CELLS else float(_ALPHAS[-1])
    of_bin = bins(total)
    mine = [of_bin == b for b in range(_BINS)]
    return tuple(_likeliest(left[m], total[m]) if np.count_nonzero(m) >= _FEWEST_CELLS else overall for m in mine)


def _likeliest(left: Counts, total: Counts) -> float:
    from scipy.special import betaln

    pairs, weights = np.unique(np.stack([np.minimum(left, total - left), total]), axis=1, return_counts=True)
    a = _ALPHAS[:, None]
    log_likelihood = (betaln(pairs[0] + a, pairs[1] - pairs[0] + a) - betaln(a, a)) @ weights
    return float(_ALPHAS[int(np.argmax(log_likelihood))])


def bins(counts: NDArray[np.number]) -> NDArray[np.int64]:
    """Return the bin of each n."""
    return np.searchsorted(_BIN_ENDS, counts, side="left")

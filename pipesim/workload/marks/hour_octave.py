"""Marks by how busy the hour is: they keep the coupling of work with arrivals, and need no day of the log."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipesim.workload.arrivals.clock import HOUR_US, Submissions
from pipesim.workload.laws.law import Floats
from pipesim.workload.marks.combinations import Combinations
from pipesim.workload.marks.drawn import Indices, Marks
from pipesim.workload.marks.source_runs import SourceRuns
from pipesim.workload.part import Part

#: Runs of one session follow each other, so that many neighbours are drawn at once.
_BLOCK = 10
#: That one hour has a run and the next has three is chance, and would end blocks: the octaves below this one are told by days.
_QUIET_OCTAVE = 3


class HourOctaveMarks(Part):
    """Blocks of 10 runs of any hours of the log that had as many runs as this one, within a factor of two.

    Hours of under eight runs are as busy as their days, so that in a log of few runs an hour blocks are neighbours of the log.

    Attributes:
        octave: Of each run, that of its hour (`octaves`).
    """

    kind: Literal["hour-octave"] = "hour-octave"
    runs: SourceRuns
    octave: tuple[int, ...]

    def sample(self, rng: np.random.Generator, submissions: Submissions, combinations: Combinations) -> Marks:
        """Return the marks of submissions."""
        of_run = np.asarray(self.octave, dtype=np.int64)
        pool = np.argsort(of_run, kind="stable")
        known, begins = np.unique(of_run[pool], return_index=True)
        sizes = np.diff(np.append(begins, len(pool)))
        mine = octaves(submissions.instants // HOUR_US, submissions.scale)
        # A busier or quieter hour than any of the log has the marks of the busiest or quietest.
        at = np.minimum(np.searchsorted(known, mine), len(known) - 1)
        lower = np.maximum(at - 1, 0)
        at = np.where(mine - known[lower] < known[at] - mine, lower, at)
        begin = np.flatnonzero(np.append(True, np.diff(at) != 0))[: len(at)]
        length = np.diff(np.append(begin, len(at)))
        within = np.arange(len(at)) - np.repeat(begin, length)
        head = np.flatnonzero(within % _BLOCK == 0)
        first = (rng.random(len(head)) * sizes[at[head]]).astype(np.int64)
        row = np.repeat(first, np.diff(np.append(head, len(at)))) + within % _BLOCK
        source = pool[begins[at] + row % sizes[at]]
        return Marks(np.asarray(self.runs.combination, dtype=np.int64)[source], source)


def octaves(hour: Indices, scale: float) -> Indices:
    """Return for each run how busy its hour is at scale 1.

    That is the octave of the hour's number of runs, the whole part of its base-2 logarithm. In an hour of under eight runs it
    is that of the mean hour of the day, 2 at most.

    Args:
        hour: The hour of each run, ascending.
        scale: What the rate was multiplied by.
    """
    own, of_day = (_octaves_of(hour // span, span * scale) for span in (1, 24))
    return np.where(own >= _QUIET_OCTAVE, own, np.minimum(of_day, _QUIET_OCTAVE - 1))


def _octaves_of(period: Indices, unit: float) -> Indices:
    """Return for each run the octave of the runs of its period, counted in a unit."""
    _, place, counts = np.unique(period, return_inverse=True, return_counts=True)
    levels: Floats = np.floor(np.log2(counts / unit))
    return levels.astype(np.int64)[place]

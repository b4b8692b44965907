"""What changes the capacity of pools from outside of the simulation: timetables, and nodes that break.

It does not depend on what the engines do, so both read the same calendar, stretch by stretch, as far as they get.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipesim.streams import stream

#: An instant, or an amount, beyond all others.
LATER = int(np.iinfo(np.int64).max)

#: What happens: a pool changes its size, a node breaks, a node works again.
RESIZE, BREAK, REPAIR = range(3)

_HOUR = 3_600_000_000
#: 1970-01-05, a Monday, 0:00 UTC, from which periods count.
MONDAY = 4 * 24 * _HOUR
_FIRST_STRETCH = 7 * 24 * _HOUR


@dataclass(frozen=True)
class Changes:
    """A stretch of the calendar: C changes in order of time, then of pools, then of nodes.

    Args:
        at: [C] Instant.
        what: [C] `RESIZE`, `BREAK` or `REPAIR`.
        place: [C] The pool that changes its size, or the node.
        size: [C] The new size of a pool, in thousandths; else 0.
        until: The instant up to which these are all; `LATER` if no more come.
    """

    at: npt.NDArray[np.int64]
    what: npt.NDArray[np.int8]
    place: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]
    until: int


@dataclass(frozen=True)
class Steps:
    """A step function of time.

    Args:
        from_us: From when on, in microseconds from the beginning of the period, or of the simulation without one.
        value: Which value.
        period_us: After how long it begins again, counted from a Monday, 0:00 UTC; 0: never.
    """

    from_us: tuple[int, ...]
    value: tuple[float, ...]
    period_us: int

    @classmethod
    def of_hours(cls, hours: Sequence[float], values: Sequence[float], period_h: float | None) -> Steps:
        """Return the steps of a scenario file."""
        return cls(tuple(round(h * _HOUR) for h in hours), tuple(values), round((period_h or 0) * _HOUR))

    def between(self, origin: int, after: int, until: int) -> list[tuple[int, float]]:
        """Return the steps at instants in (after, until], for a simulation that begins at `origin`."""
        if not self.period_us:
            return [(origin + f, v) for f, v in zip(self.from_us, self.value, strict=True) if after < origin + f <= until]
        first, last = ((at - MONDAY) // self.period_us for at in (after, until))
        found = []
        for number in range(first, last + 1):
            begin = MONDAY + number * self.period_us
            found += [(begin + f, v) for f, v in zip(self.from_us, self.value, strict=True) if after < begin + f <= until]
        return found

    def at(self, origin: int, instant: int) -> float | None:
        """Return the value at an instant; None before the first step."""
        elapsed = (instant - MONDAY) % self.period_us if self.period_us else instant - origin
        passed = [v for f, v in zip(self.from_us, self.value, strict=True) if f <= elapsed]
        return passed[-1] if passed else None


@dataclass(frozen=True)
class Breakdowns:
    """The failures of the nodes of a pool.

    Args:
        pool: The name of the pool, which names the random stream.
        nodes: Their numbers.
        mtbf_us: Mean time from a repair to the next failure.
        repair_us: Mean time from a failure to its repair.
    """

    pool: str
    nodes: range
    mtbf_us: float
    repair_us: float


@dataclass(frozen=True)
class Calendar:
    """All that is to come. It has no state: the same stretch is the same changes for whoever asks.

    Args:
        origin: The first submission.
        timetables: The steps of a pool, in sizes of thousandths, by its number.
        breakdowns: Which nodes break.
        seed: The root seed of the failures.
        replication: The number of the replication.
    """

    origin: int
    timetables: dict[int, Steps]
    breakdowns: tuple[Breakdowns, ...] = ()
    seed: int = 0
    replication: int = 0

    def stretch(self, number: int) -> Changes:
        """Return one stretch after the other, each as long as all before it together, from number 0 on.

        The first begins at the first submission, with the size that each timetable gives there.
        """
        after = self.origin - 1 if number == 0 else self._end(number - 1)
        until = self._end(number)
        found: list[tuple[int, int, int, int]] = []
        for pool, steps in self.timetables.items():
            if number == 0 and (size := steps.at(self.origin, self.origin)) is not None:
                found.append((self.origin, RESIZE, pool, round(size)))
            found += [
                (at, RESIZE, pool, round(size)) for at, size in steps.between(self.origin, max(after, self.origin), until)
            ]
        for breakdowns in self.breakdowns:
            for node in breakdowns.nodes:
                found += [change for change in self._failures(breakdowns, node, until) if after < change[0] <= until]
        found.sort()
        columns = np.array(found, np.int64).reshape(-1, 4).T.copy()
        ends = LATER if self._is_last(until) else until
        return Changes(columns[0], columns[1].astype(np.int8), columns[2], columns[3], ends)

    def _end(self, number: int) -> int:
        return int(self.origin + min(_FIRST_STRETCH * 2**number, LATER // 2))

    def _is_last(self, until: int) -> bool:
        ends = all(not s.period_us and self.origin + s.from_us[-1] <= until for s in self.timetables.values())
        return not self.breakdowns and ends

    def _failures(self, of: Breakdowns, node: int, until: int) -> list[tuple[int, int, int, int]]:
        """Draw the failures and repairs of a node from the beginning on."""
        draws = stream(self.seed, "failures", of.pool, node - of.nodes.start, self.replication)
        found: list[tuple[int, int, int, int]] = []
        at, works = float(self.origin), True
        while True:
            at += max(1.0, math.ceil(draws.exponential(of.mtbf_us if works else of.repair_us)))
            if at > until:
                return found
            found.append((int(at), BREAK if works else REPAIR, node, 0))
            works = not works

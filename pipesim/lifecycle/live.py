"""Live measurements of performance as arrays, and the error that they have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipesim.lifecycle.metrics import Floats

Indices = npt.NDArray[np.int64]
#: Median absolute value of a standard normal number.
_MEDIAN_ABSOLUTE = 0.6745


def sums(group: Indices, values: Floats, groups: int) -> Floats:
    """Return the sum of each group's values."""
    return np.bincount(group, values, groups).astype(np.float64)


@dataclass(frozen=True)
class Live:
    """Live measurements of performance, by version and time: R rows, I increments between neighbours, M models.

    Args:
        model: [R] The model, 0..M - 1.
        version: [R] The version; its rows stand together.
        days: [R] Days since the version's deployment, ascending.
        value: [R] What was measured.
        models: M.
    """

    model: Indices
    version: Indices
    days: Floats
    value: Floats
    models: int

    @cached_property
    def first(self) -> Indices:
        """[I] The row at which each increment, from one measurement of a version to the next, begins."""
        return np.flatnonzero(self.version[1:] == self.version[:-1])

    @cached_property
    def owner(self) -> Indices:
        """[I] The model of each increment."""
        return self.model[self.first]

    @cached_property
    def gap(self) -> Floats:
        """[I] The days that each increment takes."""
        return -self.fall(self.days)

    @cached_property
    def increments(self) -> Indices:
        """[M] How many increments each model has."""
        return np.bincount(self.owner, minlength=self.models)

    @cached_property
    def observed_days(self) -> Floats:
        """[M] How many days each model's increments take together."""
        return sums(self.owner, self.gap, self.models)

    @cached_property
    def longest(self) -> Floats:
        """[M] The days from the first to the last measurement of each model's longest observed version."""
        longest = np.zeros(self.models)
        np.maximum.at(longest, self.model, self.days - self.days[self._begins][self._place])
        return longest

    @cached_property
    def _begins(self) -> Indices:
        return np.flatnonzero(np.append(True, self.version[1:] != self.version[:-1]))

    @cached_property
    def _place(self) -> Indices:
        return np.repeat(np.arange(len(self._begins)), np.diff(self._begins, append=len(self.version)))

    def fall(self, column: Floats) -> Floats:
        """Return by how much a column, [R], falls in each increment, [I]."""
        return np.asarray(column[self.first] - column[self.first + 1])

    def within(self, column: Floats) -> Floats:
        """Return a column, [R], less its mean over each version."""
        mean = np.bincount(self._place, column) / np.bincount(self._place)
        return np.asarray(column - mean[self._place])

    def total(self, column: Floats) -> Floats:
        """Return the sum of a column, [R], over each model, [M]."""
        return sums(self.model, column, self.models)

    def together(self) -> Live:
        """Return the same measurements as those of one model."""
        return Live(np.zeros_like(self.model), self.version, self.days, self.value, 1)


def noise_sd(live: Live, residual: Floats) -> float:
    """Return the standard deviation of a measurement's error, the same for all models; 0 if nothing tells of it.

    It comes from how far a measurement is from the line through its neighbours, which no steady loss changes; where no version
    has three, from how increments differ. Shocks are outliers: after the median absolute deviation, the root mean square of
    what is within four deviations is taken, three times. It is at least the error of the log's rounding.

    Args:
        live: The measurements.
        residual: [R] They themselves, or what a fit leaves of them.
    """
    middle = np.flatnonzero(live.version[2:] == live.version[:-2]) + 1
    middle = middle[live.days[middle + 1] > live.days[middle - 1]]
    if len(middle):
        weight = (live.days[middle + 1] - live.days[middle]) / (live.days[middle + 1] - live.days[middle - 1])
        off = residual[middle] - weight * residual[middle - 1] - (1 - weight) * residual[middle + 1]
        off = np.abs(off) / np.sqrt(1 + weight**2 + (1 - weight) ** 2)
    else:
        falls = live.fall(residual)
        off = np.abs(falls - np.median(falls)) / np.sqrt(2)
    sd = float(np.median(off)) / _MEDIAN_ABSOLUTE
    for _ in range(3 if sd > 0 else 0):
        sd *= float(np.sqrt(np.mean((off[off <= 4 * sd] / sd) ** 2)))
    return max(sd, _resolution(live.value) / 12**0.5)


def _resolution(values: Floats) -> float:
    """Return the step of the decimal scale that values are rounded to, 0 if they are not, or all are the same."""
    if values.min() == values.max():
        return 0.0
    off = ((digits, float(np.abs(np.round(values, digits) - values).max())) for digits in range(1, 7))
    return next((10.0**-digits for digits, most in off if most < 1e-9), 0.0)

"""A sample divided at random into halves: what laws are fitted to, and what they are judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipesim.workload.laws.binned import Binned, Flags, bin_edges, bin_rows
from pipesim.workload.laws.closed_forms import Floats
from pipesim.workload.laws.families import Fitted
from pipesim.workload.laws.law import FamilyLaw, MixtureLaw
from pipesim.workload.laws.mixture import Mixture
from pipesim.workload.laws.resolution import share_tied
from pipesim.workload.laws.tail import largest

_JUDGED_ROWS = 10_000
_MATERIAL_TIES = 0.05


@dataclass(frozen=True)
class Halves:
    """A sample, and how its halves are binned.

    Attributes:
        unit: Binned values were divided by it.
        zero: Probability of the atom at zero, of which the binned counts know nothing.
        maximum: Where draws have to end.
        held_out: The rows of the second half on which distances are measured, ascending, and which of them are censored.
        train_rows: The first half, likewise, zeros included.
    """

    values: Floats
    censored: Flags
    resolution: float | None
    unit: float
    zero: float
    maximum: float
    whole: Binned
    train: Binned
    test: Binned
    train_rows: tuple[Floats, Flags]
    held_out: tuple[Floats, Flags]

    def law(self, fitted: Fitted | Mixture) -> FamilyLaw | MixtureLaw:
        """Return the law to draw from; where rows are censored it does not end below its own .99 quantile."""
        maximum = self.maximum
        if self.censored.any():
            uncut = fitted.law(self.unit, maximum=1e300, zero=0.0)
            maximum = max(maximum, float(uncut.quantile(np.array([0.99]))[0]))
        return fitted.law(self.unit, maximum, self.zero, self.resolution)


def split(values: Floats, censored: Flags, resolution: float | None, rng: np.random.Generator) -> Halves:
    """Divide the rows (ascending) into halves at random, and bin them."""
    # Where hardly any values are equal, rounding does not matter, and zeros are not what is left of small values.
    unit_of_ties = resolution if share_tied(values[~censored]) >= _MATERIAL_TIES else None
    rounded = unit_of_ties is not None
    first = rng.random(len(values)) < 0.5
    kept = np.ones(len(values), dtype=bool) if rounded else values > 0
    positive = values[values > 0]
    unit = float(positive[len(positive) // 2])
    edges = bin_edges(values[kept], unit_of_ties) / unit
    middles = (values + (unit_of_ties or 0.0) / 2) / unit

    def binned(rows: Flags) -> Binned:
        return bin_rows(middles[rows], censored[rows], edges)

    second = np.flatnonzero(~first)
    if len(second) > _JUDGED_ROWS:
        second = np.sort(rng.choice(second, _JUDGED_ROWS, replace=False))
    maximum, _ = largest(values, censored)
    # A lower bound of zero says nothing, least of all that the value is zero.
    zero = 0.0 if rounded else float(np.mean((values == 0) & ~censored))
    return Halves(
        values, censored, resolution, unit, zero, maximum,
        whole=binned(kept), train=binned(kept & first), test=binned(kept & ~first),
        train_rows=(values[first], censored[first]), held_out=(values[second], censored[second]),
    )  # fmt: skip

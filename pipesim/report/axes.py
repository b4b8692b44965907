"""Axes for figures by their kind: times in the unit in which they read best, shares in percent, amounts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from pipesim.report.marks import time_axis
from pipesim.report.words import Kind

if TYPE_CHECKING:
    import altair as alt

#: Times that differ by more than this factor are drawn on a scale that is logarithmic beyond a second.
_WIDE = 30
#: How far below the least value such a scale reaches, as a factor.
_ROOM = 4
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class Ruler:
    """How the values of a figure are laid out along an axis.

    Args:
        kind: What the values are.
        low: The lower end of the axis.
        high: The upper end.
        wide: Whether it is logarithmic beyond one, as times are that differ by orders of magnitude.
    """

    kind: Kind
    low: float
    high: float
    wide: bool

    @classmethod
    def of(cls, values: pl.Series, ends: pl.Series, kind: Kind, *, zero: bool = True) -> Ruler:
        """Return that of some values, one of which at least is not NULL.

        Args:
            values: What is drawn.
            ends: The ends of intervals; on a scale that is logarithmic, those far below all values are cut off.
            kind: What they are.
            zero: Whether the axis begins at zero; else it begins near the least value.
        """
        known, all_known = values.drop_nulls(), pl.concat([values, ends]).drop_nulls()
        least, most = float(all_known.min()), float(all_known.max())  # type: ignore[arg-type]
        first = float(known.min())  # type: ignore[arg-type]
        if kind == "time" and first >= 0 and most > _WIDE * max(first, 1.0):
            return cls(kind, first / _ROOM if first > _ROOM else 0.0, 1.25 * most, wide=True)
        margin = 0.06 * (most - least) or 0.06 * abs(most) or 1.0
        low = min(least - margin * (least < 0), 0.0) if zero else least - margin
        return cls(kind, low, most + margin, wide=False)

    def place(self, value: float) -> float:
        """Return where a value lies on the axis, from 0 to 1, where what is cut off lies at the ends."""

        def across(one: float) -> float:
            return math.copysign(math.log1p(abs(one)), one) if self.wide else one

        place = (across(value) - across(self.low)) / (across(self.high) - across(self.low))
        return min(max(place, 0.0), 1.0)

    def scale(self) -> alt.Scale:
        """Return the scale of the axis."""
        import altair as alt

        if self.wide:
            return alt.Scale(type="symlog", constant=1, nice=False, domain=[self.low, self.high])
        return alt.Scale(nice=False, zero=False, domain=[self.low, self.high])

    def axis(self) -> alt.Axis:
        """Return the axis itself, with its ticks and their words."""
        import altair as alt

        if self.kind == "time":
            if self.wide:
                return time_axis(pl.Series([self.low, self.high]), zero=self.low == 0)
            return _linear_times(self.low, self.high)
        if self.kind == "share":
            return alt.Axis(format="~%", tickCount=5)
        return alt.Axis(format="~s" if self.high >= 10_000 else ",.3~f", tickCount=5)


def _linear_times(low: float, high: float) -> alt.Axis:
    import altair as alt

    size, word = next(((size, word) for size, word in _UNITS if max(high, -low) >= 2 * size), _UNITS[-1])
    step = _step((high - low) / size / 4)
    ticks = [round(n * step * size, 6) for n in range(math.ceil(low / size / step), math.floor(high / size / step) + 1)]
    return alt.Axis(values=ticks, labelExpr=f"format(datum.value / {size}, '~g') + ' {word}'", labelOverlap="greedy")


def _step(rough: float) -> float:
    """Return the round number next to a step between ticks: 1, 2, 5 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return power * min((1, 2, 5, 10), key=lambda digit: abs(math.log(rough / power / digit)))

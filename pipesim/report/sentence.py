"""The sentence that answers which retraining strategy to use, and what one more point of performance costs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from pipesim.report.series import label_of
from pipesim.report.strategies import Spending, Strategies
from pipesim.report.words import listed

_STEPS = 4
# Performances that lie closer together, in points, are told with one more digit.
_CLOSE = 0.5


@dataclass(frozen=True)
class _Corner:
    """A point of the frontier; several strategies may stand there.

    Args:
        members: Their names.
        place: Its performance and spending, in brackets.
    """

    members: tuple[str, ...]
    place: str
    points: float
    spent: float

    @property
    def names(self) -> str:
        return listed(self.members, "or")

    @property
    def full(self) -> str:
        return f"{self.names} {self.place}"

    def price(self, before: _Corner) -> float:
        return (self.spent - before.spent) / (self.points - before.points)


def answer(strategies: Strategies) -> str:
    """Return the sentence; empty where there are no strategies.

    It goes along the corners of the frontier's upper hull: from each strategy to the one that then sells further points
    cheapest, so that the price of a point rises from step to step. For what a point is worth to the reader, the last strategy
    whose price he would pay is the best of all.
    """
    total = strategies.rows.height
    known = strategies.rows.filter(pl.col("spent").is_not_null()).height
    if not total:
        return ""
    if not known:
        best = strategies.rows.row(0, named=True)
        which = "The only strategy" if total == 1 else f"Of {total:,} strategies, the best"
        return (
            f"{which} is {label_of(best['scenario'])} ({best['points']:.1f} points); what a further point costs cannot be "
            "told, as it is not known what retraining spends."
        )
    corners = _hull(strategies)
    if known == 1:
        only = "Only one strategy has been simulated" if total == 1 else f"Of {total:,} strategies, only one tells its spending"
        return f"{only}, {corners[0].full}; what a further point costs, a comparison with others would tell."
    among = f"Of {known:,} strategies{'' if known == total else ' that tell their spending'}, "
    efficient = strategies.rows.filter("is_efficient").height
    if efficient == known and len(corners) == 1:
        return f"{among}none is better than another: all come to the same {corners[0].place}."
    if len(corners) == 1:
        equal = f"{listed(corners[0].members)}, which come to the same, are"
        which = f"{corners[0].names} is" if efficient == 1 else equal
        return f"{among}only {which} worth considering {corners[0].place}: no other performs better, and none spends less."
    return (
        f"{among}{efficient:,} are worth considering: {_walk(corners, strategies.spending)}; choose the last whose price of a "
        "point you would pay."
    )


def _walk(corners: list[_Corner], spending: Spending) -> str:
    """Return the steps from the cheapest corner to the dearest; of many only the first three and the last."""
    steps = list(pairwise(corners))
    parts = []
    for number, (before, after) in enumerate(steps, start=1):
        price = spending.amount(after.price(before))
        target = after.full if number == len(steps) else after.names
        if number == 1:
            parts.append(f"from {before.full} to {target} one more point costs {price} {spending.span}")
        elif number < _STEPS or len(steps) == _STEPS:
            parts.append(f"on to {target} {price}")
        elif number == len(steps):
            parts.append(f"at last from {before.names} to {target} {price}")
    return listed(parts)


def _hull(strategies: Strategies) -> list[_Corner]:
    efficient = strategies.rows.filter("is_efficient").select("scenario", "spent", "points")
    places: dict[tuple[float, float], list[str]] = {}
    for name, spent, points in efficient.iter_rows():
        places.setdefault((spent, points), []).append(label_of(name))
    reached = [points for _, points in places]
    digits = 1 if max(reached) - min(reached) >= _CLOSE or len(reached) == 1 else 2
    hull: list[_Corner] = []
    for (spent, points), names in sorted(places.items()):
        place = f"({points:.{digits}f} points, {strategies.spending.text(spent)})"
        corner = _Corner(tuple(sorted(names)), place, points, spent)
        while len(hull) > 1 and corner.price(hull[-1]) <= hull[-1].price(hull[-2]):
            hull.pop()
        hull.append(corner)
    return hull

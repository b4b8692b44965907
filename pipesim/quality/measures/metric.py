"""What a metric is: a name, a goal, words for people who know no statistics, and a pure function of two excerpts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pipesim.quality.days import FEWEST_DAYS, days_drawn
from pipesim.quality.excerpt import Excerpt
from pipesim.quality.goal import NO_GOAL, Goal

#: Values of a metric by the part of the trace that each is of; a metric of the trace as a whole has one, with an empty name.
Parts = Mapping[str, float]


class CannotTellError(Exception):
    """What is compared does not say what a metric asks of it; the message is the reason, for the report."""


@dataclass(frozen=True)
class Metric:
    """A way to compare an excerpt with the real one.

    Args:
        name: Its name among the scores.
        title: What it is called in a table, with the unit where there is one.
        compute: From the real excerpt and the other one; raises `CannotTellError`.
        goal: What is good enough for the mean over seeds; without ends the metric is a detail, which is not judged.
        stretch: What would be better still.
        says: What a value means, a clause that begins a sentence.
        real_says: What the value of real days beside real days means, the clause after it.
        perfect: The value of equal excerpts.
        noise: From the real excerpt alone, one draw of how far real is from real. By default the metric of it and of another
            one whose days are drawn from it at random, working days from working days, weekends from weekends.
        two_sided: Whether values lie on both sides of the perfect one, so that real days are told by how far they spread.
    """

    name: str
    title: str
    compute: Callable[[Excerpt, Excerpt], Parts]
    goal: Goal = NO_GOAL
    stretch: Goal = NO_GOAL
    says: Callable[[float], str] = "{:.3g}".format
    real_says: Callable[[float], str] = "{:.3g}".format
    perfect: float = 0.0
    noise: Callable[[Excerpt, np.random.Generator], Parts] | None = None
    two_sided: bool = False

    def floor(self, real: Excerpt, rng: np.random.Generator) -> Parts:
        """Return one draw of how far real is from real.

        Raises:
            CannotTellError: If the log does not tell.
        """
        if self.noise is not None:
            return self.noise(real, rng)
        if len(real.days) < FEWEST_DAYS:
            raise CannotTellError(f"the log has fewer than {FEWEST_DAYS} days, so they cannot be put in another order")
        return self.compute(real, real.reordered(days_drawn(real.days, rng)))

    def words(self, value: float, floor: float | None, floor_sd: float | None) -> str:
        """Return one sentence on a value and on how different real days are from each other."""
        real = floor
        if self.two_sided and floor is not None:
            real = float(np.hypot(floor - self.perfect, floor_sd or 0.0))
        return self.says(value) + (f"; {self.real_says(real)}." if real is not None else ".")


def whole(value: float) -> Parts:
    """Return the value of a metric that looks at the trace as a whole."""
    return {"": value}


def times(log_ratio: float) -> str:
    """Return a factor in words, from its logarithm."""
    factor = float(np.exp(min(abs(log_ratio), 700.0)))
    return f"{factor:.3g} times" if factor < 1000 else f"{factor:.0e} times"


def percent(share: float) -> str:
    """Return a share in words."""
    return f"{100 * share:.3g} %"

"""Goals: the range in which a number is good enough."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Goal:
    """A range in which a number is good enough; without ends, no goal.

    Args:
        low: The least that is good enough, if there is a least.
        high: The most that is good enough, if there is a most.
        floors: How many noise floors are good enough where that is more than `high`, or where there is no `high`.
    """

    low: float | None = None
    high: float | None = None
    floors: float = 0.0

    def at(self, floor: float | None) -> Goal:
        """Return the goal once its noise floor is known, or known to be unknown, if it goes by that."""
        if not self.floors:
            return self
        ends = [end for end in (self.high, None if floor is None else self.floors * floor) if end is not None]
        return replace(self, high=max(ends, default=None), floors=0.0)

    def met(self, value: float) -> bool:
        """Tell whether a number is in the range."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    @property
    def words(self) -> str:
        """The goal in words; empty where there is none."""
        if self.low is not None and self.high is not None:
            return f"{self.low:.4g} to {self.high:.4g}"
        if self.low is not None:
            return f"at least {self.low:.4g}"
        return f"at most {self.high:.4g}" if self.high is not None else ""


NO_GOAL = Goal()

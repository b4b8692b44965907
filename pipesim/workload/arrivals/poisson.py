"""Arrivals at one rate: the baseline that knows no rhythm."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import Field

from pipesim.workload.arrivals.clock import DAY_US, HOURS_OF_WEEK, Submissions, microseconds
from pipesim.workload.laws.law import Floats
from pipesim.workload.part import Part


class PoissonArrivals(Part):
    """A homogeneous Poisson process."""

    kind: Literal["poisson"] = "poisson"
    runs_per_hour: float = Field(ge=0)

    def weekly_rates(self) -> Floats:
        """Return the submissions per hour of each hour of the week, [168] from Monday 00:00."""
        return np.full(HOURS_OF_WEEK, self.runs_per_hour)

    def expected_runs(self, days: float, scale: float) -> float:
        """Return the expected number of arrivals."""
        return self.runs_per_hour * 24 * days * scale

    def sample(self, rng: np.random.Generator, start: datetime, days: float, scale: float) -> Submissions:
        """Return the submissions in [start, start + days)."""
        begin, length = microseconds(start), round(days * DAY_US)
        count = rng.poisson(self.expected_runs(days, scale))
        instants = np.sort(begin + rng.integers(0, max(length, 1), size=count))
        return Submissions(instants, begin // DAY_US, None, scale)

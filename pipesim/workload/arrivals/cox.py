"""What arrivals by days have in common: hourly intensities, a Poisson number of submissions, and a cascade within the hour."""

from __future__ import annotations

import numpy as np

from pipesim.workload.arrivals.cascade import Cascade
from pipesim.workload.arrivals.clock import HOUR_US, Instants
from pipesim.workload.arrivals.days import Days, SourceDays
from pipesim.workload.laws.law import Floats
from pipesim.workload.part import Part


class CoxArrivals(Part):
    """A Cox process whose intensities come from the days of a log.

    Attributes:
        source: The days that were fitted.
        cascade: Spreads an hour's submissions.
    """

    source: SourceDays
    cascade: Cascade

    def weekly_rates(self) -> Floats:
        """Return the mean submissions per hour of each hour of the week, [168] from Monday 00:00."""
        return self.source.weekly_rates()

    def expected_runs(self, days: float, scale: float) -> float:
        """Return the expected number of arrivals, the weekdays weighted equally."""
        return float(np.mean(self.weekly_rates())) * 24 * days * scale


def submissions(
    rng: np.random.Generator, cascade: Cascade, horizon: Days, intensity: Floats, scale: float, begin: int, end: int
) -> Instants:
    """Return the instants, in [begin, end), of a Cox process.

    Args:
        rng: The generator.
        cascade: Spreads an hour's submissions.
        horizon: [D] Days since 1970.
        intensity: [D, 24] Expected submissions in each hour at scale 1.
        scale: Multiplies them.
        begin: The first instant, in microseconds since 1970.
        end: The instant after the last.
    """
    hours = np.repeat(horizon * 24, 24) + np.tile(np.arange(24), len(horizon))
    needed = (hours >= begin // HOUR_US) & (hours * HOUR_US < end)
    counts = rng.poisson(intensity.ravel()[needed] * scale)
    instants = cascade.spread(rng, hours[needed], counts, scale)
    return np.asarray(instants[(instants >= begin) & (instants < end)])

"""When the reference platform's runs are submitted: a weekly rhythm, days that differ, and bursts within the hour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipesim.sample import truth
from pipesim.streams import stream


def submission_times_ms(seed: int, days: int) -> NDArray[np.int64]:
    """Return the milliseconds from `truth.START` at which runs are submitted, ascending."""
    counts = stream(seed, "sample", "hour-counts").poisson(hourly_intensity(seed, days))
    return _spread_within_hours(stream(seed, "sample", "cascade"), counts)


def hourly_intensity(seed: int, days: int) -> NDArray[np.float64]:
    """Return the expected runs of each of the `24 * days` hours, given the day factors that the seed draws."""
    hours = np.arange(24 * days)
    profile = truth.hour_of_week_profile()[hours % 168]
    return truth.RUNS_PER_HOUR * profile * np.repeat(_day_factors(seed, days), 24)


def _day_factors(seed: int, days: int) -> NDArray[np.float64]:
    phi, sd = truth.DAY_AR_COEFFICIENT, truth.DAY_LOG_SD
    shocks = stream(seed, "sample", "days").standard_normal(days) * sd
    logs = np.empty(days)
    for day in range(days):
        logs[day] = shocks[day] if day == 0 else phi * logs[day - 1] + np.sqrt(1 - phi**2) * shocks[day]
    return np.exp(logs - sd**2 / 2)


def _spread_within_hours(rng: np.random.Generator, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return sorted instants (ms) for the counts of consecutive hours, by the cascade of `truth.CASCADE_ALPHA`."""
    cell = np.flatnonzero(counts)
    inside = counts[cell]
    for alpha in truth.CASCADE_ALPHA:
        left = rng.binomial(inside, rng.beta(alpha, alpha, cell.size))
        cell = np.stack([2 * cell, 2 * cell + 1], axis=1).ravel()
        inside = np.stack([left, inside - left], axis=1).ravel()
        cell, inside = cell[inside > 0], inside[inside > 0]
    width_ms = 3_600_000 / 2 ** len(truth.CASCADE_ALPHA)
    start_ms = np.repeat(cell, inside) * width_ms
    return np.sort(np.floor(start_ms + rng.random(start_ms.size) * width_ms).astype(np.int64))

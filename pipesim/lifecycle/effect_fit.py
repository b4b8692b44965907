"""Fitting what compress and harden tasks and the amount of data change, from versions measured before and after."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipesim.lifecycle.effects import Effects
from pipesim.lifecycle.live import Indices
from pipesim.lifecycle.metrics import LATENCY, PERFORMANCE, ROBUSTNESS, SIZE, Floats, to_latent
from pipesim.words import count

Flags = npt.NDArray[np.bool_]

#: With fewer versions the published figures stay.
MIN_VERSIONS = 10
#: With so many, data that do not help can be told from too few of them.
MANY_VERSIONS = 100
#: Pruning levels this near to each other are one.
_SAME_LEVEL = 0.02
#: How many standard errors the effect of data must be away from 0.
_SIGNIFICANT = 3.0
_PUBLISHED = Effects()


def fit_effects(first: Floats, last: Floats, compressed: Flags, hardened: Flags, exponent: float) -> tuple[Effects, list[str]]:
    """Return what later tasks change, and where the log is too thin for that.

    Args:
        first: [V, 5] Metrics before.
        last: [V, 5] Metrics after; NaN where they were not measured again.
        compressed: [V] Whether a compress task succeeded in between.
        hardened: [V] Whether a harden task did.
        exponent: The effect of data, as `fit_exponent` returns it.
    """
    before, after = to_latent(first), to_latent(last)
    level = np.where(compressed, -np.expm1(np.minimum(after[:, SIZE] - before[:, SIZE], 1.0)), 0.0)
    pruned = compressed & (level > 0) & (level < 1)
    gain = last[:, PERFORMANCE] - first[:, PERFORMANCE]
    notes = []
    if larger := int(np.sum(compressed & ~np.isnan(level) & ~pruned)):
        notes.append(f"{count(larger, 'version is', 'versions are')} not smaller, or empty, after compress tasks: not counted")
    effects = Effects()
    alone = pruned & ~hardened & ~np.isnan(gain)
    if alone.sum() >= MIN_VERSIONS:
        ratio = np.exp(np.clip(after[:, LATENCY] - before[:, LATENCY], -50.0, 50.0))
        effects = _pruning(level[pruned], np.where(alone, gain, np.nan)[pruned], ratio[pruned], notes)
    else:
        notes.append(f"{count(int(alone.sum()), 'version')} measured before and after compress tasks alone: published effects")
    learnt = {"learning_exponent": exponent}
    rest = gain - np.interp(level, effects.level, effects.performance)
    way = (last - first)[:, ROBUSTNESS] / np.where(first[:, ROBUSTNESS] < 1, 1 - first[:, ROBUSTNESS], np.nan)
    of_performance = rest[hardened & (pruned | ~compressed) & ~np.isnan(rest)]
    of_robustness = way[hardened & ~np.isnan(way)]
    for name, values, low in (("harden_gain", of_robustness, 0.0), ("harden_performance", of_performance, -1.0)):
        if len(values) >= MIN_VERSIONS:
            learnt[name] = min(max(float(np.median(values)), low), 1.0)
        else:
            notes.append(f"{count(len(values), 'version')} to tell of {name.replace('_', ' ')}: published effect")
    return effects.model_copy(update=learnt), notes


def _pruning(level: Floats, gain: Floats, ratio: Floats, notes: list[str]) -> Effects:
    """Return what pruning changes by level, and how often each level was chosen.

    Args:
        level: [P] The levels of pruned versions.
        gain: [P] What was added to performance; NaN where that is not known of pruning alone.
        ratio: [P] What latency was multiplied by; NaN where not known.
        notes: What fell short is appended.
    """
    ordered = np.sort(level)
    starts = [0]
    while (end := int(np.searchsorted(ordered, ordered[starts[-1]] + _SAME_LEVEL, side="right"))) < len(ordered):
        starts.append(end)
    cluster = np.searchsorted(ordered[starts], level, side="right") - 1
    levels = np.array([float(np.median(level[cluster == c])) for c in range(len(starts))])
    latency = _by_level(cluster, levels, ratio, 1.0)
    if np.sum(~np.isnan(ratio)) < MIN_VERSIONS:
        latency = np.interp(levels, _PUBLISHED.level, _PUBLISHED.latency)
        notes.append("too few latencies were measured before and after compress tasks: published effect")
    return Effects(
        level=(0.0, *levels.tolist()),
        performance=(0.0, *_by_level(cluster, levels, gain, 0.0).tolist()),
        size=(1.0, *(1 - levels).tolist()),
        latency=(1.0, *latency.tolist()),
        used=tuple(levels.tolist()),
        weight=tuple(np.bincount(cluster).tolist()),
    )


def _by_level(cluster: Indices, levels: Floats, values: Floats, at_zero: float) -> Floats:
    """Return the median of what is known at each level, and what lies between where nothing is."""
    known = ~np.isnan(values)
    told = np.unique(cluster[known])
    medians = [float(np.median(values[known & (cluster == c)])) for c in told]
    return np.interp(levels, [0.0, *levels[told]], [at_zero, *medians])


def fit_exponent(model: Indices, performance: Floats, data: Floats) -> tuple[float, list[str]]:
    """Return the power of the amount of data by which the error falls, and what the log does not tell.

    The logarithm of the error is regressed on that of the data, within models: error = a data^-exponent (Hestness et al., arXiv
    1712.00409, 2017).

    Args:
        model: [V] The model of each version.
        performance: [V] Its performance after training; NaN where not known.
        data: [V] What its training read; NaN where not known.
    """
    known = ~np.isnan(performance) & ~np.isnan(data)
    _, place, versions = np.unique(model[known], return_inverse=True, return_counts=True)
    both = np.log(np.stack([data[known], np.maximum(1 - performance[known], 1e-4)]))
    x, y = (row - (np.bincount(place, row) / versions)[place] if len(versions) else row for row in both)
    free = len(x) - len(versions) - 1
    variation = float(np.sum(x * x))
    if free >= MIN_VERSIONS and variation > 1e-9:
        slope = float(np.sum(x * y)) / variation
        error = np.sqrt(float(np.sum((y - slope * x) ** 2)) / free / variation)
        if -slope > _SIGNIFICANT * error:
            return min(-slope, 1.0), []
        if len(x) >= MANY_VERSIONS:
            return 0.0, []
    exponent = _PUBLISHED.learning_exponent
    return exponent, [
        f"{count(len(x), 'version')} cannot tell what more data does: the error falls with the power {-exponent:g} of it"
    ]

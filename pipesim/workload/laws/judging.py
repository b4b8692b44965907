"""How far laws are from rows that they were not fitted to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipesim.workload.laws.binned import Flags
from pipesim.workload.laws.closed_forms import Floats
from pipesim.workload.laws.law import Law, kaplan_meier

Cdf = Callable[[Floats], Floats]
#: Mean of the largest absolute value of a Brownian bridge: two samples of one law lie about this x sqrt(1/n + 1/m) apart.
_BRIDGE = 0.8687
_HAIR = 1e-9
#: Quantiles that capacity is planned by, of which a distance on the probability scale says little.
_UPPER: Floats = np.array([0.9, 0.95, 0.99])
#: So many rows have to be expected beyond a quantile for their number to be nearly normal; a product-limit needs four times
#: as many.
_FEWEST_BEYOND = 5
#: The two-sided 95 % quantile of the normal law.
_NORMAL = 1.96


def noise_floor(fitted: int, held_out: int) -> float:
    """Return the mean Kolmogorov-Smirnov distance between two samples of one law."""
    return _BRIDGE * float(np.sqrt(1 / fitted + 1 / held_out))


def ks_distance(values: Floats, censored: Flags, cdf: Cdf, resolution: float | None = None) -> float:
    """Return the Kolmogorov-Smirnov distance between a law and rows that it was not fitted to.

    Where some are censored, it is that to their Kaplan-Meier estimate in the weighting of Hall and Wellner, which varies as
    much as the distance without censored rows. Where values are rounded, it is taken at the ends of their intervals.
    """
    points, after = kaplan_meier(values, censored)
    before = np.concatenate([[0.0], after[:-1]])
    weight = _hall_wellner(values, censored, points, before, after)
    weight_before = np.concatenate([[1.0], weight[:-1]])
    end = points * (1 + _HAIR) if resolution is None else points + resolution * (1 - _HAIR)
    reached = np.where(points > 0, cdf(points * (1 - _HAIR)), 0.0)
    return float(max(np.max(weight * np.abs(after - cdf(end))), np.max(weight_before * np.abs(before - reached))))


def _hall_wellner(values: Floats, censored: Flags, points: Floats, before: Floats, after: Floats) -> Floats:
    """Return the weight of each point of a Kaplan-Meier estimate, 1 where nothing is censored.

    Late points of the estimate rest on few rows. Weighted by 1 / ((1 + n sigma^2) S), with S the survival and sigma^2
    Greenwood's sum, the largest distance has the law that it has without censored rows (Hall and Wellner, 1980), so that
    the same threshold serves.
    """
    if not censored.any():
        return np.ones(len(points))
    at_risk = len(values) - np.searchsorted(np.sort(values), points, side="left")
    survival = 1.0 - after
    hazard = 1.0 - survival / (1.0 - before)
    open_ended = survival > 1e-12  # beyond the last exact row the sum is infinite: the weight before it is kept
    terms = np.divide(hazard, at_risk * (1.0 - hazard), out=np.zeros(len(points)), where=open_ended)
    weight = np.divide(1.0, (1.0 + len(values) * np.cumsum(terms)) * survival, out=np.zeros(len(points)), where=open_ended)
    if not open_ended[-1]:
        weight[-1] = weight[-2] if len(weight) > 1 else 1.0
    return weight


def same_law(a: Floats, b: Floats) -> float:
    """Return the probability that two samples (ascending) of one law differ by more: the Kolmogorov-Smirnov test.

    The distribution is the asymptotic one with the correction of Stephens (1970). Equal values make the test a little more
    reluctant to tell samples apart.
    """
    from scipy import special

    few, many = (a, b) if len(a) <= len(b) else (b, a)
    # Between two points of the smaller sample its distribution function stands still, so the largest distance is at a point.
    distance = 0.0
    for side in ("left", "right"):
        gaps = np.searchsorted(few, few, side=side) / len(few) - np.searchsorted(many, few, side=side) / len(many)
        distance = max(distance, float(np.max(np.abs(gaps))))
    root = np.sqrt(len(a) * len(b) / (len(a) + len(b)))
    return float(special.kolmogorov((root + 0.12 + 0.11 / root) * distance))


def tail_is_right(values: Floats, censored: Flags, law: Law, resolution: float | None = None) -> bool:
    """Return whether a law has as many rows beyond its .9, .95 and .99 quantiles as it says, within 95 % limits each.

    The rows are those that the law was fitted to, which makes the test reluctant. Where some are censored, shares are those of
    the Kaplan-Meier estimate with Greenwood's variance (1926). Quantiles that fewer than five rows are expected beyond, or
    where some are censored fewer than twenty are left at, are not asked for.

    Args:
        values: Non-negative finite numbers.
        censored: Where the truth is only known to be larger.
        law: What they are said to come from.
        resolution: The unit that values were rounded down to.
    """
    points, cdf = kaplan_meier(values, censored)
    at_risk = len(values) - np.searchsorted(np.sort(values), points, side="left")
    survival = 1.0 - cdf
    hazard = np.clip(1.0 - survival / np.concatenate([[1.0], survival[:-1]]), 0.0, 1.0 - 1e-12)
    greenwood = np.cumsum(hazard / (at_risk * (1.0 - hazard)))
    at = law.quantile(_UPPER)
    said = law.cdf(at * (1 + _HAIR) if resolution is None else at + resolution * (1 - _HAIR))
    place = np.searchsorted(points, at * (1 + _HAIR), side="right") - 1
    left = at_risk[place] / 4 if censored.any() else len(values) * (1 - said)
    asked = (place >= 0) & (said < 1) & (left >= _FEWEST_BEYOND)
    place, said = place[asked], said[asked]
    # Greenwood's sum is that of the rows; without censored ones the law's own share gives the binomial variance.
    variance = (1 - said) ** 2 * np.maximum(greenwood[place], said / (1 - said) / len(values))
    return bool(np.all(np.abs(cdf[place] - said) <= _NORMAL * np.sqrt(variance)))


def anderson_darling(values: Floats, cdf: Cdf, resolution: float | None = None) -> float:
    """Return the statistic A squared of a sample (ascending, without censored rows); infinite where rows are impossible.

    Of Anderson and Darling (1952); for rounded values that of Choulakian, Lockhart and Stephens (1994).
    """
    n = len(values)
    if resolution is None:
        p = cdf(values)
        odd = 2 * np.arange(1, n + 1) - 1
        with np.errstate(divide="ignore"):
            return float(-n - np.sum(odd * (np.log(p) + np.log1p(-p[::-1]))) / n)
    points, counts = np.unique(values, return_counts=True)
    model = cdf(points + resolution * (1 - _HAIR))
    if np.any((model[:-1] <= 0) | (model[:-1] >= 1)):
        return float("inf")
    z = (np.cumsum(counts) / n - model)[:-1]
    return float(n * np.sum(z**2 * np.diff(model[:-1], prepend=0.0) / (model[:-1] * (1 - model[:-1]))))

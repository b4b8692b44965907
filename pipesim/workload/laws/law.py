"""Laws of one non-negative quantity (seconds, bytes, rows): each is its quantile function, so that sampling is one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipesim.workload.part import Part

Floats = NDArray[np.float64]

#: Probabilities of the table's 200 knots: even up to .98, then closing in on 1 geometrically, where durations are heavy.
KNOTS: Floats = np.concatenate([np.linspace(0.0, 0.98, 160), 1.0 - 0.02 * np.geomspace(1.0, 1e-4, 40)[1:], [1.0]])


class ConstantLaw(Part):
    """Every value is the same."""

    kind: Literal["constant"] = "constant"
    value: float = Field(ge=0)

    def quantile(self, u: Floats) -> Floats:
        """Return the value once for each probability."""
        return np.full(len(u), self.value)


class QuantileLaw(Part):
    """The empirical law: logarithms of the positive quantiles, interpolated linearly, and an atom at zero.

    Nothing above the largest value that was seen is ever drawn.
    """

    kind: Literal["quantile-table"] = "quantile-table"
    zero: float = Field(ge=0, lt=1, description="Probability of exactly 0.")
    log_values: tuple[float, ...] = Field(min_length=len(KNOTS), max_length=len(KNOTS), description="Log quantiles at KNOTS.")

    def quantile(self, u: Floats) -> Floats:
        """Return the values below which a draw falls with probabilities `u`."""
        return _above_zero(u, self.zero, lambda v: np.exp(np.interp(v, KNOTS, np.asarray(self.log_values))))


class FamilyLaw(Part):
    """A parametric family in the parametrisation of `scipy.stats`, its location 0, cut off at `maximum`, an atom at zero."""

    kind: Literal["family"] = "family"
    family: str
    shapes: tuple[float, ...]
    scale: float = Field(gt=0)
    zero: float = Field(ge=0, lt=1, description="Probability of exactly 0.")
    maximum: float = Field(gt=0, description="No draw is larger: a fitted tail is not trusted far beyond the log.")
    below_maximum: float = Field(gt=0, le=1, description="The uncut family's probability of being at or below `maximum`.")

    def quantile(self, u: Floats) -> Floats:
        """Return the values below which a draw falls with probabilities `u`."""
        return _above_zero(u, self.zero, self._positive)

    def _positive(self, v: Floats) -> Floats:
        with np.errstate(all="ignore"):  # the far tail may overflow to infinity, which is cut off
            return np.minimum(self.scale * family_quantile(self.family, v * self.below_maximum, self.shapes), self.maximum)


Law = Annotated[ConstantLaw | QuantileLaw | FamilyLaw, Field(discriminator="kind")]


def mean(law: Law) -> float:
    """Return the mean of a law, to about one part in ten thousand however heavy its tail."""
    return float(np.sum(mean_grid(law)[1]))


def mean_grid(law: Law) -> tuple[Floats, Floats]:
    """Return values of a law and what each contributes to its mean.

    The mean is the integral of the quantile function; with u = 1 - exp(-v) the midpoint rule spends as many points on each
    decade of the tail as on the body.
    """
    width, end = 0.005, 32.0
    v = np.arange(width / 2, end, width)
    values = law.quantile(-np.expm1(-v))
    return values, values * np.exp(-v) * (width / -np.expm1(-end))


def table_law(values: Floats, censored: NDArray[np.bool_] | None = None) -> ConstantLaw | QuantileLaw:
    """Return the empirical law of some values (at least one of them not censored).

    Args:
        values: Non-negative finite numbers.
        censored: Where the truth is only known to be larger. The quantiles are then those of the Kaplan-Meier estimate,
            and what lies beyond the last exact value is put at the largest value seen (Efron's convention).
    """
    is_censored = np.zeros(len(values), dtype=bool) if censored is None else censored
    exact = values[~is_censored]
    top = float(values.max())
    if exact.min() == exact.max() and top <= exact.max():
        return ConstantLaw(value=float(exact[0]))
    points, cdf = kaplan_meier(values, is_censored)
    zero = float(cdf[0]) if points[0] == 0 else 0.0
    positive = points > 0
    points, cdf = points[positive], cdf[positive]
    if not len(points):  # every exact value is 0, and larger ones are censored
        points, cdf = np.array([top]), np.array([1.0])
    if zero >= 1.0:
        return ConstantLaw(value=0.0)
    within = np.clip((cdf - zero) / (1.0 - zero), 0.0, 1.0)
    if within[-1] < 1.0:
        points, within = np.append(points, max(top, points[-1])), np.append(within, 1.0)
    # A step function's quantile at probability p is its first point whose cdf reaches p; midpoints of the steps make the
    # interpolated table unbiased, and its ends the extremes.
    middle = within - np.diff(within, prepend=0.0) / 2
    logs = np.interp(KNOTS, middle, np.log(points))
    logs[-1] = np.log(points[-1])
    return QuantileLaw(zero=zero, log_values=tuple(logs.tolist()))


def kaplan_meier(values: Floats, censored: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the distinct exact values, ascending, and the estimated probability of being at or below each.

    The product-limit estimate of Kaplan and Meier (1958); without censored values it is the empirical distribution.
    """
    points, exact_counts = np.unique(values[~censored], return_counts=True)
    at_risk = len(values) - np.searchsorted(np.sort(values), points, side="left")
    return points, np.asarray(1.0 - np.cumprod(1.0 - exact_counts / at_risk), dtype=np.float64)


def _above_zero(u: Floats, zero: float, positive: Callable[[Floats], Floats]) -> Floats:
    """Return 0 for the probabilities inside the atom, and the positive part's quantile for the others."""
    if not zero:
        return positive(u)
    drawn = positive(np.clip((u - zero) / (1.0 - zero), 0.0, 1.0))
    return np.where(u < zero, 0.0, drawn)


def family_quantile(family: str, u: Floats, shapes: tuple[float, ...]) -> Floats:
    """Return a family's quantiles at scale 1 and location 0, as `scipy.stats` defines the family.

    The closed forms need `scipy.special` only, which loads several times faster than `scipy.stats`.
    """
    from scipy import special

    v = np.minimum(u, np.nextafter(1.0, 0.0))
    exponential = -np.log1p(-v)
    match family, shapes:
        case "expon", ():
            return exponential
        case "lognorm", (s,):
            return np.asarray(np.exp(s * special.ndtri(v)))
        case "weibull_min", (c,):
            return np.asarray(exponential ** (1 / c))
        case "gamma", (a,):
            return np.asarray(special.gammaincinv(a, v))
        case "fisk", (c,):
            return np.asarray((v / (1 - v)) ** (1 / c))
        case "lomax", (c,):
            return np.asarray(np.expm1(exponential / c))
        case "burr12", (c, d):
            return np.asarray(np.expm1(exponential / d) ** (1 / c))
        case "exponweib", (a, c):
            return np.asarray((-np.log1p(-(v ** (1 / a)))) ** (1 / c))
        case "gengamma", (a, c):
            inverse = special.gammaincinv if c > 0 else special.gammainccinv
            return np.asarray(inverse(a, v) ** (1 / c))
        case "invgauss", (mu,):
            return _inverse_gaussian_quantile(v, mu)
        case _:
            raise ValueError(f"no quantile function is known for {family!r} with {len(shapes)} shapes")


def _inverse_gaussian_quantile(v: Floats, mu: float) -> Floats:
    """Invert the closed-form distribution function on a logarithmic grid: a root search for each draw is 100 times slower."""
    from scipy import special

    x = np.geomspace(1e-3 * min(mu, 1.0), mu + 100.0 * mu**2, 8_192)
    root = np.sqrt(x)
    cdf = special.ndtr((x / mu - 1) / root) + np.exp(2 / mu + special.log_ndtr(-(x / mu + 1) / root))
    return np.asarray(np.exp(np.interp(v, np.maximum.accumulate(cdf), np.log(x))))

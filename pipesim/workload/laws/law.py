"""Laws of one non-negative quantity (seconds, bytes, rows): each is its quantile function, so that sampling is one call."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipesim.workload.laws.closed_forms import Floats as Floats
from pipesim.workload.laws.closed_forms import family_cdf, family_quantile
from pipesim.workload.part import Part

#: Probabilities of the knots of a table without a tail: even up to .98, then closing in on 1 geometrically, where durations
#: are heavy.
KNOTS: Floats = np.concatenate([np.linspace(0.0, 0.98, 160), 1.0 - 0.02 * np.geomspace(1.0, 1e-4, 40)[1:], [1.0]])
#: A rounded value of at least this probability keeps both of its ends in a table, hence its exact probability.
_OWN_KNOTS = 0.003
#: How far from its mean, in standard deviations, a component of a mixture reaches, and the steps in which it is inverted.
_REACH, _GRID = 8.3, 257


class ConstantLaw(Part):
    """Every value is the same."""

    kind: Literal["constant"] = "constant"
    value: float = Field(ge=0)

    def quantile(self, u: Floats) -> Floats:
        """Return the value once for each probability."""
        return np.full(len(u), self.value)

    def cdf(self, values: Floats) -> Floats:
        """Return the probabilities of being at or below the values."""
        return np.where(values >= self.value, 1.0, 0.0)


class PositiveLaw(Part):
    """An atom at zero, a law of what is above it, and the unit that a log rounds down to.

    Subclasses give the law above zero. Draws are whole multiples of the unit, where there is one; `cdf` is that of the
    values before they are rounded, so that a rounded value v has the probability cdf(v + unit) - cdf(v).
    """

    zero: float = Field(ge=0, lt=1, description="Probability of exactly 0.")
    resolution: float | None = Field(default=None, ge=0.001, description="The unit that values are rounded down to.")

    def quantile(self, u: Floats) -> Floats:
        """Return the values below which a draw falls with probabilities `u`."""
        drawn = self._positive(np.clip((u - self.zero) / (1.0 - self.zero), 0.0, 1.0) if self.zero else u)
        if self.resolution is not None:
            drawn = round_down(drawn, self.resolution)
        return np.where(u < self.zero, 0.0, drawn) if self.zero else drawn

    def cdf(self, values: Floats) -> Floats:
        """Return the probabilities of being at or below the values."""
        return np.where(values < 0, 0.0, self.zero + (1.0 - self.zero) * self._positive_cdf(np.maximum(values, 0.0)))

    def _positive(self, v: Floats) -> Floats:
        raise NotImplementedError

    def _positive_cdf(self, values: Floats) -> Floats:
        raise NotImplementedError


class Tail(Part):
    """A generalised Pareto law of what exceeds the last knot of a table (Pickands, 1975).

    Attributes:
        shape: Of the excess; above 0 the tail is a power law.
        scale: Of the excess, in the unit of the log.
        maximum: No draw is larger.
        below_maximum: The probability that an excess keeps below the maximum. Where it is 1 though the tail reaches
            beyond, all of the tail beyond the maximum lies at it, as that of a log with a limit does.
    """

    shape: float
    scale: float = Field(gt=0)
    maximum: float = Field(gt=0)
    below_maximum: float = Field(gt=0, le=1)


class QuantileLaw(PositiveLaw):
    """The empirical law: logarithms of quantiles, interpolated linearly, and above the last of them a tail, if there is one.

    Without a tail nothing above the largest value that was seen is ever drawn.
    """

    kind: Literal["quantile-table"] = "quantile-table"
    probabilities: tuple[float, ...] = Field(
        min_length=2, description="Of each knot; from 0 to 1, or to where the tail begins."
    )
    log_values: tuple[float, ...] = Field(min_length=2, description="Logarithm of each knot's quantile.")
    tail: Tail | None = None

    def _positive(self, v: Floats) -> Floats:
        body = np.exp(np.interp(v, self.probabilities, self.log_values))
        if self.tail is None:
            return np.asarray(body)
        last, threshold, tail = self.probabilities[-1], float(np.exp(self.log_values[-1])), self.tail
        beyond = v > last
        excess = family_quantile("genpareto", (v[beyond] - last) / (1.0 - last) * tail.below_maximum, (tail.shape,))
        with np.errstate(over="ignore"):
            body[beyond] = np.minimum(threshold + tail.scale * excess, tail.maximum)
        return np.asarray(body)

    def _positive_cdf(self, values: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            body = np.interp(np.log(values), self.log_values, self.probabilities, left=0.0)
        if self.tail is None:
            return np.asarray(body)
        last, threshold, tail = self.probabilities[-1], float(np.exp(self.log_values[-1])), self.tail
        beyond = values > threshold
        within = family_cdf("genpareto", (values[beyond] - threshold) / tail.scale, (tail.shape,))[0] / tail.below_maximum
        body[beyond] = np.where(values[beyond] >= tail.maximum, 1.0, last + (1.0 - last) * np.minimum(within, 1.0))
        return np.asarray(body)


class FamilyLaw(PositiveLaw):
    """A parametric family in the parametrisation of `scipy.stats`, its location 0, cut off at `maximum`."""

    kind: Literal["family"] = "family"
    family: str
    shapes: tuple[float, ...]
    scale: float = Field(gt=0)
    maximum: float = Field(gt=0, description="No draw is larger: a fitted tail is not trusted far beyond the log.")
    below_maximum: float = Field(gt=0, le=1, description="The uncut family's probability of being at or below `maximum`.")

    def _positive(self, v: Floats) -> Floats:
        with np.errstate(all="ignore"):  # the far tail may overflow to infinity, which is cut off
            drawn = self.scale * family_quantile(self.family, v * self.below_maximum, self.shapes)
            return np.asarray(np.minimum(drawn, self.maximum))

    def _positive_cdf(self, values: Floats) -> Floats:
        within = family_cdf(self.family, values / self.scale, self.shapes)[0] / self.below_maximum
        return np.asarray(np.where(values >= self.maximum, 1.0, np.minimum(within, 1.0)))


class MixtureLaw(PositiveLaw):
    """The logarithm is a mixture of Gaussians; cut off at `maximum`."""

    kind: Literal["log-mixture"] = "log-mixture"
    weights: tuple[float, ...] = Field(min_length=1)
    means: tuple[float, ...] = Field(min_length=1, description="Of the logarithm.")
    deviations: tuple[float, ...] = Field(min_length=1, description="Standard deviations of the logarithm.")
    maximum: float = Field(gt=0, description="No draw is larger.")
    below_maximum: float = Field(gt=0, le=1, description="The uncut mixture's probability of being at or below `maximum`.")

    def _positive(self, v: Floats) -> Floats:
        z = np.linspace(-_REACH, _REACH, _GRID)
        grid = np.unique(np.asarray(self.means)[:, None] + np.asarray(self.deviations)[:, None] * z)
        logs = np.interp(v * self.below_maximum, np.maximum.accumulate(self._log_cdf(grid)), grid)
        return np.asarray(np.minimum(np.exp(np.minimum(logs, np.log(self.maximum))), self.maximum))

    def _positive_cdf(self, values: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            within = self._log_cdf(np.log(values)) / self.below_maximum
        return np.where(values >= self.maximum, 1.0, np.minimum(within, 1.0))

    def _log_cdf(self, logs: Floats) -> Floats:
        from scipy import special

        total: Floats = np.zeros(len(logs))
        for weight, mean_, deviation in zip(self.weights, self.means, self.deviations, strict=True):
            total += weight * special.ndtr((logs - mean_) / deviation)
        return total


Law = Annotated[ConstantLaw | QuantileLaw | FamilyLaw | MixtureLaw, Field(discriminator="kind")]


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


def round_down(values: Floats, resolution: float) -> Floats:
    """Return whole multiples of a unit; what rounding errors have moved off a multiple stays that multiple."""
    return np.asarray(np.round(np.floor(values * (1 + 1e-12) / resolution) * resolution, 3))


def table_law(
    values: Floats, censored: NDArray[np.bool_] | None = None, resolution: float | None = None
) -> ConstantLaw | QuantileLaw:
    """Return the empirical law of some values (at least one of them not censored).

    Args:
        values: Non-negative finite numbers.
        censored: Where the truth is only known to be larger. The quantiles are then those of the Kaplan-Meier estimate,
            and what lies beyond the last exact value is put at the largest value seen (Efron's convention).
        resolution: The unit that the values were rounded down to, of which they are whole multiples.
    """
    is_censored = np.zeros(len(values), dtype=bool) if censored is None else censored
    exact = values[~is_censored]
    top = float(values.max())
    if exact.min() == exact.max() and top <= exact.max():
        return ConstantLaw(value=float(exact[0]))
    zero, p, x, reached = cdf_points(values, is_censored, resolution)
    if reached < 1.0:
        p, x = np.append(p, 1.0), np.append(x, max([top + (resolution or 0.0), *x[-1:]]))
    probabilities, quantiles = knots(p, x, KNOTS, rounded=resolution is not None)
    if resolution is None:
        quantiles[-1] = x[-1]
    else:
        quantiles = np.minimum(quantiles, x[-1] * (1 - 1e-9))  # an end is not part of its interval
    return QuantileLaw(
        zero=zero,
        resolution=resolution,
        probabilities=tuple(probabilities.tolist()),
        log_values=tuple(np.log(quantiles).tolist()),
    )


def place(law: Law, values: Floats) -> Floats:
    """Return the probabilities at which a law's quantiles are the values: the middle one, where there are many.

    Args:
        law: The law.
        values: Draws of it, or of one that is near it.
    """
    if isinstance(law, ConstantLaw):
        return np.full(len(values), 0.5)
    if law.resolution is not None:
        return np.asarray((law.cdf(values) + law.cdf(values + law.resolution)) / 2)
    return np.where(values == 0, law.zero / 2, law.cdf(values))


def cdf_points(values: Floats, censored: NDArray[np.bool_], resolution: float | None) -> tuple[float, Floats, Floats, float]:
    """Return the probability of exactly 0, and the law of the rest as points to join: probabilities, values, and the last cdf.

    The estimate of Kaplan and Meier is a step function. Its points are the middles of the steps, which makes what is between
    them unbiased. Where values are rounded, they are both ends of the interval of each value, zero among them, and there is
    no atom. What lies beyond the last exact row is left out.
    """
    points, cdf = kaplan_meier(values, censored)
    if resolution is not None:
        before = np.concatenate([[0.0], cdf[:-1]])
        ends = np.column_stack([points, points + resolution]).ravel()
        return 0.0, np.column_stack([before, cdf]).ravel(), np.maximum(ends, resolution / 3), float(cdf[-1])
    zero = float(cdf[0]) if points[0] == 0 else 0.0
    points, cdf = points[points > 0], np.clip((cdf[points > 0] - zero) / (1.0 - zero), 0.0, 1.0)
    return zero, cdf - np.diff(cdf, prepend=0.0) / 2, points, float(cdf[-1]) if len(cdf) else 0.0


def knots(p: Floats, x: Floats, at: Floats, rounded: bool) -> tuple[Floats, Floats]:
    """Return the probabilities and the quantiles of a table.

    Args:
        p: Probabilities, ascending.
        x: The quantile of each.
        at: The probabilities that are wanted.
        rounded: The points are ends of intervals of rounded values: each knot is one of them, the end of the interval in which
            a wanted one lies, and its beginning too if the interval is worth it. Otherwise points are interpolated.
    """
    if not rounded:
        return at, np.exp(np.interp(at, p, np.log(x)))
    end = np.clip(np.searchsorted(p, at, side="right"), 1, len(p) - 1)
    begin = (end - 1)[p[end] - p[end - 1] >= _OWN_KNOTS]
    kept = np.unique(np.concatenate([[0], begin, end]))
    return p[kept], x[kept]


def kaplan_meier(values: Floats, censored: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the distinct exact values, ascending, and the estimated probability of being at or below each.

    The product-limit estimate of Kaplan and Meier (1958); without censored values it is the empirical distribution.
    """
    points, exact_counts = np.unique(values[~censored], return_counts=True)
    at_risk = len(values) - np.searchsorted(np.sort(values), points, side="left")
    return points, np.asarray(1.0 - np.cumprod(1.0 - exact_counts / at_risk), dtype=np.float64)

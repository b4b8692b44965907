"""A quantity as a function of another, on logarithms: a b^x + c, isotonic regression, and the copula to compare them with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipesim.workload.laws.law import Floats
from pipesim.workload.part import Part

#: Fewer rows of a class than this use the law of all.
_MIN_CLASS_ROWS = 50
_MAX_KNOTS = 64
#: Fewer rows than this in a bin leave its mean to chance.
_BIN_ROWS = 10
_MAX_SLOPE = 5.0
#: Points of Gauss-Hermite quadrature, with which the mean under the copula is integrated.
_NODES = 15


class PowerFunction(Part):
    """f(x) = a b^x + c (Rausch, Hummer, Muthusamy, arXiv 2006.12587)."""

    kind: Literal["power"] = "power"
    a: float = Field(gt=0)
    b: float = Field(ge=1)
    c: float = Field(ge=0)

    def log(self, x: Floats) -> Floats:
        """Return ln f(x)."""
        constant = np.log(self.c) if self.c else -np.inf
        return np.asarray(np.logaddexp(np.log(self.a) + x * np.log(self.b), constant))


class MonotoneFunction(Part):
    """Logarithms `y` of the values at knots `x`, never falling, interpolated linearly and constant beyond the ends."""

    kind: Literal["monotone"] = "monotone"
    x: tuple[float, ...]
    y: tuple[float, ...]

    def log(self, x: Floats) -> Floats:
        """Return ln f(x)."""
        return np.asarray(np.interp(x, np.asarray(self.x), np.asarray(self.y)))


Function = Annotated[PowerFunction | MonotoneFunction, Field(discriminator="kind")]


@dataclass(frozen=True)
class Sample:
    """Rows in ascending order of x; y is the logarithm of the quantity, `group` a class of rows with a law of its own."""

    x: Floats
    y: Floats
    group: NDArray[np.int64]

    def half(self, which: int) -> Sample:
        """Return the rows with even (0) or odd (1) numbers."""
        return Sample(self.x[which::2], self.y[which::2], self.group[which::2])


def fit_power(sample: Sample) -> PowerFunction:
    """Fit ln(a b^x + c) by least squares with the soft absolute loss, which outliers do not sway.

    With x about its mean m, f = e^p e^(q (x - m)) + e^r; b = e^q is 1 at least, so f never falls.
    """
    from scipy import optimize

    middle = float(np.mean(sample.x))
    x, y = sample.x - middle, sample.y
    low, high = float(y.min()), float(y.max())
    bounds = ([low - 20.0, 0.0, low - 10.0], [high + 5.0, _MAX_SLOPE, high + 1e-3])
    slope = float(np.clip(x @ (y - y.mean()) / max(x @ x, 1e-9), 0.01, _MAX_SLOPE - 0.01))
    spread = max(float(np.median(np.abs(y - y.mean() - slope * x))), 1e-3)
    starts = [(float(y.mean()), slope, low - 2.0), (float(y.mean()) - 1.0, 1.5 * slope, float(np.quantile(y, 0.1)))]
    fits = [
        optimize.least_squares(
            lambda p: np.logaddexp(p[0] + p[1] * x, p[2]) - y,
            np.clip(start, np.add(bounds[0], 1e-4), np.subtract(bounds[1], 1e-4)),
            bounds=bounds,
            loss="soft_l1",
            f_scale=2.0 * spread,
        )
        for start in starts
    ]
    p, q, r = min(fits, key=lambda fit: float(fit.cost)).x
    return PowerFunction(a=float(np.exp(p - q * middle)), b=float(np.exp(q)), c=float(np.exp(r)))


def fit_monotone(sample: Sample) -> MonotoneFunction:
    """Fit isotonic regression (pool adjacent violators) to the means of up to 64 bins with equally many rows."""
    from scipy import optimize

    bins = max(2, min(_MAX_KNOTS, len(sample.x) // _BIN_ROWS))
    edges = np.unique(sample.x[np.linspace(0, len(sample.x), bins, endpoint=False).astype(np.int64)])
    place = np.searchsorted(edges, sample.x, side="right") - 1
    rows = np.bincount(place)
    x, y = np.bincount(place, sample.x) / rows, np.bincount(place, sample.y) / rows
    fitted = optimize.isotonic_regression(y, weights=rows).x
    return MonotoneFunction(x=tuple(x.tolist()), y=tuple(fitted.tolist()))


def foretell(function: PowerFunction | MonotoneFunction, train: Sample, test: Sample) -> tuple[Floats, Floats]:
    """Return the log density and the error of each test row's y, the noise being that of the training rows."""
    noise = _Density(train.y - function.log(train.x))
    error = test.y - function.log(test.x)
    return noise.log(error), error


def foretell_by_copula(train: Sample, test: Sample, *, tied: bool = True) -> tuple[Floats, Floats]:
    """Return the log density and the error of each test row's y under a Gaussian copula of x and the law of its group.

    Args:
        train: The rows that the laws and the correlation come from.
        test: The rows to foretell.
        tied: False takes the correlation for 0, so that x tells nothing.
    """
    from scipy import special

    n = len(train.x)
    scores = special.ndtri((np.arange(n) + 0.5) / n)
    middle = (np.searchsorted(train.x, train.x) + np.searchsorted(train.x, train.x, "right") - 1) / 2
    by_x = np.interp(middle, np.arange(n), scores)
    by_y = np.empty(n)
    by_y[np.argsort(train.y, kind="stable")] = scores
    rho = 0.999 * float(np.corrcoef(by_x, by_y)[0, 1]) if tied else 0.0
    x = np.interp(test.x, train.x, by_x)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    u = special.ndtr(rho * x[:, None] + np.sqrt(1 - rho**2) * nodes)
    log_density, mean = np.empty(len(x)), np.empty(len(x))
    for group in np.unique(test.group):
        own, rows = train.y[train.group == group], test.group == group
        law = _Density(own if len(own) >= _MIN_CLASS_ROWS else train.y)
        y = special.ndtri(np.clip(law.cdf(test.y[rows]), 1e-9, 1 - 1e-9))
        tie = (2 * rho * x[rows] * y - rho**2 * (x[rows] ** 2 + y**2)) / (2 * (1 - rho**2)) - np.log(1 - rho**2) / 2
        log_density[rows] = law.log(test.y[rows]) + tie
        mean[rows] = law.quantile(u[rows]) @ weights / weights.sum()
    return log_density, test.y - mean


class _Density:
    """A kernel estimate on a grid, with a hundredth of a wide Gaussian so that no value is impossible."""

    def __init__(self, values: Floats) -> None:
        from scipy import special

        quartiles = np.quantile(values, [0.25, 0.75])
        sd = max(float(np.std(values)), 1e-3)
        width = 0.9 * min(sd, max(float(np.diff(quartiles)[0]) / 1.34, 0.1 * sd)) * len(values) ** -0.2  # Silverman (1986)
        ends = float(values.min()) - 4.0 * sd, float(values.max()) + 4.0 * sd
        edges = np.linspace(*ends, 2_049)
        counts = np.histogram(values, edges)[0] / len(values)
        step = edges[1] - edges[0]
        reach = max(1, int(min(4 * width / step, 1_000)))
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
        wide = np.diff(special.ndtr((edges - np.mean(values)) / (3 * sd)))
        mass = 0.99 * np.convolve(counts, kernel / kernel.sum(), "same") + 0.01 * wide / wide.sum()
        self._edges, self._centres = edges, (edges[1:] + edges[:-1]) / 2
        self._log, self._cdf = np.log(mass / step), np.concatenate([[0.0], np.cumsum(mass) / mass.sum()])

    def log(self, y: Floats) -> Floats:
        return np.asarray(np.interp(y, self._centres, self._log))

    def cdf(self, y: Floats) -> Floats:
        return np.asarray(np.interp(y, self._edges, self._cdf))

    def quantile(self, u: Floats) -> Floats:
        return np.asarray(np.interp(u, self._cdf, self._edges))

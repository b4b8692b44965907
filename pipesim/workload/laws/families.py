"""Parametric families: which there are, and their maximum-likelihood fits to positive samples, rounded or censored ones too."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pipesim.workload.laws.binned import Binned
from pipesim.workload.laws.closed_forms import Floats, family_cdf
from pipesim.workload.laws.law import FamilyLaw

#: Every one has a closed-form distribution function, so each of the optimiser's bounded number of steps is cheap.
FAMILIES = ("lognorm", "weibull_min", "gamma", "fisk", "burr12", "exponweib", "gengamma", "lomax", "invgauss", "expon")
#: What a family becomes at particular shapes, or in a limit of them.
SPECIAL_CASES: Mapping[str, tuple[str, ...]] = {
    "weibull_min": ("expon",),
    "gamma": ("expon",),
    "lomax": ("expon",),
    "burr12": ("fisk", "lomax", "weibull_min", "expon"),
    "exponweib": ("weibull_min", "expon"),
    "gengamma": ("gamma", "weibull_min", "lognorm", "expon"),
}
_STEPS = 300
#: Sides of the first simplex, in logarithms of parameters: from another fit, and from moments.
_NEAR, _FAR = 0.1, 0.25
#: Euler's constant: the mean of -log of a standard exponential.
_EULER = 0.57722
#: Nearer to its limit, the lognormal, the scale of a generalised gamma leaves the range of floating-point numbers.
_LEAST_Q = 0.1


@dataclass(frozen=True)
class Fitted:
    """A family with its parameters, location 0."""

    family: str
    shapes: tuple[float, ...]
    scale: float

    def distribution(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the probabilities of being at or below the values, and above them."""
        with np.errstate(over="ignore"):
            return family_cdf(self.family, values / self.scale, self.shapes)

    @property
    def parameters(self) -> int:
        """How many were fitted."""
        return len(self.shapes) + 1

    def law(self, unit: float, maximum: float, zero: float = 0.0, resolution: float | None = None) -> FamilyLaw:
        """Return the law to draw from.

        Args:
            unit: What the values were divided by before they were fitted.
            maximum: Where the tail ends, in the unit of the log.
            zero: Probability of exactly 0.
            resolution: The unit that draws are rounded down to.
        """
        below = float(self.distribution(np.array([maximum / unit]))[0][0])
        return FamilyLaw(
            family=self.family, shapes=self.shapes, scale=self.scale * unit, zero=zero, maximum=maximum,
            below_maximum=max(below, 1e-300), resolution=resolution,
        )  # fmt: skip


def refit(family: str, sample: Binned, start: Fitted | None = None) -> Fitted | None:
    """Return the maximum-likelihood fit with location 0, or None where it does not end in finite parameters.

    Nelder and Mead's simplex (1965) in the logarithms of the parameters, of the generalised gamma in those of Prentice
    (1974), from where moments of the logarithm put it.

    Args:
        family: One of `FAMILIES`.
        sample: Positive values of order 1.
        start: Where the optimiser begins instead.
    """
    best: Fitted | None = None
    best_likelihood = -np.inf
    step = _NEAR if start else _FAR
    for theta in [_theta(start)] if start else _starts(family, sample):
        found = _climb(family, sample, theta, step)
        likelihood = sample.log_likelihood(found.distribution)
        if np.isfinite(likelihood) and likelihood > best_likelihood:
            best, best_likelihood = found, likelihood
    return best


def pick(candidates: Sequence[Fitted], test: Binned) -> Fitted:
    """Return the candidate with the fewest parameters within one standard error of the best held-out log likelihood."""
    rows = [row_likelihoods(c.distribution, test) for c in candidates]
    weights = np.concatenate([test.counts, test.open_counts])
    means = [float(np.average(r, weights=weights)) for r in rows]
    top = int(np.argmax(means))
    near = [
        (c.parameters, -means[i], i)
        for i, c in enumerate(candidates)
        if means[top] - means[i] <= standard_error(rows[top] - rows[i], weights)
    ]
    return candidates[min(near)[2]]


def row_likelihoods(distribution: Callable[[Floats], tuple[Floats, Floats]], sample: Binned) -> Floats:
    """Return the log likelihood of a row of each interval, and then of each bound."""
    return np.concatenate(sample.log_likelihoods(distribution))


def standard_error(values: Floats, weights: Floats) -> float:
    """Return the standard error of a mean of weighted values."""
    mean = float(np.average(values, weights=weights))
    return float(np.sqrt(np.average((values - mean) ** 2, weights=weights) / weights.sum()))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep an optimiser's warnings about its way (overflow at a trial point) and changes of the filters inside."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _climb(family: str, sample: Binned, theta: Floats, step: float) -> Fitted:
    from scipy.optimize import minimize

    def loss(at: Floats) -> float:
        value = sample.log_likelihood(_fitted(family, at).distribution)
        return -value if np.isfinite(value) else 1e300

    simplex = np.vstack([theta, theta + step * np.eye(len(theta))])
    with quiet():
        options = {"initial_simplex": simplex, "maxfev": _STEPS, "xatol": 1e-3, "fatol": 3e-3}
        found = minimize(loss, theta, method="Nelder-Mead", options=options)
    return _fitted(family, found.x)


def _fitted(family: str, theta: Floats) -> Fitted:
    """Return the family at a point of the space that is searched."""
    if family == "gengamma":
        mu, log_sigma, q = (float(v) for v in theta)
        q = q if abs(q) >= _LEAST_Q else float(np.copysign(_LEAST_Q, q))
        power = q / float(np.exp(np.clip(log_sigma, -7, 5)))
        log_scale = mu + 2 / power * float(np.log(abs(q)))
        return Fitted(family, (q**-2, power), float(np.exp(np.clip(log_scale, -500, 500))))
    *shapes, scale = np.exp(np.clip(theta, -30, 30)).tolist()
    return Fitted(family, tuple(shapes), scale)


def _theta(fitted: Fitted) -> Floats:
    if fitted.family == "gengamma":
        a, c = fitted.shapes
        q = float(np.copysign(a**-0.5, c))
        mu = np.log(fitted.scale) - 2 / c * np.log(abs(q))
        return np.array([mu, np.log(q / c), q])
    return np.asarray(np.log([*fitted.shapes, fitted.scale]))


def _starts(family: str, sample: Binned) -> list[Floats]:
    """Return where to begin: the parameters whose law has the mean and the spread of the sample's logarithm."""
    m, s = sample.log_moments()
    s = max(s, 1e-3)
    weibull = np.array([np.log(np.pi / np.sqrt(6) / s), m + _EULER * s * np.sqrt(6) / np.pi])
    fisk = np.array([np.log(np.pi / np.sqrt(3) / s), m])
    match family:
        case "lognorm":
            return [np.array([np.log(s), m])]
        case "weibull_min":
            return [weibull]
        case "fisk":
            return [fisk]
        case "gamma":
            # The variance of the logarithm, trigamma(a), is near 1 / a^2 for small a and 1 / a for large.
            a = 1 / s**2 + 0.5 if s < 1 else 1 / s
            return [np.array([np.log(a), m + s**2 / 2 - np.log(a)])]
        case "exponweib":
            # Near the Weibull, and with many times its first shape near a lognormal.
            return [np.concatenate([[0.0], weibull]), np.array([np.log(10.0), weibull[0] - np.log(3.0), m - 3 * s])]
        case "gengamma":
            starts = [np.array([m, np.log(s), q]) for q in (0.7, -0.7)]
            return [max(starts, key=lambda at: sample.log_likelihood(_fitted(family, at).distribution))]
        case "lomax":
            return [np.array([np.log(1.5), m])]
        case "invgauss":
            # In scipy's parameters the mean is mu x scale; the spread of the logarithm grows with mu.
            return [np.array([2 * np.log(s), m - np.log(s)])]
        case "burr12":
            # The likelihood has several summits: near the log-logistic, near the Weibull, and with a heavy tail.
            near_weibull = np.array([weibull[0], np.log(8.0), weibull[1] + np.log(8.0) / np.exp(weibull[0])])
            return [np.array([fisk[0], 0.0, m]), near_weibull, np.array([fisk[0] + 0.5, np.log(0.4), m - s / 2])]
        case "expon":
            return [np.array([m + _EULER])]
        case _:
            raise ValueError(f"no starting point is known for {family!r}")

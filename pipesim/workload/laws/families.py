"""Parametric families: which there are, and their maximum-likelihood fits to positive, possibly right-censored samples."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipesim.workload.laws.law import FamilyLaw, Floats

Flags = NDArray[np.bool_]

#: Every one has a closed-form density, so each of the optimiser's bounded number of steps is cheap.
FAMILIES = ("lognorm", "weibull_min", "gamma", "fisk", "burr12", "exponweib", "gengamma", "lomax", "invgauss", "expon")
#: Its likelihood has several summits, so it is fitted from several shapes.
_STARTS: dict[str, tuple[tuple[float, ...], ...]] = {"burr12": ((1.0, 1.0), (2.0, 0.5), (0.7, 3.0))}
_BEYOND_LARGEST = 1.2


@dataclass(frozen=True)
class Sample:
    """Positive values, and where the truth is only known to be larger."""

    values: Floats
    censored: Flags

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.int64] | slice) -> Sample:
        """Return some of the rows."""
        return Sample(self.values[rows], self.censored[rows])


@dataclass(frozen=True)
class Fitted:
    """A family with its parameters, location 0."""

    family: str
    shapes: tuple[float, ...]
    scale: float

    def log_likelihoods(self, sample: Sample) -> Floats:
        """Return each row's log density, or the log of the survival function where it is censored."""
        law = _scipy(self.family)
        with np.errstate(all="ignore"):
            exact: Floats = np.asarray(law.logpdf(sample.values, *self.shapes, scale=self.scale))
            if sample.censored.any():
                beyond: Floats = np.asarray(law.logsf(sample.values, *self.shapes, scale=self.scale))
                return np.where(sample.censored, beyond, exact)
            return exact

    def cdf(self, values: Floats) -> Floats:
        """Return the probabilities of being at or below the values."""
        with np.errstate(all="ignore"):
            return np.asarray(_scipy(self.family).cdf(values, *self.shapes, scale=self.scale))

    def law(self, sample: Sample, unit: float, zero: float) -> FamilyLaw:
        """Return the law to draw from, in the unit of the log.

        The tail ends at 1.2 times the largest value of the sample. Censored rows hide part of the tail, so where there are
        any it does not end below the .99 quantile either.
        """
        maximum = _BEYOND_LARGEST * float(sample.values.max())
        if sample.censored.any():
            maximum = max(maximum, float(_scipy(self.family).ppf(0.99, *self.shapes, scale=self.scale)))
        return FamilyLaw(
            family=self.family,
            shapes=self.shapes,
            scale=self.scale * unit,
            zero=zero,
            maximum=maximum * unit,
            below_maximum=float(self.cdf(np.array([maximum]))[0]),
        )


def refit(family: str, sample: Sample, start: Fitted | None = None) -> Fitted | None:
    """Return the maximum-likelihood fit with location 0, or None where it does not end in finite parameters.

    Args:
        family: One of `FAMILIES`.
        sample: Positive values of order 1.
        start: Where the optimiser begins; without it, at one or several standard points.
    """
    import scipy.stats

    data: Any = sample.values
    if sample.censored.any():
        data = scipy.stats.CensoredData(sample.values[~sample.censored], right=sample.values[sample.censored])
    scale = {"scale": start.scale} if start else {}
    best: Fitted | None = None
    best_likelihood = -np.inf
    for shapes in (start.shapes,) if start else _STARTS.get(family, ((),)):
        try:
            with quiet():
                parameters = [float(p) for p in _scipy(family).fit(data, *shapes, floc=0, **scale)]
        except (ValueError, RuntimeError, FloatingPointError, OverflowError, ZeroDivisionError):
            continue  # scipy's FitError is a RuntimeError: there is no fit from this start
        if not np.all(np.isfinite(parameters)) or parameters[-1] <= 0:
            continue
        fitted = Fitted(family, tuple(parameters[:-2]), parameters[-1])
        likelihood = float(np.sum(fitted.log_likelihoods(sample)))
        if likelihood > best_likelihood:
            best, best_likelihood = fitted, likelihood
    return best


def pick(candidates: Sequence[Fitted], test: Sample) -> Fitted:
    """Return the candidate with the fewest parameters within one standard error of the best held-out log-likelihood."""
    rows = [c.log_likelihoods(test) for c in candidates]
    means = [float(np.mean(r)) if np.all(np.isfinite(r)) else -np.inf for r in rows]
    top = int(np.argmax(means))
    near = [
        (len(c.shapes), -means[i], i)
        for i, c in enumerate(candidates)
        if i == top or (np.isfinite(means[i]) and means[top] - means[i] <= np.std(rows[top] - rows[i]) / np.sqrt(len(test)))
    ]
    return candidates[min(near)[2]]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep an optimiser's warnings about its way (overflow at a trial point) and changes of the filters inside."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _scipy(family: str) -> Any:
    import scipy.stats

    return getattr(scipy.stats, family)

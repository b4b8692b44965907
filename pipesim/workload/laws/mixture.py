"""Mixtures of Gaussians on the logarithm, fitted to counts of intervals by expectation and maximisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipesim.workload.laws.binned import Binned
from pipesim.workload.laws.closed_forms import Floats
from pipesim.workload.laws.law import MixtureLaw

_MOST_COMPONENTS = 8
#: In squared logarithms: no component is narrower than 1 %.
_LEAST_VARIANCE = 1e-4
_STEPS = 150
#: A step that gains less than this part of a row's log likelihood, in the mean, is the last.
_GAIN = 2e-6
_UNLIKELY = 1e-300


@dataclass(frozen=True)
class Mixture:
    """Weights, means and standard deviations of the logarithm, one each a component."""

    weights: Floats
    means: Floats
    deviations: Floats

    @property
    def parameters(self) -> int:
        """How many were fitted."""
        return 3 * len(self.weights) - 1

    def distribution(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the probabilities of being at or below the values, and above them."""
        from scipy import special

        with np.errstate(divide="ignore"):
            z = (np.log(values) - self.means[:, None]) / self.deviations[:, None]
        return self.weights @ special.ndtr(z), self.weights @ special.ndtr(-z)

    def law(self, unit: float, maximum: float, zero: float = 0.0, resolution: float | None = None) -> MixtureLaw:
        """Return the law to draw from, as `Fitted.law` does."""
        below = float(self.distribution(np.array([maximum / unit]))[0][0])
        return MixtureLaw(
            weights=tuple(self.weights.tolist()),
            means=tuple((self.means + np.log(unit)).tolist()),
            deviations=tuple(self.deviations.tolist()),
            zero=zero,
            resolution=resolution,
            maximum=maximum,
            below_maximum=min(max(below, _UNLIKELY), 1.0),
        )


def fit_mixture(sample: Binned) -> Mixture:
    """Return the mixture of one to eight components that has the least Bayesian information criterion.

    The search ends when two more components in a row have not helped. Components begin at equally spaced quantiles, so the
    result depends on nothing but the sample.

    Args:
        sample: Positive values, in any unit.
    """
    best: Mixture | None = None
    best_bic = np.inf
    worse = 0
    for k in range(1, _MOST_COMPONENTS + 1):
        mixture, log_likelihood = _climb(sample, _start(sample, k))
        bic = mixture.parameters * np.log(sample.rows) - 2 * log_likelihood
        if bic < best_bic:
            best, best_bic, worse = mixture, bic, 0
        else:
            worse += 1
        if worse == 2:
            break
    assert best is not None, "one component always has a finite likelihood"
    return best


def _start(sample: Binned, k: int) -> Mixture:
    at = np.concatenate([sample.log_means, np.log(sample.bounds)])
    weights = np.concatenate([sample.counts, sample.open_counts])
    order = np.argsort(at, kind="stable")
    shares = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    means = np.interp((np.arange(k) + 0.5) / k, shares, at[order])
    deviation = max(sample.log_moments()[1] / k**0.75, np.sqrt(_LEAST_VARIANCE))
    return Mixture(np.full(k, 1 / k), means, np.full(k, deviation))


def _climb(sample: Binned, mixture: Mixture) -> tuple[Mixture, float]:
    """Return the mixture that the iteration comes to rest at, and the log likelihood of its intervals.

    Rows of an interval, and censored rows, count with the conditional moments of a truncated Gaussian (Dempster, Laird and
    Rubin, 1977, section 4.2), which are differences of the density and of the distribution function at the ends.
    """
    from scipy import special

    full = sample.counts > 0
    counts = np.concatenate([sample.counts[full], sample.open_counts])
    with np.errstate(divide="ignore"):
        edges = np.log(sample.edges)
    low = np.concatenate([edges[:-1][full], np.log(sample.bounds)])
    high = np.concatenate([edges[1:][full], np.full(len(sample.bounds), np.inf)])
    rows = sample.rows
    previous = -np.inf
    for _ in range(_STEPS):
        w, mu, s = mixture.weights, mixture.means, mixture.deviations
        a, b = (low[:, None] - mu) / s, (high[:, None] - mu) / s
        # Of two points above the mean the upper tails differ, of others the lower ones: no digits are lost in either.
        sign = np.where(a > 0, -1.0, 1.0)
        inside = np.abs(special.ndtr(sign * b) - special.ndtr(sign * a))
        density_a, density_b = np.exp(-(a**2) / 2), np.exp(-(b**2) / 2)
        total = np.maximum(inside @ w, _UNLIKELY)
        log_likelihood = float(counts @ np.log(total))
        if log_likelihood - previous < _GAIN * rows:
            break
        previous = log_likelihood
        q = counts / total
        norm = 1 / np.sqrt(2 * np.pi)
        share = w * (q @ inside)
        first = w * (q @ (density_a - density_b)) * norm
        with np.errstate(invalid="ignore"):
            ends = np.where(np.isfinite(a), a * density_a, 0.0) - np.where(np.isfinite(b), b * density_b, 0.0)
        second = w * (q @ (inside + ends * norm))
        alive = share > 1e-9 * rows
        shift = np.where(alive, first / np.maximum(share, _UNLIKELY), 0.0)
        spread = np.where(alive, second / np.maximum(share, _UNLIKELY) - shift**2, 1.0)
        mixture = Mixture(share / share.sum(), mu + s * shift, np.sqrt(np.maximum(s**2 * spread, _LEAST_VARIANCE)))
    return mixture, log_likelihood

"""Several quantities that go together: a mixture of Gaussians with full covariances, fitted by EM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from pipesim.workload.laws.law import Floats
from pipesim.workload.part import Part

#: Fewer rows than this do not tell a covariance of three quantities.
MIN_ROWS = 50
_MAX_ROWS = 10_000
_MAX_COMPONENTS = 6
#: A component of fewer rows describes single values, not a law.
_MIN_COMPONENT_ROWS = 10.0
#: Smallest variance in any direction: on logarithms, a standard deviation of 1 %.
_VARIANCE_FLOOR = 1e-4
_MAX_ITERATIONS = 200
#: EM ends when the mean log-likelihood of a row grows by less than this.
_TOLERANCE = 1e-5
_GRID = 4_096


class GaussianMixture(Part):
    """A mixture of k Gaussians in d dimensions.

    Attributes:
        weights: k shares that add up to 1.
        means: k points.
        covariances: k positive definite matrices, d x d.
        rows: How many rows it was fitted on.
        bic: The Bayesian information criterion with 1, 2, ... components; the smallest was taken.
    """

    weights: tuple[float, ...] = Field(min_length=1)
    means: tuple[tuple[float, ...], ...]
    covariances: tuple[tuple[tuple[float, ...], ...], ...]
    rows: int
    bic: tuple[float, ...]

    def quantile(self, u: Floats) -> Floats:
        """Return the values of the first coordinate below which a draw falls with probabilities `u`."""
        from scipy import special

        mean, sd = np.array(self.means)[:, 0], np.sqrt(np.array(self.covariances)[:, 0, 0])
        grid = np.linspace(np.min(mean - 6 * sd), np.max(mean + 6 * sd), _GRID)
        cdf = np.array(self.weights) @ special.ndtr((grid - mean[:, None]) / sd[:, None])
        return np.interp(u, cdf, grid)

    def rest(self, first: Floats, u: Floats, normal: Floats) -> Floats:
        """Draw the other coordinates given the first one.

        The component is drawn with its probability given the first coordinate, then the others from its conditional Gaussian.

        Args:
            first: First coordinates, (n,).
            u: Uniform numbers that choose the component, (n,).
            normal: Independent standard normal numbers, (d - 1, n).

        Returns:
            The other coordinates, (d - 1, n).
        """
        own = self._components()
        narrow = _Components(own.weights, own.means[:, :1], own.covariances[:, :1, :1])
        joint = _joint(first[:, None], narrow)
        share = np.cumsum(np.exp(joint - _total(joint)), axis=0)
        component = np.minimum(np.sum(u >= share, axis=0), len(own.weights) - 1)
        slope = own.covariances[:, 1:, 0] / own.covariances[:, :1, 0]
        left = own.covariances[:, 1:, 1:] - slope[:, :, None] * own.covariances[:, None, 0, 1:]
        root = np.linalg.cholesky(left)
        centre = own.means[component, 1:] + slope[component] * (first - own.means[component, 0])[:, None]
        return np.asarray(centre.T + np.einsum("nij,jn->in", root[component], normal))

    def _components(self) -> _Components:
        return _Components(np.array(self.weights), np.array(self.means), np.array(self.covariances))


@dataclass(frozen=True)
class _Components:
    """Weights (k,), means (k, d) and covariances (k, d, d)."""

    weights: Floats
    means: Floats
    covariances: Floats


def fit_mixture(x: Floats) -> GaussianMixture:
    """Return the mixture of 1 to 6 Gaussians with the smallest Bayesian information criterion.

    Each number of components is fitted by EM from two beginnings, and the likelier result counts: equal shares of the rows
    along the first principal axis, and the mixture with one component less, its widest split in two. The search ends
    when two more components have not helped. Of more than 10,000 rows, evenly spaced ones in sorted order are used, so that the
    order in which they come does not matter.

    Args:
        x: Finite numbers, (n, d), n of at least 50.
    """
    rows = x[np.lexsort(x.T[::-1])]
    if len(rows) > _MAX_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, _MAX_ROWS).astype(np.int64)]
    n, d = rows.shape
    best, lowest, bic = None, np.inf, []
    last: _Components | None = None
    for k in range(1, _MAX_COMPONENTS + 1):
        starts = [_along_axis(rows, k)] + ([_split(rows, last)] if last is not None else [])
        fits = [fitted for fitted in (_em(rows, share) for share in starts) if fitted is not None]
        if not fits:
            break
        last, likelihood = max(fits, key=lambda fitted: fitted[1])
        parameters = k - 1 + k * d + k * d * (d + 1) // 2
        bic.append(parameters * float(np.log(n)) - 2 * likelihood)
        if bic[-1] < lowest:
            best, lowest = last, bic[-1]
        elif np.argmin(bic) < k - 2:
            break
    assert best is not None, "one component always fits"
    return GaussianMixture.model_validate(
        {
            "weights": best.weights.tolist(),
            "means": best.means.tolist(),
            "covariances": best.covariances.tolist(),
            "rows": n,
            "bic": bic,
        }
    )


def _em(x: Floats, share: Floats) -> tuple[_Components, float] | None:
    """Return the components that EM reaches and their log-likelihood; None if one of them dwindles.

    Args:
        x: The rows, (n, d).
        share: How much of each row each component has to begin with, (k, n).
    """
    before = -np.inf
    for _ in range(_MAX_ITERATIONS):
        if np.min(share.sum(axis=1)) < _MIN_COMPONENT_ROWS:
            return None
        components = _maximise(x, share)
        joint = _joint(x, components)
        total = _total(joint)
        likelihood = float(np.sum(total))
        if likelihood - before < _TOLERANCE * len(x):
            break
        before, share = likelihood, np.exp(joint - total)
    return components, likelihood


def _maximise(x: Floats, share: Floats) -> _Components:
    held = share.sum(axis=1)
    means = share @ x / held[:, None]
    off = x - means[:, None, :]
    covariances = np.matmul((off * share[:, :, None]).transpose(0, 2, 1), off) / held[:, None, None]
    values, vectors = np.linalg.eigh(covariances)
    covariances = (vectors * np.maximum(values, _VARIANCE_FLOOR)[:, None, :]) @ vectors.transpose(0, 2, 1)
    return _Components(held / len(x), means, (covariances + covariances.transpose(0, 2, 1)) / 2)


def _joint(x: Floats, of: _Components) -> Floats:
    """Return the log of weight times density of every component at every row, (k, n)."""
    root = np.linalg.cholesky(of.covariances)
    z = np.matmul(np.linalg.inv(root), x.T[None] - of.means[:, :, None])
    scale = np.sum(np.log(np.diagonal(root, axis1=1, axis2=2)), axis=1) + x.shape[1] / 2 * np.log(2 * np.pi)
    return np.asarray((np.log(of.weights) - scale)[:, None] - np.sum(z * z, axis=1) / 2)


def _total(joint: Floats) -> Floats:
    """Return the log density of every row from what `_joint` returns."""
    top = np.max(joint, axis=0)
    return np.asarray(top + np.log(np.sum(np.exp(joint - top), axis=0)))


def _along_axis(x: Floats, k: int) -> Floats:
    """Return memberships of k equal shares of the rows along their first principal axis, (k, n)."""
    _, vectors = np.linalg.eigh(np.atleast_2d(np.cov(x.T)))
    place = np.empty(len(x), dtype=np.int64)
    place[np.argsort(x @ vectors[:, -1], kind="stable")] = np.arange(len(x)) * k // len(x)
    return np.asarray(place == np.arange(k)[:, None], dtype=np.float64)


def _split(x: Floats, of: _Components) -> Floats:
    """Return memberships after the component with the most spread is cut in two across its longest axis, (k + 1, n)."""
    joint = _joint(x, of)
    share = np.exp(joint - _total(joint))
    wide = int(np.argmax(of.weights * np.trace(of.covariances, axis1=1, axis2=2)))
    _, vectors = np.linalg.eigh(of.covariances[wide])
    above = (x - of.means[wide]) @ vectors[:, -1] > 0
    return np.vstack([np.delete(share, wide, axis=0), share[wide] * above, share[wide] * ~above])

"""Fitting one combination of losses, gradual, shocks and a season, to the live measurements of every model at once.

A measurement k of a version is y_k = p0 - g t_k - J N_k - S (1 - cos(2 pi t_k / P)) / 2 + e_k. As neighbouring increments share
a measurement's error, the measurements themselves are regressed, each version with a level p0 of its own: where a version
begins does not matter, nor whether the log has its first measurement. Nobody observes N_k: what an increment loses beyond the
rest is taken for shocks where that is likelier, and all is fitted again, in turn (classification maximum likelihood: Celeux and
Govaert, A classification EM algorithm for clustering, Computational Statistics and Data Analysis 14, 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipesim.lifecycle.live import Indices, Live, sums
from pipesim.lifecycle.metrics import Floats

#: What an increment loses is taken for a shock at first if it is so many standard deviations of the increment's error.
_SHOCK = 3.5
_ROUNDS = 8
#: A loss whose course varies less than this, or losses whose correlation matrix has a smaller determinant, cannot be told.
_LEAST_VARIATION = 1e-12
_LEAST_DETERMINANT = 1e-6
#: A smaller shock is none: it could not be told from gradual loss.
_LEAST_JUMP = 1e-3


@dataclass(frozen=True)
class Losses:
    """One combination of losses as fitted: R measurements, M models, K losses that go smoothly with time.

    Args:
        possible: [M] Whether every loss is positive, and they can be told from each other.
        smooth: [M, K] The coefficients of the smooth losses.
        jump: [M] Loss a shock; 0 where there are none.
        shocks: [M] How many there were.
        residual: [R] What is left of the measurements, about each version's mean.
        surprise: [M] Minus twice the log-likelihood of the shocks.
    """

    possible: npt.NDArray[np.bool_]
    smooth: Floats
    jump: Floats
    shocks: Floats
    residual: Floats
    surprise: Floats


def fit_losses(live: Live, courses: Sequence[Floats], shocks: bool, sd: float) -> Losses:
    """Return a combination of losses, fitted.

    With shocks it begins twice, with all smooth losses at 0 and as they are without shocks, and keeps what is likelier.

    Args:
        live: The measurements.
        courses: [K][R] The smooth losses, for coefficients of 1.
        shocks: Whether there are shocks too.
        sd: Standard deviation of a measurement's error.
    """
    calm = _regress(live, courses, np.zeros(len(live.first)))
    if not shocks:
        return calm
    fit = _with_shocks(live, courses, np.zeros_like(calm.smooth), sd)
    if not courses:
        return fit
    other = _with_shocks(live, courses, calm.smooth, sd)
    worth, others = (
        np.where(each.possible, live.total(each.residual**2) / sd**2 + each.surprise, np.inf) for each in (fit, other)
    )
    return _merge(live, others < worth, other, fit)


def _with_shocks(live: Live, courses: Sequence[Floats], smooth: Floats, sd: float) -> Losses:
    beyond = _beyond(live, courses, smooth)
    limit = np.full(len(beyond), _SHOCK * np.sqrt(2) * sd)
    jump = _median_of_each(live.owner[beyond > limit], beyond[beyond > limit], live.models)
    count = _count(live, beyond, limit, jump)
    fit = _regress(live, courses, count)
    for _ in range(_ROUNDS):
        beyond = _beyond(live, courses, fit.smooth)
        again = _count(live, beyond, _limit(live, fit, sd), fit.jump)
        if np.array_equal(again, count):
            break
        count = again
        fit = _regress(live, courses, count)
    return fit


def _beyond(live: Live, courses: Sequence[Floats], smooth: Floats) -> Floats:
    """Return what each increment loses beyond the smooth losses, [I]."""
    beyond = live.fall(live.value)
    for place, course in enumerate(courses):
        beyond = beyond + smooth[live.owner, place] * live.fall(course)
    return beyond


def _limit(live: Live, fit: Losses, sd: float) -> Floats:
    """Return the loss, [I], from which on one shock is likelier than none, the increments' error having variance 2 sd^2.

    With J a shock and m to be expected in the increment it is J / 2 + 2 sd^2 log(1 / m) / J.
    """
    expected = (fit.shocks / np.maximum(live.observed_days, _LEAST_VARIATION))[live.owner] * live.gap
    jump = fit.jump[live.owner]
    able = (jump > 0) & (expected > 0)
    jump = np.where(able, jump, 1.0)
    return np.where(able, jump / 2 - 2 * sd**2 * np.log(np.where(able, expected, 1.0)) / jump, np.inf)


def _count(live: Live, beyond: Floats, limit: Floats, jump: Floats) -> Floats:
    """Return how many shocks each increment is taken to have, [I]."""
    struck = (beyond > limit) & (live.gap > 0)
    size = np.where(struck, jump[live.owner], 1.0)
    return np.where(struck, np.maximum(np.rint(beyond / size), 1.0), 0.0)


def _regress(live: Live, courses: Sequence[Floats], count: Floats) -> Losses:
    """Return the least-squares losses for given shocks, [I]."""
    level = live.within(live.value)
    columns = [live.within(course) for course in courses]
    shocks = sums(live.owner, count, live.models)
    if struck := bool(count.any()):
        columns.append(live.within(_cumulated(live, count)))
    coefficients, possible = _solve(live, columns, -level)
    residual = level + sum(
        (coefficients[live.model, place] * column for place, column in enumerate(columns)), np.zeros_like(level)
    )
    jump = coefficients[:, -1] if struck else np.zeros(live.models)
    possible &= (coefficients > 0).all(axis=1)
    return Losses(
        possible=possible & (jump >= _LEAST_JUMP) if struck else possible,
        smooth=coefficients[:, : len(courses)],
        jump=jump,
        shocks=shocks,
        residual=residual,
        surprise=_surprise(live, count, shocks),
    )


def _solve(live: Live, columns: Sequence[Floats], target: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the coefficients of a regression within each model, [M, K], and whether they can be told, [M]; 0 where not."""
    size = len(columns)
    if not size:
        return np.zeros((live.models, 0)), np.ones(live.models, np.bool_)
    products = np.array([[live.total(a * b) for b in columns] for a in columns]).transpose(2, 0, 1)
    right = np.array([live.total(column * target) for column in columns]).T
    scale = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
    able = (scale**2 > _LEAST_VARIATION).all(axis=1)
    scale = np.where(able[:, None], scale, 1.0)
    products = np.where(able[:, None, None], products / (scale[:, :, None] * scale[:, None, :]), np.eye(size))
    able &= np.linalg.det(products) > _LEAST_DETERMINANT
    products = np.where(able[:, None, None], products, np.eye(size))
    solved = np.linalg.solve(products, (right / scale)[:, :, None])[:, :, 0] / scale
    return np.where(able[:, None], solved, 0.0), able


def _cumulated(live: Live, count: Floats) -> Floats:
    """Return a column, [R], that grows by so many in each increment, [I]."""
    column = np.zeros(len(live.value))
    column[live.first + 1] = count
    return np.cumsum(column)


def _surprise(live: Live, count: Floats, shocks: Floats) -> Floats:
    """Return minus twice the log-likelihood of the shocks of each model, [M], as a Poisson process at the rate observed."""
    from scipy import special

    struck = np.flatnonzero(count)
    owner, happened = live.owner[struck], count[struck]
    expected = shocks[owner] / live.observed_days[owner] * live.gap[struck]
    likelihood = happened * np.log(expected) - special.gammaln(happened + 1)
    return np.asarray(2 * (shocks - sums(owner, likelihood, live.models)))


def _median_of_each(group: Indices, values: Floats, groups: int) -> Floats:
    """Return the lower median of each group's values, 0 for groups without any."""
    ordered = values[np.lexsort((values, group))]
    sizes = np.bincount(group, minlength=groups)
    place = np.cumsum(sizes) - sizes + (sizes - 1) // 2
    return np.where(sizes > 0, np.append(ordered, 0.0)[np.minimum(place, len(ordered))], 0.0)


def _merge(live: Live, take: npt.NDArray[np.bool_], one: Losses, other: Losses) -> Losses:
    """Return one fit for the models where it is taken, the other for the rest."""
    return Losses(
        possible=np.where(take, one.possible, other.possible),
        smooth=np.where(take[:, None], one.smooth, other.smooth),
        jump=np.where(take, one.jump, other.jump),
        shocks=np.where(take, one.shocks, other.shocks),
        residual=np.where(take[live.model], one.residual, other.residual),
        surprise=np.where(take, one.surprise, other.surprise),
    )

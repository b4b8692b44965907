"""Intervals of natural durations: quantiles and means of cells, and the parameters of families."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.workload.confidence.limits import Clusters, Limits, clusters, deviation, factor_limits
from pipesim.workload.confidence.row import Interval
from pipesim.workload.confidence.survival import Lifetimes
from pipesim.workload.laws.law import FamilyLaw, Floats, mean
from pipesim.workload.tasks.attempts import LEAF
from pipesim.workload.tasks.cells import LEVELS
from pipesim.workload.tasks.durations import DurationCell

Flags = NDArray[np.bool_]
_PART = "durations"
_FEWEST = 20
_QUANTILES = {"p50": 0.5, "p90": 0.9}
_COLUMNS = {level: LEAF[:width] for level, width in LEVELS}
#: Relative step of numerical derivatives: the cube root of the precision of a log density.
_STEP = 1e-4


def duration_intervals(attempts: pl.DataFrame, cells: tuple[DurationCell, ...], level: float) -> Iterator[Interval]:
    """Return the intervals of the cells that have a law of their own, and of finest cells that use another's but have 20 rows.

    Args:
        attempts: What `attempts.prepare` returns, with the column `day`.
        cells: The model's cells.
        level: The probability of the intervals.
    """
    usable = attempts.filter(pl.col("natural") | pl.col("censored"))
    for cell in cells:
        source = cells[cell.uses]
        if source.choice is None or not (cell.choice or (cell.level == "size" and cell.rows >= _FEWEST)):
            continue
        siblings = [cells[i] for i in cell.shared_by if cell.choice and cells[i].level == cell.level]
        mine = usable.filter(pl.any_horizontal(_rows_of(one) for one in (cell, *siblings)))
        seconds, censored = mine["seconds"].to_numpy(), mine["censored"].to_numpy()
        law = (cell.choice or source.choice).law
        if censored.all() or len(np.unique(seconds)) < 2:
            continue
        of = clusters(mine["day"].to_numpy())
        sample = Lifetimes(seconds, censored, of)
        borrowed = "" if cell.choice else f"; the law is that of {source.name}"
        for name, probability in _QUANTILES.items():
            estimate = float(law.quantile(np.array([probability]))[0])
            limits = sample.quantile_limits(probability, level)
            yield Interval(_PART, f"{name} of seconds", cell.name, estimate, *limits, f"Woodruff, days as clusters{borrowed}")
        how = f"Kaplan-Meier, days as clusters, log scale{borrowed}"
        yield Interval(_PART, "mean of seconds", cell.name, mean(law), *sample.mean_limits(level), how)
        if cell.choice and isinstance(law, FamilyLaw):
            yield from _parameters(cell.name, law, seconds, censored, of, level)


def _rows_of(cell: DurationCell) -> pl.Expr:
    columns = _COLUMNS[cell.level]
    same = [pl.col(c).eq_missing(pl.lit(value, dtype=pl.String)) for c, value in zip(columns, cell.key, strict=True)]
    return pl.all_horizontal(same) if same else pl.lit(True)


def _parameters(name: str, law: FamilyLaw, seconds: Floats, censored: Flags, of: Clusters, level: float) -> Iterator[Interval]:
    values = (*law.shapes, law.scale)
    limits = family_limits(law, seconds, censored, of, level)
    names = [f"shape {i + 1}" for i in range(len(law.shapes))] + ["scale"]
    for parameter, value, (low, high) in zip(names, values, limits, strict=True):
        yield Interval(_PART, f"{parameter} of {law.family}", name, value, low, high, "sandwich, days as clusters, log scale")


def family_limits(law: FamilyLaw, seconds: Floats, censored: Flags, of: Clusters, level: float) -> list[Limits]:
    """Return the limits of the shapes and the scale of a family, on the logarithm of each.

    The influence of a row is its score times the inverse of the observed information, so that the limits hold for the nearest
    member of the family where none is true (White, Econometrica 50, 1982). What the rows do not tell has the widest limits.

    Args:
        law: The family as fitted by maximum likelihood, its location 0.
        seconds: [n] The rows; those of 0 tell nothing of it.
        censored: [n] Where the truth is only known to be larger.
        of: The rows' clusters.
        level: The probability of the intervals.
    """
    parameters = np.array([*law.shapes, law.scale])
    size = len(parameters)
    score = np.stack([_score(law.family, parameters, i, seconds, censored) for i in range(size)], axis=1)
    information = np.empty((size, size))
    for i in range(size):
        up, down = (_moved(parameters, i, step) for step in (_STEP, -_STEP))
        for j in range(size):
            totals = [float(np.sum(_score(law.family, p, j, seconds, censored))) for p in (up, down)]
            information[i, j] = (totals[1] - totals[0]) / (2 * _STEP)
    information = (information + information.T) / 2
    if np.linalg.eigvalsh(information).min() <= 1e-9 * np.abs(information).max():
        return [factor_limits(value, np.inf) for value in parameters.tolist()]
    off = deviation((score - score.mean(axis=0)) @ np.linalg.inv(information), of, level)
    return [factor_limits(value, distance) for value, distance in zip(parameters.tolist(), off.tolist(), strict=True)]


def _moved(parameters: Floats, place: int, step: float) -> Floats:
    moved = parameters.copy()
    moved[place] *= np.exp(step)
    return moved


def _score(family: str, parameters: Floats, place: int, seconds: Floats, censored: Flags) -> Floats:
    """Return the derivative of each row's log-likelihood by the logarithm of one parameter."""
    up, down = (_log_likelihood(family, _moved(parameters, place, step), seconds, censored) for step in (_STEP, -_STEP))
    return np.asarray((up - down) / (2 * _STEP))


def _log_likelihood(family: str, parameters: Floats, seconds: Floats, censored: Flags) -> Floats:
    from scipy import stats

    law = getattr(stats, family)
    found: Floats = np.zeros(len(seconds))
    with np.errstate(all="ignore"):  # a row beyond the end of the arithmetic tells nothing
        for rows, density in ((~censored & (seconds > 0), law.logpdf), (censored & (seconds > 0), law.logsf)):
            found[rows] = density(seconds[rows], *parameters[:-1], loc=0, scale=parameters[-1])
    return np.where(np.isfinite(found), found, 0.0)

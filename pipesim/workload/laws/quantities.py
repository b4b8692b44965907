"""Quantities that a log may leave out, and triples of them that go together (a Gaussian copula)."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from pipesim.workload.laws.law import Floats, Law
from pipesim.workload.laws.resolution import find_resolution
from pipesim.workload.laws.tail import table_tail_law
from pipesim.workload.part import Part

_MIN_CORRELATED = 50

#: Correlations of the normal scores of the pairs (1, 2), (1, 3), (2, 3).
Correlation = tuple[float, float, float]


class Quantity(Part):
    """How often the log says nothing (`missing`), and the law of what it says."""

    missing: float = Field(ge=0, le=1)
    law: Law | None

    def draw(self, u: Floats, known: Floats) -> Floats:
        """Return whole numbers at the probabilities `u`, NaN where the uniform numbers `known` fall to the missing."""
        if self.law is None:
            return np.full(len(u), np.nan)
        return np.where(known < self.missing, np.nan, np.rint(self.law.quantile(u)))


def fit_quantity(values: pl.Series) -> Quantity:
    """Return the empirical law of a column, with a tail where its rows support one, and its share of NULL."""
    known = values.drop_nulls()
    if known.is_empty():
        return Quantity(missing=1.0, law=None)
    sizes = known.sort().to_numpy().astype(np.float64)
    law, _ = table_tail_law(sizes, np.zeros(len(sizes), dtype=bool), find_resolution(sizes))
    return Quantity(missing=values.null_count() / len(values), law=law)


def fit_correlation(rows: pl.DataFrame, columns: tuple[str, str, str]) -> Correlation:
    """Return the correlations of three columns' normal scores, 0 where fewer than 50 complete rows tell of them."""
    from scipy import special

    known = [c for c in columns if rows[c].null_count() < rows.height]
    complete = rows.select(known).drop_nulls()
    scores: dict[str, Floats] = {}
    for c in known:
        if complete.height >= _MIN_CORRELATED and complete[c].n_unique() > 1:
            scores[c] = special.ndtri(complete[c].rank("average").to_numpy() / (complete.height + 1))

    def pair(a: str, b: str) -> float:
        # A thousandth short of 1, so that the matrix stays positive definite.
        return 0.999 * float(np.corrcoef(scores[a], scores[b])[0, 1]) if a in scores and b in scores else 0.0

    return pair(columns[0], columns[1]), pair(columns[0], columns[2]), pair(columns[1], columns[2])


def correlated(first: Floats, others: Floats, correlation: Correlation) -> Floats:
    """Return three rows of uniform numbers whose normal scores are correlated, the first row's being `first`.

    Args:
        first: Standard normal numbers, (n,).
        others: Independent standard normal numbers, (2, n).
        correlation: As `fit_correlation` returns it.
    """
    from scipy import special

    a, b, c = correlation
    root = np.linalg.cholesky(np.array([[1.0, a, b], [a, 1.0, c], [b, c, 1.0]]))
    return np.asarray(special.ndtr(root @ np.vstack([first, others])))


def uniform(scores: Floats) -> Floats:
    """Return the probabilities of normal scores."""
    from scipy import special

    return np.asarray(special.ndtr(scores))


def conditional(correlation: float, given: Floats, noise: Floats) -> Floats:
    """Return normal scores that are correlated with the given ones.

    Args:
        correlation: Theirs.
        given: Standard normal numbers.
        noise: Independent ones.
    """
    return np.asarray(correlation * given + np.sqrt(1 - correlation**2) * noise)


def third(correlation: Correlation, first: Floats, second: Floats, noise: Floats) -> Floats:
    """Return the third of three correlated normal scores, given two.

    Args:
        correlation: As `fit_correlation` returns it.
        first: The first scores, standard normal.
        second: The second, correlated with these.
        noise: Independent standard normal numbers.
    """
    a, b, c = correlation
    root = np.linalg.cholesky(np.array([[1.0, a, b], [a, 1.0, c], [b, c, 1.0]]))
    return np.asarray(root[2, 0] * first + root[2, 1] * (second - a * first) / root[1, 1] + root[2, 2] * noise)

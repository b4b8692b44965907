"""What too few rows of a log have in common to be drawn for others: seldom combinations, and values that a law repeats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipesim.workload.laws.law import ConstantLaw, Law, QuantileLaw
from pipesim.workload.laws.quantities import Quantity

#: What fewer runs or tasks than this have in common could tell who they were.
FEWEST = 5


def common(counted: pl.DataFrame, columns: Sequence[str], count: str) -> pl.DataFrame:
    """Return combinations of which those that stand for under five rows have lost one column after the other.

    Args:
        counted: Distinct combinations, and how many rows each stands for.
        columns: The columns that are emptied (NULL), the first one first.
        count: The column of the number of rows; all others make up the combination.
    """
    others = [column for column in counted.columns if column != count]
    for column in columns:
        hidden = counted.with_columns(pl.when(pl.col(count) >= FEWEST).then(column))
        counted = hidden.group_by(others).agg(pl.col(count).sum())
    return counted


def smooth(law: Law, rows: float) -> Law:
    """Return a law that repeats no value which under five rows had.

    Families and mixtures repeat none. A table keeps both ends of a step of five rows, and else one knot in five rows, between
    which values are interpolated. One value of too few rows becomes a law around it, from its half to its double.

    Args:
        law: The law.
        rows: Of the log on which it rests, at most.
    """
    if isinstance(law, ConstantLaw) and law.value > 0 and rows < FEWEST:
        ends = (float(np.log(law.value / 2)), float(np.log(law.value * 2)))
        return QuantileLaw(zero=0.0, probabilities=(0.0, 1.0), log_values=ends)
    if not isinstance(law, QuantileLaw):
        return law
    p = law.probabilities
    least = FEWEST / max(rows * (1.0 - law.zero), 1.0)
    step = np.diff(p) >= least
    kept = [0]
    for i in range(1, len(p) - 1):
        if step[i - 1] or step[i] or min(p[i] - p[kept[-1]], p[-1] - p[i]) >= least:
            kept.append(i)
    kept.append(len(p) - 1)
    return law.model_copy(
        update={"probabilities": tuple(p[i] for i in kept), "log_values": tuple(law.log_values[i] for i in kept)}
    )


def smooth_quantity(quantity: Quantity, rows: float) -> Quantity:
    """Return a quantity whose law repeats no value which under five of so many rows had."""
    if quantity.law is None:
        return quantity
    return quantity.model_copy(update={"law": smooth(quantity.law, rows * (1.0 - quantity.missing))})

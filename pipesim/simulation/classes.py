"""Demand classes: attempts that every rule treats alike but for their turn and their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipesim.simulation.engine import Int32, Int64


@dataclass(frozen=True)
class Classes:
    """K demand classes, in ascending order of what tells them apart. D dimensions.

    Args:
        pool: [K] Where it goes.
        demand: [K, D] What it asks for of what its pool limits.
        tenant: [K] Its tenant, or -1 where no rule looks at it.
        kind: [K] The model of GPU that it needs, or -1 where every node of its pool will do.
        priority: [K] The priority of its runs, or 0 where no rule looks at it.
        parts: [K] On how many nodes it must be split; 0 where it fits no way.
    """

    pool: Int32
    demand: Int64
    tenant: Int32
    kind: Int32
    priority: Int64
    parts: Int64

    def only(self, kept: npt.NDArray[Any]) -> Self:
        """Return some of them."""
        return type(self)(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})


def number_rows(columns: Sequence[npt.NDArray[Any]]) -> tuple[Int64, Int64]:
    """Number the distinct rows of some columns in ascending order; returns the numbers and the first row of each."""
    number = columns[0].astype(np.int64)
    for column in columns[1:]:
        if (column == column[:1]).all():
            continue
        _, value = np.unique(column, return_inverse=True)
        # Numbered anew at each column, the product stays below the square of the number of rows.
        _, number = np.unique(number * (value.max(initial=0) + 1) + value, return_inverse=True)
    _, first, number = np.unique(number, return_index=True, return_inverse=True)
    return number, first

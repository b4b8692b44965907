"""What marks are for a set of submissions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Marks:
    """The marks of n submissions.

    Args:
        combination: [n] Row of `Combinations`.
        source: [n] The run of the log (position in `SourceRuns`) whose shape and work each has; None where they are drawn.
    """

    combination: Indices
    source: Indices | None

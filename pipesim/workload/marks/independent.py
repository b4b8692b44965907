"""Independent marks: each run is what it is whenever it arrives, but for sessions."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipesim.workload.arrivals.clock import Submissions
from pipesim.workload.marks.combinations import Combinations, gap_bins
from pipesim.workload.marks.drawn import Marks
from pipesim.workload.part import Part


class IndependentMarks(Part):
    """Each run draws one of the observed combinations, or has that of the run before: users submit a pipeline in sessions.

    However often combinations are repeated, each keeps its share of all runs.
    """

    kind: Literal["independent"] = "independent"

    def sample(self, rng: np.random.Generator, submissions: Submissions, combinations: Combinations) -> Marks:
        """Return the marks of submissions."""
        instants = submissions.instants
        shares = np.cumsum(combinations.runs) / np.sum(combinations.runs)
        fresh = np.searchsorted(shares, rng.random(len(instants)), side="right")
        again = rng.random(len(instants)) < np.append(0.0, np.asarray(combinations.repeat)[gap_bins(instants)])[: len(instants)]
        origin = np.maximum.accumulate(np.where(again, 0, np.arange(len(instants))))
        return Marks(np.minimum(fresh, len(shares) - 1)[origin], None)

"""The metrics, by what they look at. Each is a small object with a pure function of a real and another excerpt."""

from __future__ import annotations

from pipesim.quality.measures.arrivals import ARRIVALS
from pipesim.quality.measures.durations import DURATIONS
from pipesim.quality.measures.metric import CannotTellError, Metric
from pipesim.quality.measures.mixes import MIXES
from pipesim.quality.measures.sequence import SEQUENCE
from pipesim.quality.measures.waits import WAIT_ERROR, WAITS

__all__ = ["METRICS", "WAIT_ERROR", "CannotTellError", "Metric"]

#: In the order in which they are reported.
METRICS: tuple[Metric, ...] = (*ARRIVALS, *DURATIONS, *MIXES, *SEQUENCE, *WAITS)

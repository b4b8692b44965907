"""Orders of service: each turns what is known of an attempt into a key, and the least key goes first.

Ties go to the attempt queued earlier, then to the run submitted earlier, then to the earlier task of the run (rule 6).
A key depends on the attempt alone, so all keys are computed before the first event and every engine reads the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipesim.simulation.engine import Float64, Int64
from pipesim.simulation.scenario import Order


@dataclass(frozen=True)
class Known:
    """What an order may look at: one value an attempt.

    Args:
        hold: How long it will hold its resources, in microseconds (the oracle's estimate).
        share: Its dominant share: the largest part it takes of any resource that its pool limits.
        priority: Its run's priority, 0 where the log says none.
    """

    hold: Int64
    share: Float64
    priority: Int64


#: Float64 keys hold microseconds exactly up to 285 years, and priorities up to 2^53.
ORDERS: dict[Order, Callable[[Known], Float64]] = {
    "fifo": lambda known: np.zeros(len(known.hold)),
    "sjf": lambda known: known.hold.astype(np.float64),
    "ljf": lambda known: -known.hold.astype(np.float64),
    "smallest": lambda known: known.share,
    "priority": lambda known: -known.priority.astype(np.float64),
}

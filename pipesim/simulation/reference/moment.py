"""Events of the reference engine, by their ranks within an instant."""

from __future__ import annotations

import simpy
from simpy.events import EventPriority

#: Ranks within an instant: changes, triggers of retraining, passes over the pools, and what comes after. A plain SimPy timeout,
#: which is what the end of an attempt is, has rank 1.
CHANGE, LOOK, PASS, AFTER = (EventPriority(rank) for rank in (2, 3, 4, 5))


class Moment(simpy.Event):
    """An event that happens after a delay, behind all events of lower rank at that instant."""

    def __init__(self, env: simpy.Environment, rank: EventPriority, delay: int = 0) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, rank, delay)

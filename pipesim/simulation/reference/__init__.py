"""The reference engine: SimPy processes, written to be read. What it does is the meaning of a scenario.

Within one instant SimPy serves events by rank, which is what gives the order of rule 15: attempts that end, then submissions
and other changes, then the triggers of retraining, then one pass over the waiting tasks of every pool that changed, then the
autoscalers. An attempt that ends
at the instant it starts is an event of the first rank again, so it is followed by a further pass.
"""

from __future__ import annotations

from dataclasses import replace

from pipesim.simulation.engine import Schedule, SimulationInput, Tell
from pipesim.simulation.reference.platform import Platform


def run(given: SimulationInput, tell: Tell | None = None) -> Schedule:
    """Simulate from the first submission until nothing is left to happen, or the horizon.

    Args:
        given: The scenario and the trace.
        tell: Called every so often with the share of the simulated time that has passed, 0..1.

    Raises:
        OwnOrderError: If a user's own order raises, or gives no number.
        NoRetrainingsLeftError: If a model needs more of them than there are.
    """
    platform = Platform(given, tell)
    platform.simulate()
    schedule = platform.record.schedule(platform.stopped)
    return schedule if platform.models is None else replace(schedule, retrainings=platform.models.retrainings())

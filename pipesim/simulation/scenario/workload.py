"""Where the submissions of a scenario come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from pipesim.simulation.scenario.part import Amount, Part


class ReplayWorkload(Part):
    """Submit what the observed log submitted, when it did.

    Args:
        kind: `replay`.
    """

    kind: Literal["replay"] = "replay"


class SyntheticWorkload(Part):
    """Submit a synthetic trace, drawn from the fitted workload model.

    Args:
        kind: `synthetic`.
        days: The length of the synthetic horizon.
        scale: What the arrival rate is multiplied by; durations stay as they are.
        seed: The root seed of the draw.
    """

    kind: Literal["synthetic"] = "synthetic"
    days: Amount
    scale: Amount = 1.0
    seed: Annotated[int, Strict(), Field(ge=0, lt=2**63)] = 0

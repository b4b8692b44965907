"""What capacities are to achieve: a figure whose mean keeps a limit, with some confidence."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipesim.errors import RequestError
from pipesim.experiments.figures import METRICS

_OBJECTIVE = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+0-9.eE]+)\s*")


@dataclass(frozen=True)
class Objective:
    """What the mean of a figure is to keep: `p95_wait_s < 600`."""

    metric: str
    below: bool
    limit: float

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Read an objective.

        Raises:
            RequestError: If it is none, or there is no such figure.
        """
        found = _OBJECTIVE.fullmatch(text)
        try:
            limit = float(found[3]) if found else math.nan
        except ValueError:
            limit = math.nan
        if found is None or not math.isfinite(limit):
            raise RequestError(
                f"{text!r} is no objective", where="--slo", remedy='write a figure, < or >, and a number: "p95_wait_s < 600"'
            )
        if found[1] not in METRICS:
            raise RequestError(f"there is no figure {found[1]!r}", where="--slo", remedy=f"choose from: {', '.join(METRICS)}")
        return cls(found[1], found[2].startswith("<"), limit)

    def __str__(self) -> str:
        return f"{self.metric} {'<' if self.below else '>'} {self.limit:g}"

    def is_met(self, values: Sequence[float], confidence: float) -> bool:
        """Whether the mean keeps it, by the end of its one-sided interval at a confidence."""
        mean = float(np.mean(values))
        if len(values) > 1:
            from scipy.special import stdtrit

            reach = float(stdtrit(len(values) - 1, confidence)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
            mean += reach if self.below else -reach
        return mean < self.limit if self.below else mean > self.limit


def check_confidence(confidence: float) -> None:
    """Refuse what is no confidence.

    Raises:
        RequestError: If it is not from 0.5 to below 1.
    """
    if not 0.5 <= confidence < 1:
        raise RequestError(f"{confidence:g} is no confidence", where="--confidence", remedy="give 0.5 to below 1, as 0.95")

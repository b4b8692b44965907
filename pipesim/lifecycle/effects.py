"""What the tasks after training change of a version's metrics, and what the amount of data does to it.

The defaults are published figures:

- Pruning and performance: Zhu and Gupta, To prune, or not to prune (arXiv 1710.01878, 2017), InceptionV3 on ImageNet: top-1
  accuracy 78.1 % dense, and 78.0, 76.1, 74.6 % at a sparsity of 50, 75, 87.5 %.
- Pruning and latency: Li et al., Pruning filters for efficient ConvNets (arXiv 1608.08710, 2017), VGG-16 on CIFAR-10: without
  64 % of its parameters it needs 34.2 % fewer operations; time is taken to follow these, in proportion to the level.
- Hardening: Madry et al., Towards deep learning models resistant to adversarial attacks (arXiv 1706.06083, 2018), wide network
  on CIFAR-10: accuracy from 95.2 to 87.3 %, under attack from 3.5 to 45.8 %, which is 44 % of the way to 1.
- Data: Hestness et al., Deep learning scaling is predictable, empirically (arXiv 1712.00409, 2017): the error falls with the
  power -.07 to -.35 of the amount of data; the smallest is taken.
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipesim.lifecycle.metrics import LATENCY, PERFORMANCE, ROBUSTNESS, SIZE, Floats

Share = Annotated[float, Field(ge=0, le=1)]


class Effects(BaseModel):
    """What compress and harden tasks and the amount of data change.

    Args:
        level: Pruning levels (the share of the weights that is removed), ascending from 0; between them all is interpolated.
        performance: What is added to performance at each level.
        size: What size is multiplied by.
        latency: What latency is multiplied by.
        used: The levels that compress tasks choose,
        weight: and how often each.
        harden_gain: The part of the way to 1 that hardening moves robustness.
        harden_performance: What it adds to performance.
        learning_exponent: The error is multiplied by (data / usual data) to the power of minus this.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    level: tuple[Share, ...] = (0.0, 0.5, 0.75, 0.875)
    performance: tuple[float, ...] = (0.0, -0.001, -0.020, -0.035)
    size: tuple[Annotated[float, Field(gt=0)], ...] = (1.0, 0.5, 0.25, 0.125)
    latency: tuple[Annotated[float, Field(gt=0)], ...] = (1.0, 0.733, 0.599, 0.532)
    used: tuple[Share, ...] = (0.5, 0.75, 0.875)
    weight: tuple[Annotated[float, Field(gt=0)], ...] = (1.0, 1.0, 1.0)
    harden_gain: Share = 0.44
    harden_performance: float = -0.079
    learning_exponent: Annotated[float, Field(ge=0, le=1)] = 0.07

    @model_validator(mode="after")
    def _tables_match(self) -> Self:
        if not len(self.level) == len(self.performance) == len(self.size) == len(self.latency) > 0:
            raise ValueError("level, performance, size and latency must have the same length")
        if self.level[0] != 0 or any(a >= b for a, b in zip(self.level, self.level[1:], strict=False)):
            raise ValueError("the levels must ascend from 0")
        if len(self.used) != len(self.weight) or not self.used:
            raise ValueError("used and weight must have the same length")
        return self

    def choose_level(self, u: Floats) -> Floats:
        """Return the pruning levels that uniform numbers choose."""
        shares = np.cumsum(self.weight) / np.sum(self.weight)
        place = np.minimum(np.searchsorted(shares, u, side="right"), len(self.used) - 1)
        return np.asarray(self.used, np.float64)[place]

    def learn(self, metrics: Floats, data: Floats) -> Floats:
        """Return metrics, [n, 5], after training on so many times the usual amount of data, [n]; NaN is the usual."""
        ratio = np.where(np.isfinite(data) & (data > 0), data, 1.0)
        changed = metrics.copy()
        changed[:, PERFORMANCE] = np.clip(1 - (1 - metrics[:, PERFORMANCE]) * ratio**-self.learning_exponent, 0.0, 1.0)
        return changed

    def optimise(self, metrics: Floats, level: Floats, hardened: npt.NDArray[np.bool_]) -> Floats:
        """Return metrics, [n, 5], after pruning to a level, [n] (0: not at all), and hardening, [n]."""
        changed = metrics.copy()
        gain = np.interp(level, self.level, self.performance) + np.where(hardened, self.harden_performance, 0.0)
        changed[:, PERFORMANCE] = np.clip(metrics[:, PERFORMANCE] + gain, 0.0, 1.0)
        changed[:, ROBUSTNESS] += np.where(hardened, self.harden_gain, 0.0) * (1 - metrics[:, ROBUSTNESS])
        changed[:, SIZE] *= np.interp(level, self.level, self.size)
        changed[:, LATENCY] *= np.interp(level, self.level, self.latency)
        return changed

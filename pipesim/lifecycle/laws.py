"""What is known of a platform's models: how good new versions are, how they decay, how much data comes in; plain data."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipesim.lifecycle.effects import Effects
from pipesim.lifecycle.metrics import METRICS, Floats, from_latent

NotNegative = Annotated[float, Field(ge=0)]
Latent = Annotated[tuple[float, ...], Field(min_length=len(METRICS), max_length=len(METRICS))]

#: Means on the normal scales of a version of which nothing is known: performance .82, robustness .45, disparity .10, 10 MB,
#: 10 ms; and their standard deviations. They are chosen, not measured: the order of magnitude of a model in production.
DEFAULT_MEAN: Latent = (1.5, -0.2, -2.2, 16.1, 2.3)
DEFAULT_SD = (0.4, 0.5, 0.5, 0.8, 0.5)
#: What a model of which nothing was measured loses: a point of performance in five days.
DEFAULT_GRADUAL_PER_DAY = 0.002


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Decay(_Part):
    """How the performance of a live version decays: the sum of a gradual loss, of shocks and of a season (see `decay`).

    Args:
        gradual_per_day: Loss a day.
        jumps_per_day: How many shocks there are a day in the mean; they come at the instants of a Poisson process.
        jump_size: Loss a shock.
        season_swing: Loss at the height of the season.
        season_days: Its period.
    """

    gradual_per_day: NotNegative = 0.0
    jumps_per_day: NotNegative = 0.0
    jump_size: NotNegative = 0.0
    season_swing: NotNegative = 0.0
    season_days: Annotated[float, Field(gt=0)] = 7.0

    def mean_loss(self, days: float) -> float:
        """Return the loss to be expected so many days after deployment, at the height of a season."""
        return (self.gradual_per_day + self.jumps_per_day * self.jump_size) * days + self.season_swing


class ModelLaw(_Part):
    """One model, which a pipeline of that name owns.

    Args:
        name: The pipeline.
        framework: Its framework, where the log says one.
        tenant: Who is charged, where the log says so.
        mean: Mean metrics of a new version after training, on their normal scales.
        decay: How it decays once live.
        data_gb_per_day: How much new data comes in, in 10^9 bytes a day.
        usual_bytes: What its training usually reads; None where the log does not say.
        versions: How many versions the log has metrics of.
    """

    name: str
    framework: str | None = None
    tenant: str | None = None
    mean: Latent = DEFAULT_MEAN
    decay: Decay = Decay(gradual_per_day=DEFAULT_GRADUAL_PER_DAY)
    data_gb_per_day: NotNegative = 0.0
    usual_bytes: float | None = Field(default=None, gt=0)
    versions: int = Field(default=0, ge=0)


class LifecycleModel(_Part):
    """All models of a platform.

    Args:
        models: Those that pipelines of the log own, by name.
        covariance: Of the metrics of versions about their model's mean, on the normal scales, 5 x 5.
        noise_sd: Standard deviation of the error of a live measurement, which a simulation leaves out.
        effects: What later tasks change.
        notes: Where the log was silent, and what was taken instead.
    """

    models: tuple[ModelLaw, ...] = ()
    covariance: tuple[Latent, ...] = Field(
        default=tuple(tuple(sd * sd if i == j else 0.0 for j in range(len(METRICS))) for i, sd in enumerate(DEFAULT_SD)),
        min_length=len(METRICS),
        max_length=len(METRICS),
    )
    noise_sd: NotNegative = 0.0
    effects: Effects = Effects()
    notes: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, ModelLaw]:
        """The models by name."""
        return {model.name: model for model in self.models}

    def law_of(self, name: str) -> ModelLaw:
        """Return a model's law, or the defaults for one that the log did not have."""
        return self.by_name.get(name) or ModelLaw(name=name)

    def draw(self, mean: Floats, normal: Floats) -> Floats:
        """Return the metrics of new versions, [n, 5], from independent standard normal numbers, [n, 5].

        Args:
            mean: [n, 5] The means of their models on the normal scales.
            normal: [n, 5] The numbers.
        """
        covariance = np.array(self.covariance)
        # Of rank below five where the log tells of less; the eigenvectors give a root all the same.
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        return from_latent(mean + normal @ root.T)

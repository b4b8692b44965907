"""Fitting how the performance of each model's live versions decays: which losses it has, and how large they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipesim.lifecycle.laws import DEFAULT_GRADUAL_PER_DAY, Decay
from pipesim.lifecycle.live import Live, noise_sd
from pipesim.lifecycle.loss_fit import fit_losses
from pipesim.lifecycle.metrics import Floats
from pipesim.words import count

#: A model with fewer increments, or of fewer days, gets a law of several models; one with fewer measurements has no season.
MIN_INCREMENTS = 10
MIN_DAYS = 1.0
MIN_SEASONAL = 60
#: Days of the seasons that are tried.
PERIODS = (1.0, 7.0, 28.0, 30.0, 91.0, 365.0)
#: A measurement's error is taken to be this at least.
_LEAST_SD = 1e-6
_DEFAULT = Decay(gradual_per_day=DEFAULT_GRADUAL_PER_DAY)


class _Combination(NamedTuple):
    gradual: bool
    shocks: bool
    period: float | None

    @property
    def parameters(self) -> int:
        """How many numbers the data choose."""
        return self.gradual + 2 * self.shocks + 2 * (self.period is not None)


_RICHEST = _Combination(True, True, None)


def fit_decays(live: Live) -> tuple[list[Decay], float, list[str]]:
    """Return the law of each model, the standard deviation of a measurement's error, and what fell short.

    The error is that of all models together. It is estimated, the laws are fitted, and both once more with what the laws say
    taken away.
    """
    if not len(live.first):
        return [_DEFAULT] * live.models, 0.0, [f"the log has no version with two live metrics performance: {_words(_DEFAULT)}"]
    noise = noise_sd(live, live.value)
    noise = noise_sd(live, _fit(live, noise)[1])
    laws, _ = _fit(live, noise)
    few = (live.increments < MIN_INCREMENTS) | (live.observed_days < MIN_DAYS)
    if not few.any():
        return laws, noise, []
    if not few.all():
        pooled, words = _mean(laws, np.where(few, 0.0, live.observed_days)), "the mean law of the others"
    elif len(live.first) >= MIN_INCREMENTS and live.observed_days.sum() >= MIN_DAYS:
        pooled, words = _fit(live.together(), noise)[0][0], "one law of all of them"
    else:
        pooled, words = _DEFAULT, _words(_DEFAULT)
    models = count(int(few.sum()), "model has", "models have")
    note = f"{models} under {MIN_INCREMENTS} increments of live performance, or under a day of them: {words}"
    return [pooled if lacks else law for law, lacks in zip(laws, few, strict=True)], noise, [note]


def _words(law: Decay) -> str:
    return f"a loss of {law.gradual_per_day:g} a day"


def _mean(laws: list[Decay], days: Floats) -> Decay:
    """Return the law of the mean loss, each weighted by its days of observation, without seasons."""
    losses = np.array([[law.gradual_per_day, law.jumps_per_day, law.jumps_per_day * law.jump_size] for law in laws])
    gradual, rate, sudden = (days @ losses / days.sum()).tolist()
    return Decay(gradual_per_day=gradual, jumps_per_day=rate, jump_size=sudden / rate if rate > 0 else 0.0)


def _fit(live: Live, noise: float) -> tuple[list[Decay], Floats]:
    """Return each model's law, and what the laws leave of the measurements, [R].

    The Bayesian information criterion chooses, n being the number of increments. Where gradual loss and shocks together leave
    more than the error of the log, a model's error is what they leave: else it would be explained by losses that are none.
    """
    sd = max(noise, _LEAST_SD)
    able = {period: seasonal for period in PERIODS if (seasonal := _tells_of_season(live, period)).any()}
    combinations = [_Combination(g, s, period) for period in (None, *able) for g in (False, True) for s in (False, True)]
    fits = {combination: fit_losses(live, _courses(live, combination), combination.shocks, sd) for combination in combinations}
    left = live.total(fits[_RICHEST].residual ** 2) / np.maximum(live.increments - 2, 1)
    variance = np.maximum(left, sd * sd)
    best, chosen = np.full(live.models, np.inf), np.zeros(live.models, np.int64)
    residual = np.zeros_like(live.value)
    for number, combination in enumerate(combinations):
        fit = fits[combination]
        misfit = live.total(fit.residual**2) / variance + fit.surprise
        criterion = misfit + combination.parameters * np.log(np.maximum(live.increments, 1))
        better = fit.possible & (criterion < best)
        if combination.period is not None:
            better &= able[combination.period]
        best, chosen = np.where(better, criterion, best), np.where(better, number, chosen)
        residual = np.where(better[live.model], fit.residual, residual)
    laws = []
    for model, (gradual, shocks, period) in enumerate(combinations[number] for number in chosen):
        fit = fits[_Combination(gradual, shocks, period)]
        law: dict[str, float] = {}
        if gradual:
            law["gradual_per_day"] = fit.smooth[model, 0]
        if shocks:
            law |= {"jumps_per_day": fit.shocks[model] / live.observed_days[model], "jump_size": fit.jump[model]}
        if period is not None:
            law |= {"season_swing": fit.smooth[model, -1], "season_days": period}
        laws.append(Decay.model_validate(law))
    return laws, residual


def _courses(live: Live, combination: _Combination) -> list[Floats]:
    """Return the losses that go smoothly with time, for coefficients of 1."""
    courses = [live.days] if combination.gradual else []
    if combination.period is not None:
        courses.append((1 - np.cos(2 * np.pi * live.days / combination.period)) / 2)
    return courses


def _tells_of_season(live: Live, period: float) -> npt.NDArray[np.bool_]:
    """Return whether each model's measurements can tell of a season: many, over two periods, two and more in each."""
    many = np.bincount(live.model, minlength=live.models) >= MIN_SEASONAL
    close = 2 * live.observed_days <= period * live.increments
    return np.asarray(many & (live.longest >= 2 * period) & close)

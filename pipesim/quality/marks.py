"""Choosing how marks hang together with arrivals: by what a queue makes of each way, on the user's own log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.jobs import excerpt
from pipesim.quality.measures.metric import CannotTellError
from pipesim.quality.measures.waits import log_wait_ratios
from pipesim.quality.stretch import real_stretch, synthetic_stretch
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload import FitConfig, SynthesisConfig, WorkloadModel, fit, synthesize
from pipesim.workload.laws.law import Floats
from pipesim.workload.marks.fitting import MarksKind

_SEEDS = 8
#: From the simplest on: of ways that are as good, the first is taken.
_SIMPLEST_FIRST: tuple[MarksKind, ...] = ("independent", "hour-octave", "same-day")
_DEFAULT: MarksKind = "same-day"
#: What jobs are when they are shuffled: how much work, not when they come.
_WORK = ("seconds", "width")


def fit_with_best_marks(trace: Trace, config: FitConfig) -> WorkloadModel:
    """Return the model whose marks, of all ways to couple them to arrivals, bring a queue nearest to the log's waits.

    The error is the wait-time fidelity error of the 95th percentile at loads .7, .8 and .9, over 8 synthetic traces. Of the
    ways within one standard error of the best, the simplest is taken. The model's notes tell the figures, and beside them the
    ladder: the same error of the log itself with its work shuffled within each hour, each day, among hours as busy, and
    altogether.

    Args:
        trace: The observed trace.
        config: How to fit, but for the marks.
    """
    first = fit(trace, config.model_copy(update={"marks": _DEFAULT}))
    others = [kind for kind in _SIMPLEST_FIRST if kind != _DEFAULT]
    models = {kind: fit(trace, config.model_copy(update={"marks": kind}), durations_of=first) for kind in others}
    models = {kind: models.get(kind, first) for kind in _SIMPLEST_FIRST}
    real = excerpt(trace, real_stretch(first))
    try:
        # Not the seeds by which `quality` judges: of models that were chosen by these it would think too well.
        seeds = stream(config.seed, "quality", "marks").integers(2**31, 2**32, _SEEDS).tolist()
        errors = {kind: _errors(real, model, seeds) for kind, model in models.items()}
        rungs = shuffle_ladder(real, config.seed)
    except CannotTellError as error:
        return _noted(first, f"marks: {_DEFAULT}, as the log does not tell which are best: {error}")
    best = min(errors, key=lambda kind: float(np.mean(errors[kind])))
    near = [kind for kind in _SIMPLEST_FIRST if _as_good(errors[kind], errors[best])]
    told = ", ".join(f"{kind} {np.mean(found):.2f}" for kind, found in errors.items())
    ladder = ", ".join(f"{rung} {value:.2f}" for rung, value in rungs.items())
    note = f"marks: {near[0]} chosen by the error of waits (95th percentile): {told}; of the log with shuffled work: {ladder}"
    return _noted(models[near[0]], note)


def shuffle_ladder(real: Excerpt, seed: int) -> Mapping[str, float]:
    """Return the wait-time fidelity error of the log with its work shuffled within ever larger groups of jobs.

    Where it stays low, what was lost so far did not matter to a queue.

    Args:
        real: The log.
        seed: Root seed of the shuffles.

    Raises:
        CannotTellError: If too few jobs go through the queue.
    """
    hour = pl.col("at_us") // 3_600_000_000
    busy = pl.len().over(hour).log(2.0).floor()
    rungs = {"within an hour": hour, "a day": pl.col("day"), "hours as busy": busy, "altogether": pl.lit(0)}
    return {
        name: float(
            np.mean([_error(real, _shuffled(real, group, stream(seed, "quality", "ladder", name, n))) for n in range(_SEEDS)])
        )
        for name, group in rungs.items()
    }


def _errors(real: Excerpt, model: WorkloadModel, seeds: Sequence[int]) -> Floats:
    stretch, days = synthetic_stretch(real.stretch, model)
    traces = (synthesize(model, SynthesisConfig(days=days, seed=seed)) for seed in seeds)
    return np.array([_error(real, excerpt(trace, stretch, gpus=real.gpus)) for trace in traces])


def _error(real: Excerpt, other: Excerpt) -> float:
    return float(np.mean(np.abs(log_wait_ratios(real, other, "p95"))))


def _as_good(mine: Floats, best: Floats) -> bool:
    apart = mine - best
    return bool(np.mean(apart) <= np.std(apart, ddof=1) / np.sqrt(len(apart)))


def _shuffled(real: Excerpt, group: pl.Expr, rng: np.random.Generator) -> Excerpt:
    """Return the log with the work of its jobs in another order within each group."""
    of_group = real.jobs.with_columns(group.alias("group"))["group"].rank("dense").to_numpy()
    into = np.argsort(of_group, kind="stable")
    out_of = np.lexsort((rng.random(len(into)), of_group))
    source = np.empty(len(into), dtype=np.int64)
    source[into] = out_of
    return replace(real, jobs=real.jobs.with_columns(*(real.jobs[name][source] for name in _WORK)))


def _noted(model: WorkloadModel, note: str) -> WorkloadModel:
    provenance = model.provenance.model_copy(update={"notes": (note, *model.notes)})
    return model.model_copy(update={"provenance": provenance})

"""Metrics of order: whether like durations follow each other, and whether a machine can tell the traces apart."""

from __future__ import annotations

import numpy as np

from pipesim.quality.days import FEWEST_DAYS, half_of_the_days
from pipesim.quality.excerpt import Excerpt
from pipesim.quality.goal import Goal
from pipesim.quality.measures.arrivals import autocorrelation
from pipesim.quality.measures.classifier import separation
from pipesim.quality.measures.metric import CannotTellError, Metric, Parts, percent, whole


def duration_memory(real: Excerpt, other: Excerpt) -> Parts:
    """Return how far the lag-1 rank autocorrelations of the times that jobs hold their resources are apart."""
    return whole(abs(_rank_memory(other) - _rank_memory(real)))


def classifier_auc(real: Excerpt, other: Excerpt) -> Parts:
    """Return the area under the curve of a classifier of sequences of jobs, .5 or more; see `classifier.separation`."""
    return whole(separation(real, other))


def classifier_noise(real: Excerpt, rng: np.random.Generator) -> Parts:
    """Return how well one half of the real days can be told from the other.

    Days that were drawn with replacement would be known again from the fold that holds their like.
    """
    if len(real.days) < FEWEST_DAYS:
        raise CannotTellError(f"the log has fewer than {FEWEST_DAYS} days, so they cannot be halved")
    chosen = half_of_the_days(real.days, rng)
    return whole(separation(real.only(np.flatnonzero(chosen)), real.only(np.flatnonzero(~chosen))))


def _rank_memory(one: Excerpt) -> float:
    held = one.jobs["seconds"].drop_nulls()
    if held.is_empty():
        raise CannotTellError("no job says how long it held its resources")
    return autocorrelation(held.rank("average").to_numpy())


SEQUENCE = (
    Metric(
        "duration_memory_error",
        "memory of durations, error",
        duration_memory,
        Goal(high=0.15),
        Goal(high=0.08),
        says=lambda v: f"How much the duration of a job tells about that of the next, from 0 to 1, is off by {v:.2f}",
        real_says=lambda v: f"between real weeks by {v:.2f}",
    ),
    Metric(
        "classifier_auc",
        "told apart by a machine",
        classifier_auc,
        Goal(high=0.70),
        Goal(high=0.60),
        says=lambda v: (
            f"Shown twenty jobs in a row, real and synthetic, a machine picks the real ones {percent(v)} of the time"
        ),
        real_says=lambda v: f"of two sets of real days {percent(v)}, by guessing 50 %",
        perfect=0.5,
        noise=classifier_noise,
    ),
)

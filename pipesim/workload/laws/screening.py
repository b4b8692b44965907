"""Screening families with `fitter`: a first ranking by BIC, never the judge."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pipesim.workload.laws.closed_forms import Floats
from pipesim.workload.laws.families import FAMILIES, quiet

_ROWS = 2_000


@dataclass(frozen=True)
class Screened:
    """A family's Bayesian information criterion on the subsample, or why it has none."""

    family: str
    bic: float | None
    failed: str | None


def screen(values: Floats, resolution: float | None, rng: np.random.Generator) -> list[Screened]:
    """Score every family on at most 2,000 of the positive values, in units of their median.

    fitter abandons a fit that exceeds its time limit in a thread that computes on, and calls every failure a timeout. So it
    is given no limit: every family here has a closed-form density and scipy's optimiser stops after a fixed number of
    evaluations, hence each call ends by itself, in about a tenth of a second. Its default ranking (squared error against
    a histogram) favours wrong families on heavy tails, and its locations are free: it only screens.

    Args:
        values: Exact rows.
        resolution: The unit that they were rounded down to: each is moved to a random place of its interval, because fitter
            knows densities only.
        rng: Draws the subsample and the places.
    """
    from fitter import Fitter

    shown = rng.permutation(values)[:_ROWS] if len(values) > _ROWS else values
    if resolution is not None:
        shown = shown + rng.random(len(shown)) * resolution
    shown = shown[shown > 0]
    with quiet(), _no_monitor(), _messages("fitter.fitter") as messages:
        fitter = Fitter(shown / np.median(shown), distributions=list(FAMILIES), timeout=None, verbose=True)
        fitter.fit(progress=False, max_workers=1)
    return [_result(family, float(fitter.df_errors.loc[family, "bic"]), messages) for family in FAMILIES]


def _result(family: str, bic: float, messages: list[str]) -> Screened:
    if np.isfinite(bic):
        return Screened(family, bic, None)
    start = f"SKIPPED {family}: "
    why = next((text.removeprefix(start) for text in messages if text.startswith(start)), "its likelihood is not finite")
    return Screened(family, None, f"screening: {why}")


@contextmanager
def _no_monitor() -> Iterator[None]:
    """Keep tqdm, in which fitter wraps every fit, from starting a thread that watches bars for the rest of the process."""
    from tqdm import tqdm

    interval, tqdm.monitor_interval = tqdm.monitor_interval, 0
    try:
        yield
    finally:
        tqdm.monitor_interval = interval


@contextmanager
def _messages(name: str) -> Iterator[list[str]]:
    """Collect a logger's warnings, and show none of them."""
    texts: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    logger, collector = logging.getLogger(name), Collector(logging.WARNING)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(collector)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield texts
    finally:
        logger.removeHandler(collector)
        logger.setLevel(level)
        logger.propagate = propagate

"""Fitting the arrival model that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from pipesim.errors import RequestError
from pipesim.workload.arrivals.cascade import fit_cascade
from pipesim.workload.arrivals.clock import DAY_US, Instants
from pipesim.workload.arrivals.day_ar import FEWEST_DAYS, fit_day_ar
from pipesim.workload.arrivals.day_block import DayBlockArrivals
from pipesim.workload.arrivals.days import fit_source_days
from pipesim.workload.arrivals.hour_of_week_fit import fit_hour_of_week, fit_poisson
from pipesim.workload.arrivals.model import ArrivalModel
from pipesim.workload.laws.choice import LawChoice

ArrivalKind = Literal["day-block", "day-ar", "hour-of-week", "poisson"]

#: A log that is silent for longer than this, and for more than half of its time, has a clock that jumped, or is two logs.
_SILENCE_DAYS = 60


def fit_arrivals(
    kind: ArrivalKind, submitted: Instants, begin: int, end: int, streams: Callable[..., np.random.Generator]
) -> tuple[ArrivalModel, LawChoice | None, list[str]]:
    """Return the model, how the law of all gaps together was chosen (by `hour-of-week`), and what fell short.

    Args:
        kind: Which model.
        submitted: Sorted submission instants, at least one.
        begin: Where the log begins, in microseconds since 1970.
        end: Where it ends.
        streams: Gives the generator of a name.

    Raises:
        RequestError: If the log is silent for most of its time, as where a clock jumped.
    """
    _refuse_silence(submitted, end)
    if kind == "poisson":
        model, notes = fit_poisson(submitted, end)
        return model, None, notes
    if kind == "hour-of-week":
        return fit_hour_of_week(submitted, end, streams)
    source, notes = fit_source_days(submitted, begin, end)
    cascade = fit_cascade(submitted)
    if kind == "day-ar" and len(source.day) >= FEWEST_DAYS:
        return fit_day_ar(source, cascade), None, notes
    if kind == "day-ar":
        notes.append(f"arrivals: under {FEWEST_DAYS} whole days tell no correlation between days, so day-block serves")
    return DayBlockArrivals(source=source, cascade=cascade), None, notes


def _refuse_silence(submitted: Instants, end: int) -> None:
    instants = np.append(submitted, max(end, submitted[-1]))
    gaps = np.diff(instants)
    if gaps.max() <= max(_SILENCE_DAYS * DAY_US, (instants[-1] - instants[0]) / 2):
        return
    at = int(np.argmax(gaps))
    last, after = (str(np.datetime64(int(instants[i]), "us"))[:19] for i in (at, at + 1))
    # One side of the silence: what comes after it, if anything was submitted there.
    side = submitted[at + 1 :] if at + 1 < len(submitted) else submitted
    begin, until = (str(np.datetime64(int(side[i]), "us"))[:10] for i in (0, -1))
    raise RequestError(
        f"nothing was submitted from {last} to {after}, more than half of the log: a clock jumped, or these are two logs",
        where="pipeline_runs.submitted_at",
        remedy=f"fit one side of it, for example with --window {begin}..{until}",
    )

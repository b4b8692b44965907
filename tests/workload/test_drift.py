from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload import FitConfig, fit
from pipesim.workload.drift import Drift, fit_drift
from pipesim.workload.tasks.attempts import prepare

MONDAY = datetime(2024, 1, 1)


def weeks(
    count: int,
    seed: int,
    runs: Callable[[int], float] = lambda week: 300.0,
    seconds: Callable[[int], float] = lambda week: 100.0,
    tenants: Callable[[int], float] = lambda week: 0.5,
) -> tuple[tuple[Drift, ...], list[str]]:
    rng = np.random.default_rng(seed)
    rows: list[Any] = []
    for week in range(count):
        n = rng.poisson(runs(week))
        at = np.sort(rng.random(n)) * 7 * 86_400 + week * 7 * 86_400
        rows += zip(at, seconds(week) * rng.lognormal(0, 1, n), np.where(rng.random(n) < tenants(week), "a", "b"), strict=True)
    frame = pl.DataFrame(rows, schema=["at", "seconds", "tenant"], orient="row").with_row_index("run_id")
    frame = frame.with_columns(
        pipeline_name=pl.lit("p"),
        attempt=1,
        submitted_at=pl.lit(MONDAY) + pl.duration(milliseconds=(pl.col("at") * 1e3).cast(pl.Int64)),
    )
    return fit_drift(frame, frame.select("run_id", "attempt", "seconds"), partial(stream, 0))


def test_weeks_of_one_law_seldom_warn_and_weeks_that_move_do() -> None:
    still = sum(len(weeks(8, seed)[1]) > 0 for seed in range(20))
    assert still <= 3  # 5 % together
    moving: list[dict[str, Any]] = [
        {"runs": lambda week: 200.0 * 1.2**week},
        {"seconds": lambda week: 100.0 * 1.3**week},
        {"tenants": lambda week: 0.1 + 0.1 * week},
    ]
    for what, change in zip(("runs", "durations", "mix"), moving, strict=True):
        found, notes = weeks(8, 1, **change)
        assert [drift.what for drift in found if drift.found] == [what]
        assert len(notes) == 1
        assert "not stationary" in notes[0]
        assert "--window 2024-01-29..2024-02-25" in notes[0]


def test_a_step_in_the_middle_is_a_drift_too() -> None:
    found, _ = weeks(6, 2, seconds=lambda week: 100.0 if week < 3 else 400.0)
    durations = next(drift for drift in found if drift.what == "durations")
    assert durations.found
    assert durations.far > 2 * durations.near


@pytest.mark.parametrize("count", [1, 4])
def test_too_few_weeks_tell_nothing(count: int) -> None:
    assert weeks(count, 1) == ((), [])


def test_the_model_keeps_the_drift_and_says_it(philly: Trace, job_trace: Callable[..., Trace]) -> None:
    found, notes = fit_drift(philly.pipeline_runs.sort("submitted_at"), prepare(philly), partial(stream, 0))
    assert [drift.weeks for drift in found] == [6, 6, 6]
    assert not notes
    hours = np.arange(60 * 24)
    drifting = fit(job_trace(np.exp(hours / 300.0), at_s=hours * 3600.0), FitConfig(arrivals="poisson", marks="independent"))
    assert any(note.startswith("drift: the window is not stationary") for note in drifting.notes)
    assert drifting.window.end == MONDAY + timedelta(hours=60 * 24 - 1)

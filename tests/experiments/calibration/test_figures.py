"""The figures of logs that leave things out, and of simulations as a log of them would tell them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from pipesim.experiments.calibration.figures import FigureError, observed_figures, simulated_figures
from pipesim.experiments.calibration.pool_fit import PoolFit
from pipesim.experiments.calibration.words import trust_sentence
from pipesim.simulation import Scenario, simulate
from pipesim.trace import Trace
from tests.experiments.calibration.conftest import START, gpu, platform

UNTIL = START + timedelta(hours=10)
SCENARIO = platform("s", gpu(2))
PLAIN = FigureError("mean_wait_s", None, "seconds", 10.0, 8.0, 11.0, None, 0.1, None, None, None, None)


def _at(minutes: float | None) -> datetime | None:
    return None if minutes is None else START + timedelta(minutes=minutes)


def _log(*tasks: dict[str, Any]) -> Trace:
    """A log of runs of one task on a GPU each, submitted at the beginning."""
    kinds = dict.fromkeys(("queued_at", "started_at", "ended_at"), pl.Datetime("us")) | {"duration_s": pl.Float64}
    rows = [
        {"run_id": f"r{n}", "task_id": "t", "attempt": 1, "status": "SUCCEEDED", "duration_s": None}
        | {name: _at(task.get(name)) for name in ("queued_at", "started_at", "ended_at")}
        | {name: value for name, value in task.items() if not name.endswith("_at")}
        for n, task in enumerate(tasks)
    ]
    tasks_ = pl.DataFrame(rows, schema_overrides=kinds).with_columns(
        raw_status="status", task_name=pl.lit("t"), task_type=pl.lit("train"), is_censored=False, gpus=1.0
    )
    runs = tasks_.select(
        "run_id", "status", "raw_status", "ended_at", pipeline_name=pl.lit("p"), time_basis=pl.lit("utc"),
        submitted_at=pl.lit(START), observed_until=pl.lit(UNTIL),
    )  # fmt: skip
    return Trace({"pipeline_runs": runs, "task_runs": tasks_})


def _observed(*tasks: dict[str, Any]) -> dict[Any, float]:
    return observed_figures(_log(*tasks), SCENARIO, int(pl.Series([UNTIL]).dt.epoch("us")[0]))[0]


def test_waits_that_a_log_does_not_tell_or_cannot_mean_do_not_count() -> None:
    found = _observed(
        {"queued_at": 0, "started_at": 10, "ended_at": 70},
        {"started_at": 30, "ended_at": 90},  # the first of its run, so queued when that was submitted
        {"queued_at": 100, "started_at": 40, "ended_at": 100},  # of two clocks
        {"queued_at": 0, "started_at": 500},  # how long it took nobody knows, so that no replay has it
    )
    assert found["mean_wait_s", None] == found["mean_wait_s", "gpu"] == 20 * 60


def test_an_attempt_without_an_end_held_its_pool_for_as_long_as_it_took() -> None:
    found = _observed(
        {"queued_at": 0, "started_at": 0, "duration_s": 3600.0}, {"queued_at": 0, "started_at": 540, "status": "RUNNING"}
    )
    assert found["utilization", "gpu"] == pytest.approx(2 / 20), "an hour each, of two GPUs for ten hours"


@pytest.mark.parametrize(("held", "wait_s", "jct_s"), [("before", 600, 4200), ("after", 0, 3600)])
def test_what_is_held_beside_the_work_counts_as_a_log_tells_it(held: Any, wait_s: float, jct_s: float) -> None:
    truth = Scenario.model_validate(platform("truth", gpu(2, overhead_s=600.0)).model_dump(mode="json", exclude_none=True))
    trace = simulate(_log({"duration_s": 3600.0}, {"duration_s": 3600.0}), truth).trace
    pool = PoolFit("gpu", "gpus", 2, 2, 2, 2, 600.0, held, 1.0, None, None, None)
    found = simulated_figures(trace, SCENARIO, [pool], int(pl.Series([UNTIL]).dt.epoch("us")[0]))
    assert (found["mean_wait_s", "gpu"], found["mean_jct_s", None]) == (wait_s, jct_s)
    assert found["utilization", "gpu"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("wait", "said"),
    [
        (None, "Of the log's waits too few are known"),
        (
            dict.fromkeys(("observed", "replayed"), 0.0) | {"platform_error": None},
            "Nobody waits in the log; neither does anybody",
        ),
        ({"observed": 0.0, "platform_error": None}, "Nobody waits in the log; tasks wait 11 s on average in its replay"),
        ({}, "tasks wait 10.0 % longer than in the log; nothing was drawn"),
        ({"replayed": 0.0, "platform_error": -1.0, "drawn": 3.0}, "100.0 % shorter than in the log; drawn work waits 3 s"),
    ],
)
def test_the_sentence_on_trust_says_what_is_known(wait: dict[str, Any] | None, said: str) -> None:
    assert said in trust_sentence(None if wait is None else replace(PLAIN, **wait))

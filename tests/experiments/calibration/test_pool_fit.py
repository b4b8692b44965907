"""What was true of a pool is found again from its log, and told apart from what was believed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from pipesim.experiments.calibration.log import log_of
from pipesim.experiments.calibration.pool_fit import PoolFit, _Search, fit_pool
from pipesim.experiments.calibration.trial import Guess, PoolTrials
from pipesim.experiments.calibration.words import pool_sentence
from pipesim.experiments.capacity.trials import Sized
from pipesim.simulation import Scenario
from pipesim.trace import Trace
from tests.experiments.calibration.conftest import START, cpu, gpu, platform

BELIEVED = platform("believed", gpu(8), cpu(8))


def fitted(trace: Trace, believed: Scenario = BELIEVED) -> dict[str, PoolFit]:
    pools = believed.platform.pools
    return {
        pools[log.place].name: fit_pool(believed, log, Sized.of(believed, pools[log.place].name))
        for log in log_of(trace, believed)
    }


def test_a_true_platform_is_left_as_it_is_and_nothing_is_off(logged: Callable[..., Trace]) -> None:
    for found in fitted(logged(BELIEVED)).values():
        assert (found.capacity, found.overhead_s, found.held) == (8, 0.0, None)
        assert (found.error_as_given, found.error, found.error_elsewhere) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("side", ["before", "after"])
def test_capacity_and_overhead_are_found(logged: Callable[..., Trace], side: str) -> None:
    truth = platform("truth", gpu(7, overhead_s=90.0), cpu(6, overhead_s=20.0))
    found = fitted(logged(truth, side))
    for pool, capacity, overhead_s in (("gpu", 7, 90.0), ("cpu", 6, 20.0)):
        of = found[pool]
        assert (of.capacity, of.held) == (capacity, side)
        assert of.overhead_s == pytest.approx(overhead_s, rel=0.1)
        assert of.low is not None
        assert of.high is not None
        assert of.low <= capacity <= of.high
        assert of.error is not None
        assert of.error_as_given is not None
        assert of.error_elsewhere is not None
        assert of.error < 0.02 < 0.1 < of.error_as_given
        assert of.error_elsewhere < 0.1


def test_what_a_scenario_says_of_overhead_is_part_of_what_it_is_judged_by(logged: Callable[..., Trace]) -> None:
    truth = platform("truth", gpu(8, overhead_s=90.0), cpu(8))
    found = fitted(logged(truth, "after"), truth)["gpu"]
    assert found.error_as_given == pytest.approx(0, abs=1e-9)
    assert found.overhead_s == pytest.approx(90, rel=0.1)


def test_another_policy_leaves_an_error_that_no_capacity_explains(logged: Callable[..., Trace]) -> None:
    found = fitted(logged(platform("truth", gpu(8), cpu(8), order="ljf", backfill="none")))["gpu"]
    assert found.error is not None
    assert found.error > 0.1


def test_where_nobody_waits_nothing_can_be_told(logged: Callable[..., Trace]) -> None:
    believed = platform("believed", gpu(8), cpu(2000), {"name": "idle", "slots": 1, "accepts": {"gpu_type": "none"}})
    found = fitted(logged(platform("truth", gpu(8), cpu(4000))), believed)
    assert (found["cpu"].capacity, found["cpu"].error) == (2000, None)
    assert "nobody waited" in found["cpu"].note
    assert found["idle"].note == "no task went there"
    assert found["gpu"].note == ""


def test_where_the_capacity_is_hardly_ever_felt_no_greatest_one_is_told(logged: Callable[..., Trace]) -> None:
    """With so many cores hardly anybody waits for one; that attempts are set up for a while is all that is to be seen."""
    found = fitted(logged(platform("truth", gpu(8), cpu(60, overhead_s=30.0))), platform("believed", gpu(8), cpu(60)))["cpu"]
    assert found.high is None
    assert found.low is not None
    assert found.low < 60
    assert found.overhead_s == pytest.approx(30, rel=0.05)
    assert "or more fit as well" in pool_sentence(found)


def test_how_sure_a_capacity_is_a_log_of_a_day_does_not_tell(logged: Callable[..., Trace]) -> None:
    trace = logged(BELIEVED)
    runs = trace.pipeline_runs.filter(pl.col("submitted_at") < START + timedelta(hours=14))
    runs = runs.with_columns(observed_until=pl.lit(START + timedelta(hours=14)))
    tables = {name: trace[name].join(runs, on="run_id", how="semi") for name in ("task_runs", "task_edges")}
    found = fitted(Trace({"pipeline_runs": runs, **tables}))["gpu"]
    assert (found.note, found.capacity, found.low, found.high) == ("", 8, None, None)
    assert "gpu: 8 gpus (how sure that is, so short a log does not tell)" in pool_sentence(found)


def test_a_pool_whose_waits_are_hardly_known_is_not_fitted(logged: Callable[..., Trace]) -> None:
    trace = logged(BELIEVED)
    lost = (pl.col("pool") == "gpu") & (pl.int_range(pl.len()).over("pool") >= 5)
    silent = pl.when(~lost).then("queued_at").alias("queued_at")
    found = fitted(Trace({**trace.frames, "task_runs": trace.task_runs.with_columns(silent)}))
    assert found["gpu"].note == "the log says of 5 of its 700 attempts only how long they waited"
    assert found["cpu"].note == ""


@pytest.mark.parametrize(("least", "most"), [(1, 400), (2, 399), (37, 101), (98, 100)])
def test_no_capacity_is_told_as_good_that_was_not_tried(logged: Callable[..., Trace], least: int, most: int) -> None:
    """The search strides ever further, and must neither step over the last one nor stop before it."""
    (log, _), sized = log_of(logged(BELIEVED), BELIEVED), Sized.of(BELIEVED, "gpu")
    search = _Search(PoolTrials(BELIEVED, log, sized), log, sized, np.ones(24, np.bool_), None)
    search.of = Guess  # type: ignore[method-assign]
    search._is_worse = lambda guess, best: not least <= guess.capacity <= most  # type: ignore[method-assign]
    assert search.as_good(Guess(100)) == (least, most if most < 400 else None)

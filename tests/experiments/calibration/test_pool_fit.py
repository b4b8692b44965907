"""What was true of a pool is found again from its log, and told apart from what was believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipesim.experiments.calibration.log import log_of
from pipesim.experiments.calibration.pool_fit import PoolFit, fit_pool
from pipesim.experiments.calibration.words import pool_sentence
from pipesim.experiments.capacity.trials import Sized
from pipesim.simulation import Scenario
from pipesim.trace import Trace
from tests.experiments.calibration.conftest import cpu, gpu, platform

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

from __future__ import annotations

import numpy as np
import pytest

from pipesim.workload.laws.resolution import find_resolution, share_tied

RNG = np.random.default_rng(4)
SECONDS = RNG.lognormal(6, 1.5, 3_000)


@pytest.mark.parametrize("unit", [0.001, 0.1, 1.0, 60.0, 300.0, 3_600.0])
def test_a_unit_is_found(unit: float) -> None:
    assert find_resolution(np.floor(SECONDS * 10 / unit) * unit) == unit


def test_there_is_no_unit_where_chance_explains_it() -> None:
    assert find_resolution(SECONDS) is None
    assert find_resolution(SECONDS * 1e-9) is None
    # Three values are hardly all full minutes by accident if the unit is a tenth of a second, but may be if it is a second.
    assert find_resolution(np.array([60.0, 120.0, 180.0])) == 1.0
    assert find_resolution(60.0 * np.arange(1.0, 7.0)) == 10.0
    assert find_resolution(60.0 * np.arange(1.0, 30.0)) == 60.0
    assert find_resolution(np.zeros(10)) is None
    assert find_resolution(np.array([])) is None


def test_a_few_odd_values_are_put_down_to_another_source() -> None:
    mixed = np.floor(SECONDS)
    mixed[:20] += 0.37
    assert find_resolution(mixed) == 1.0
    mixed[:300] += 0.37
    assert find_resolution(mixed) == 0.01
    assert find_resolution(np.append(np.floor(SECONDS), 1e12)) == 1.0


def test_share_tied() -> None:
    assert share_tied(np.array([0.0, 0.0, 1.0, 1.0, 2.0, 3.0])) == 0.5
    assert share_tied(np.zeros(3)) == 0.0

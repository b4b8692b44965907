from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipesim.lifecycle import METRICS, Effects

#: Performance, robustness, fairness, bytes, milliseconds.
VERSION = np.array([[0.8, 0.4, 0.1, 1000.0, 20.0]])


def optimised(effects: Effects, level: float, hardened: bool) -> dict[str, float]:
    changed = effects.optimise(VERSION, np.array([level]), np.array([hardened]))
    return dict(zip(METRICS, changed[0].tolist(), strict=True))


def test_what_nothing_is_done_to_stays_as_it_is() -> None:
    assert np.array_equal(Effects().optimise(VERSION, np.zeros(1), np.zeros(1, np.bool_)), VERSION)
    assert np.array_equal(Effects().learn(VERSION, np.ones(1)), VERSION)


def test_pruning_follows_its_table_and_lines_between() -> None:
    effects = Effects(level=(0, 0.4, 0.8), performance=(0, -0.01, -0.05), size=(1, 0.6, 0.2), latency=(1, 0.9, 0.5))
    at, between, beyond = (optimised(effects, level, False) for level in (0.4, 0.6, 0.99))
    assert at == pytest.approx({**between, "performance": 0.79, "size_bytes": 600, "latency_ms": 18})
    assert between == pytest.approx({**at, "performance": 0.77, "size_bytes": 400, "latency_ms": 14})
    assert beyond == pytest.approx({**at, "performance": 0.75, "size_bytes": 200, "latency_ms": 10})
    assert (at["robustness"], at["fairness"]) == (0.4, 0.1)


def test_hardening_moves_robustness_part_of_the_way_and_costs_performance() -> None:
    effects = Effects(harden_gain=0.25, harden_performance=-0.02)
    hardened = optimised(effects, 0.0, True)
    assert hardened == pytest.approx(
        {"performance": 0.78, "robustness": 0.4 + 0.25 * 0.6, "fairness": 0.1, "size_bytes": 1000, "latency_ms": 20}
    )
    both = optimised(effects, 0.5, True)
    assert both["performance"] == pytest.approx(0.8 - 0.02 - 0.001)
    assert both["robustness"] == hardened["robustness"]


def test_more_data_lower_the_error_by_a_power() -> None:
    effects = Effects(learning_exponent=0.5)
    amounts = np.array([4.0, 0.25, np.nan, 0.0, -1.0, np.inf])
    learnt = effects.learn(np.repeat(VERSION, 6, axis=0), amounts)
    assert learnt[:, 0] == pytest.approx([1 - 0.2 / 2, 1 - 0.2 * 2, 0.8, 0.8, 0.8, 0.8])
    assert np.array_equal(learnt[:, 1:], np.repeat(VERSION[:, 1:], 6, axis=0))
    assert effects.learn(VERSION, np.array([1e-6]))[0, 0] == 0.0  # an error of 200 is cut to 1


def test_levels_are_chosen_by_their_weights() -> None:
    effects = Effects(used=(0.2, 0.5, 0.9), weight=(1.0, 2.0, 1.0))
    assert effects.choose_level(np.array([0.0, 0.2499, 0.25, 0.7499, 0.75, 1.0])).tolist() == [0.2, 0.2, 0.5, 0.5, 0.9, 0.9]
    shares = np.unique(effects.choose_level((np.arange(4000) + 0.5) / 4000), return_counts=True)[1] / 4000
    assert shares.tolist() == [0.25, 0.5, 0.25]


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": (0.1, 0.5), "performance": (0, 0), "size": (1, 1), "latency": (1, 1)},
        {"level": (0, 0.5, 0.5), "performance": (0, 0, 0), "size": (1, 1, 1), "latency": (1, 1, 1)},
        {"level": (0, 0.5)},
        {"level": (), "performance": (), "size": (), "latency": ()},
        {"used": (), "weight": ()},
        {"used": (0.5,)},
        {"weight": (1.0, 0.0, 1.0)},
        {"harden_gain": 1.1},
        {"learning_exponent": float("nan")},
    ],
)
def test_tables_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Effects.model_validate(wrong)


@given(
    st.tuples(*[st.floats(0, 1)] * 3, st.floats(1e-3, 1e12), st.floats(1e-3, 1e6)),
    st.floats(0, 1),
    st.booleans(),
    st.floats(1e-12, 1e12),
)
def test_metrics_stay_in_their_ranges(metrics: tuple[float, ...], level: float, hardened: bool, amount: float) -> None:
    version = Effects().learn(np.array([metrics]), np.array([amount]))
    changed = Effects().optimise(version, np.array([level]), np.array([hardened]))[0]
    assert np.all((changed[:3] >= 0) & (changed[:3] <= 1))
    assert 0 < changed[3] <= metrics[3]
    assert 0 < changed[4] <= metrics[4]
    assert changed[1] >= metrics[1]

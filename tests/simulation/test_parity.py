"""The engines agree to the microsecond on thousands of random inputs that are made to collide (I6)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.simulation.engine import CODE, NEVER, SimulationInput
from pipesim.simulation.engines import ENGINES

#: So many inputs are drawn from each of hypothesis's seeds: drawing them one by one would take longer than simulating them.
EACH = 20
_OUTCOMES = np.array([CODE[s] for s in ("SUCCEEDED",) * 6 + ("UNKNOWN", "SKIPPED", "FAILED", "TIMEOUT", "RUNNING", "PENDING")])


def _offsets(sizes: Any) -> Any:
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)


def _random_input(rng: np.random.Generator, greedy: bool, runs: int, width: int, busy: int) -> SimulationInput:
    """Draw runs of up to four tasks that depend on each other, on pools of up to three resources, with ties everywhere."""
    run_tasks = _offsets(rng.integers(0, 5, runs))
    tasks = int(run_tasks[-1])
    edges = [
        (parent, child)
        for first, last in zip(run_tasks[:-1].tolist(), run_tasks[1:].tolist(), strict=True)
        for child in range(first, last)
        for parent in range(first, child)
        if rng.random() < 0.4
    ]
    parents, children = np.array(edges, np.int64).reshape(-1, 2).T
    order = np.argsort(parents, kind="stable")
    task_attempts = _offsets(1 + (rng.random(tasks) < 0.3))
    attempts = int(task_attempts[-1])
    pools, classes = int(rng.integers(1, 4)), int(rng.integers(1, 7))
    capacity = rng.integers(2, 5, (pools, width)) * 1000
    class_pool = rng.integers(0, pools, classes).astype(np.int32)
    # Some dimensions are not limited: capacity and demand are 0 there.
    capacity *= rng.random((pools, width)) < 0.8
    demand = np.minimum(rng.integers(0, 5, (classes, width)) * 500, capacity[class_pool])
    return SimulationInput(
        run_submitted=np.sort(rng.integers(0, busy, runs)),
        run_tasks=run_tasks,
        task_parents=np.bincount(children, minlength=tasks).astype(np.int32),
        task_children=_offsets(np.bincount(parents, minlength=tasks)),
        children=children[order],
        task_attempts=task_attempts,
        attempt_class=rng.integers(-1, classes, attempts).astype(np.int32),
        attempt_hold=rng.integers(0, 5, attempts),
        attempt_outcome=rng.choice(_OUTCOMES, attempts).astype(np.int8),
        attempt_key=rng.integers(0, 3, attempts).astype(np.float64),
        class_pool=class_pool,
        class_demand=demand,
        capacity=capacity,
        greedy=greedy,
        newest_first=bool(rng.integers(0, 4) == 0),
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 12), st.integers(1, 3), st.sampled_from([1, 5, 40]))
def test_the_engines_give_the_same_schedule(seed: int, greedy: bool, runs: int, width: int, busy: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(EACH):
        drawn = _random_input(rng, greedy, runs, width, busy)
        expected, found = ENGINES["reference"](drawn), ENGINES["compiled"](drawn)
        for name in ("queued", "started", "ended", "task_state"):
            assert np.array_equal(getattr(expected, name), getattr(found, name)), name


def test_a_deep_queue_and_a_long_chain_are_served_alike() -> None:
    rng = np.random.default_rng(1)
    drawn = _random_input(rng, True, 4000, 2, 50)
    expected, found = ENGINES["reference"](drawn), ENGINES["compiled"](drawn)
    assert np.array_equal(expected.started, found.started)
    assert (found.started != NEVER).sum() > 1000


@pytest.mark.parametrize("name", ENGINES)
def test_progress_is_told_and_only_grows(name: str) -> None:
    drawn = _random_input(np.random.default_rng(2), False, 150_000 if name == "compiled" else 5_000, 1, 10**6)
    told: list[float] = []
    ENGINES[name](drawn, told.append)
    assert len(told) >= 2
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1

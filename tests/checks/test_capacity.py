"""What pools hold at once against what they have: by hand, and against a count at every instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.checks.capacity import capacity_exceeded, started_beyond, usage
from pipesim.lake import Lake
from pipesim.trace import Trace
from tests.checks.conftest import MONDAY

Attempt = tuple[float, float | None, float]


def after(seconds: float | None) -> datetime | None:
    return None if seconds is None else MONDAY + timedelta(seconds=seconds)


def trace(attempts: list[Attempt], pools: list[dict[str, Any]], **columns: Any) -> Trace:
    """Attempts as (start, end, gpus) in seconds, all in the pool `a`."""
    rows = [
        {"run_id": f"r{i}", "task_id": "t", "attempt": 1, "pool": "a", "started_at": after(s), "ended_at": after(e), "gpus": g}
        for i, (s, e, g) in enumerate(attempts)
    ]
    runs = [{"run_id": row["run_id"], "observed_until": after(100)} for row in rows]
    times = [{**p, "valid_from": after(p.get("valid_from", 0)), "valid_to": after(p.get("valid_to"))} for p in pools]
    instants = {"valid_from": pl.Datetime("us"), "valid_to": pl.Datetime("us")}
    return Trace(
        {
            "pipeline_runs": pl.DataFrame(runs),
            "task_runs": pl.DataFrame(rows, schema_overrides={"ended_at": pl.Datetime("us")}).with_columns(**columns),
            "pools": pl.DataFrame(times, schema_overrides=instants),
        }
    )


def measured(found: pl.DataFrame) -> tuple[object, ...]:
    return found.select("resource", "peak", "capacity", "over_s", "longest_s").row(0)


TWO = [{"pool": "a", "gpus": 2.0}]


@pytest.mark.parametrize(
    ("attempts", "pools", "expected"),
    [
        ([(0, 10, 2), (10, 20, 2)], TWO, ("gpus", 2, 2, 0, 0)),
        ([(0, 10, 2), (9, 20, 1)], TWO, ("gpus", 3, 2, 1, 1)),
        ([(0, 10, 1), (0, 10, 1), (5, 5, 9)], TWO, ("gpus", 2, 2, 0, 0)),
        ([(0, None, 2), (90, 99, 1)], TWO, ("gpus", 3, 2, 9, 9)),
        ([(0, 4, 3), (4, 8, 3), (20, 23, 3)], TWO, ("gpus", 3, 2, 11, 8)),
        # Capacity that grows, then shrinks below what is held; none is known before and after.
        (
            [(0, 60, 3)],
            [
                {"pool": "a", "gpus": 2.0, "valid_from": 5},
                {"pool": "a", "gpus": 4.0, "valid_from": 10},
                {"pool": "a", "gpus": 1.0, "valid_from": 40, "valid_to": 45},
            ],
            ("gpus", 3, 1, 10, 5),
        ),
        ([(0, 10, 1), (0, 10, 1)], [{"pool": "a", "slots": 1}], ("slots", 2, 1, 10, 10)),
        ([(0, 10, 9)], [{"pool": "a", "kind": "?"}], (None, None, None, None, None)),
        ([(0, 10, 9)], [{"pool": "b", "gpus": 1.0}], (None, None, None, None, None)),
    ],
)
def test_what_is_held_is_measured(attempts: list[Attempt], pools: list[dict[str, Any]], expected: tuple[object, ...]) -> None:
    assert measured(usage(trace(attempts, pools))) == expected


SHRINKS = [{"pool": "a", "gpus": 4.0, "slots": 9}, {"pool": "a", "gpus": 2.0, "slots": 9, "valid_from": 10}]


@pytest.mark.parametrize(
    ("attempts", "found"),
    [
        ([(0, 20, 3), (20, 25, 2)], []),  # held since before it shrank
        ([(0, 20, 3), (12, 15, 0)], []),  # adds nothing to it
        ([(0, 20, 3), (12, 15, 1), (13, 14, 1)], [("gpus", 4, 2, after(12))]),
        ([(0, 5, 4), (4, 20, 1)], [("gpus", 5, 4, after(4))]),
        ([(10, 20, 3)], [("gpus", 3, 2, after(10))]),
    ],
)
def test_nothing_starts_that_adds_to_more_than_there_is(attempts: list[Attempt], found: list[tuple[object, ...]]) -> None:
    assert started_beyond(trace(attempts, SHRINKS)).drop("pool").rows() == found


def test_an_attempt_without_end_holds_for_its_duration() -> None:
    assert measured(usage(trace([(0, None, 2), (50, 60, 1)], TWO, duration_s=pl.lit(40.0)))) == ("gpus", 2, 2, 0, 0)
    assert measured(usage(trace([(0, None, 2), (50, 60, 1)], TWO, duration_s=pl.lit(52.0)))) == ("gpus", 3, 2, 2, 2)


def test_rounding_and_short_overlaps_are_forgiven_only_where_asked() -> None:
    thirds = trace([(0, 10, 0.334)] * 6, TWO)
    assert usage(thirds)["over_s"].item() == 10
    assert usage(thirds, rounding=0.01)["over_s"].item() == 0
    late = trace([(0, 10, 2), (9, 20, 2), (18, 30, 2)], TWO)
    assert usage(late)["over_s"].item() == 3
    assert usage(late, shortest_s=1.0)["over_s"].item() == 2


spans = st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(0, 4))
periods = st.tuples(st.integers(-2, 12), st.one_of(st.none(), st.integers(0, 6)), st.integers(1, 4))


@settings(deadline=None, max_examples=60)
@given(st.lists(spans, min_size=1, max_size=8), st.lists(periods, min_size=1, max_size=3, unique_by=lambda p: p[0]))
def test_the_sweep_agrees_with_a_count_of_every_second(
    attempts: list[tuple[int, int, int]], capacities: list[tuple[int, int | None, int]]
) -> None:
    capacities.sort()
    pools = [
        {"pool": "a", "gpus": float(n), "valid_from": since, "valid_to": None if length is None else since + length}
        for since, length, n in capacities
    ]
    over = 0
    for second in range(20):
        held = sum(gpus for start, length, gpus in attempts if start <= second < start + length)
        since, length, most = max((c for c in capacities if c[0] <= second), default=(0, 0, 0))
        over += (length is None or second < since + length) and held > most
    found = usage(trace([(s, s + n, g) for s, n, g in attempts], pools))
    assert found["over_s"].fill_null(0.0).sum() == over


@pytest.mark.parametrize(
    ("attempts", "passed", "severity"),
    [
        ([(0, 5000, 2)], True, "warn"),
        ([(0, 5000, 2), (20, 21, 1)], True, "warn"),
        ([(0, 5000, 2), (20, 25, 1)], False, "warn"),
        ([(0, 5000, 2), (20, 99, 1)], False, "error"),
    ],
)
def test_a_little_is_a_warning_and_much_an_error(lake: Lake, attempts: list[Attempt], passed: bool, severity: str) -> None:
    observed = trace([*attempts, (0, 10, 1)], TWO, pool=pl.when(pl.int_range(pl.len()) < len(attempts)).then(pl.lit("a")))
    with lake.transaction() as tx:
        for table in ("pipeline_runs", "task_runs", "pools"):
            tx.write_frame(observed[table], lake.observed_file(table, "i"))
    verdict = capacity_exceeded(lake)
    assert (verdict.passed, verdict.severity) == (passed, severity)
    assert verdict.figures["attempts_without_pool"].value == 1
    assert verdict.figures["exceeded"].value == (not passed)


def test_a_lake_without_pools_passes_and_says_so(lake: Lake) -> None:
    with lake.transaction() as tx:
        tx.write_frame(trace([(0, 10, 99)], TWO)["task_runs"], lake.observed_file("task_runs", "i"))
    verdict = capacity_exceeded(lake)
    assert verdict.passed
    assert "the capacity of 1 pool," in verdict.words

"""Figures as rows: averages over scenarios that fall together, replication by replication."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.experiments.comparison import compare, compare_figures
from pipesim.experiments.figures import by_scenario, figure_values, mean_intervals, of_summaries
from pipesim.experiments.intervals import Interval
from tests.report.decision.simulated import run


@given(st.lists(st.lists(st.floats(0, 1e6), min_size=1, max_size=6), min_size=1, max_size=4))
def test_means_are_those_of_interval(groups: list[list[float]]) -> None:
    rows = [{"key": place, "replication": n, "value": value}
            for place, group in enumerate(groups) for n, value in enumerate(group)]  # fmt: skip
    found = mean_intervals(pl.DataFrame(rows), ["key"])
    assert found["key"].to_list() == list(range(len(groups)))
    for group, row in zip(groups, found.iter_rows(named=True), strict=True):
        assert Interval(row["mean"], row["low"], row["high"]) == Interval.of(group)
        assert row["replications"] == len(group)


def test_scenarios_that_fall_together_are_averaged_within_replications() -> None:
    # Two scenarios whose differences cancel: what is left is the spread over replications alone.
    rows = [{"key": "k", "replication": n, "value": 10.0 * n + offset} for n in range(3) for offset in (-500, 500)]
    rows.append({"key": "k", "replication": 3, "value": 0.0})
    (found,) = mean_intervals(pl.DataFrame(rows), ["key"]).iter_rows(named=True)
    assert (found["mean"], found["replications"]) == (10.0, 3), "a replication that only one has is left out"
    assert found["high"] == pytest.approx(Interval.of([0, 10, 20]).high)


def test_a_frame_of_runs_compares_as_the_runs_do() -> None:
    runs = [run(name, n, wait + n * n, cost=wait) for name, wait in (("a", 10.0), ("b", 20.0)) for n in range(4)]
    runs[-1] = run("b", 3, None)
    assert compare_figures(by_scenario(of_summaries(runs)), "a") == compare(runs, "a")


def test_what_is_not_told_has_no_row_and_pools_have_rows_of_their_own() -> None:
    values = figure_values(of_summaries([run("a", 0, None), run("b", 0, 3.0, busy=0.75)]))
    told = {(scenario, metric): value for scenario, _, metric, value in values.iter_rows()}
    assert ("a", "mean_wait_s") not in told
    assert told["b", "p95_wait_s"] == 9.0
    assert told["b", "utilization.gpu"] == 0.75
    assert ("b", "cost") not in told

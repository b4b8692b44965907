"""Every analytics file, executed as it stands by a bare DuckDB, against the same figures in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import duckdb
import pytest
from scipy.stats import t as student

from tests.sql import (
    plain_models,
    plain_quality,
    plain_scenarios,
    plain_strategies,
    plain_times,
    plain_usage,
    plain_workload,
)  # fmt: skip
from tests.sql.conftest import TEXTS, bare_connection
from tests.sql.handmade import HORIZON, STORED, Identity, Tables, at, capacity, run, task, tended
from tests.sql.plain import Reference, Row, grouped

IDENTITY = ("origin", "trace", "replication")
#: The files with rows of their own for each trace: the columns that identify a row within it, and the figures.
BY_TRACE: dict[str, tuple[tuple[str, ...], Callable[[Tables], Reference]]] = {
    "arrivals_by_hour": (("hour",), plain_workload.arrivals_by_hour),
    "asset_traffic": (("asset_id",), plain_usage.asset_traffic),
    "completion_quantiles": (("probability",), plain_times.completion_quantiles),
    "data_moved": (("tenant", "task_type"), plain_usage.data_moved),
    "duration_quantiles": (("level", "task_type", "framework", "probability"), plain_workload.duration_quantiles),
    "failures": (("task_type", "framework"), plain_workload.failures),
    "framework_mix": (("task_type", "framework"), plain_workload.framework_mix),
    "hour_of_week_load": (("pool", "hour_of_week"), plain_usage.hour_of_week_load),
    "hour_of_week_profile": (("hour_of_week",), plain_workload.hour_of_week_profile),
    "job_completion_times": (("level", "tenant", "run_type"), plain_times.job_completion_times),
    "model_lifetimes": (("model_id", "version"), plain_models.model_lifetimes),
    "model_performance": (("model_id", "version", "valid_from", "step"), plain_models.model_performance),
    "model_versions": (("model_id", "version"), plain_models.model_versions),
    "pool_utilization": (("pool", "hour"), plain_usage.pool_utilization),
    "pool_capacity": (("pool", "resource"), plain_usage.pool_capacity),
    "queue_length": (("pool", "hour"), plain_usage.queue_length),
    "resource_hours": (
        ("tenant", "task_type", "framework", "pool", "gpu_type", "status", "is_retry", "retraining_run_id"),
        plain_usage.resource_hours,
    ),
    "retraining_runs": (("run_id",), plain_models.retraining_runs),
    "retrainings": (("model_id", "run_id"), plain_models.retrainings),
    "scenario_summary": ((), plain_times.scenario_summary),
    "task_completion_times": (("level", "task_type", "framework", "tenant", "pool"), plain_times.task_completion_times),
    "task_waits": (("level", "task_type", "framework", "tenant", "pool"), plain_times.task_waits),
    "tenant_costs": (("tenant",), plain_usage.tenant_costs),
    "throughput": (("day",), plain_workload.throughput),
    "trace_metrics": (("metric",), plain_scenarios.trace_metrics),
    "wait_quantiles": (("probability",), plain_times.wait_quantiles),
    "wasted_resources": (("tenant", "task_type", "framework"), plain_usage.wasted_resources),
    "work_waits": (("work",), plain_models.work_waits),
    "workload_drift": (("week",), plain_workload.workload_drift),
}  # fmt: skip
#: The files that bring traces together, or tell of a model: the columns that identify a row, and the figures.
ACROSS: dict[str, tuple[tuple[str, ...], Callable[[], Reference]]] = {
    "quality_cells": (("model", "position"), plain_quality.quality_cells),
    "quality_curves": (("model", "curve", "cell", "series", "x"), plain_quality.quality_curves),
    "quality_scores": (("model", "position"), plain_quality.quality_scores),
    "retraining_strategies": (("scenario",), plain_strategies.retraining_strategies),
    "scenario_comparison": (("scenario", "baseline", "metric"), plain_scenarios.scenario_comparison),
    "scenario_intervals": (("origin", "trace", "metric"), plain_scenarios.scenario_intervals),
    "side_by_side": (("metric", "synthetic_trace", "scenario"), plain_scenarios.side_by_side),
}
#: The files that read nothing, and the columns that identify a row.
GIVEN = {
    "carbon_intensity": ("region",), "resource_rates": ("resource", "gpu_type"), "student_t": ("degrees_of_freedom",),
}  # fmt: skip
KEYS = {
    **{name: (*IDENTITY, *keys) for name, (keys, _) in BY_TRACE.items()},
    **{name: keys for name, (keys, _) in ACROSS.items()},
    **GIVEN,
}


def read(con: duckdb.DuckDBPyConnection, name: str) -> list[Row]:
    return con.sql(TEXTS[name]).pl().to_dicts()  # type: ignore[no-any-return]


def agree(rows: list[Row], keys: tuple[str, ...], expected: Reference) -> None:
    found = {tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows), "the keys of the grain identify a row"
    assert set(found) == set(expected)
    for key, values in expected.items():
        assert found[key].keys() - {*IDENTITY, *keys} == values.keys() - {*IDENTITY}
        for column, value in values.items():
            same = pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
            assert found[key][column] == same, (key, column)


def test_every_file_has_figures_to_agree_with() -> None:
    assert sorted(TEXTS) == sorted(KEYS)


@pytest.mark.parametrize("name", BY_TRACE)
def test_figures_of_each_trace(name: str, bare: duckdb.DuckDBPyConnection) -> None:
    keys, reference = BY_TRACE[name]
    by_trace: dict[Any, list[Row]] = grouped(read(bare, name), *IDENTITY)
    assert set(by_trace) <= set(STORED)
    for identity, tables in STORED.items():
        agree(by_trace.get(identity, []), keys, reference(tables))


@pytest.mark.parametrize("name", ACROSS)
def test_figures_across_traces(name: str, bare: duckdb.DuckDBPyConnection) -> None:
    keys, reference = ACROSS[name]
    expected = reference()
    assert expected
    agree(read(bare, name), keys, expected)


def test_a_scenario_named_as_is_is_the_baseline(bare: duckdb.DuckDBPyConnection) -> None:
    metrics = {
        "aaa": {0: 1.0, 1: 2.0, 2: 4.0},
        "as-is": {0: 11.0, 1: 12.0, 2: 15.0, 3: 999.0},
        "calm": {0: 11.0, 1: 12.0, 2: 15.0},
        "once": {2: 0.0},
        "worse": {0: 21.0, 1: 23.0, 2: 24.0},
    }
    con = bare_connection({})
    rows = [("simulated", s, r, "m", "seconds", v) for s, told in metrics.items() for r, v in told.items()]
    con.executemany("INSERT INTO analytics.trace_metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
    expected = {
        (name, "as-is", "m"): {"unit": "seconds", **plain_scenarios.compared(told, metrics["as-is"])}
        for name, told in metrics.items()
        if name != "as-is"
    }
    rows_found = read(con, "scenario_comparison")
    agree(rows_found, ("scenario", "baseline", "metric"), expected)
    findings = {row["scenario"]: row["finding"] for row in rows_found}
    assert findings == {"aaa": "lower", "calm": "no difference found", "once": None, "worse": "higher"}


def test_quantiles_of_students_t(bare: duckdb.DuckDBPyConnection) -> None:
    rows = read(bare, "student_t")
    assert [row["degrees_of_freedom"] for row in rows] == list(range(1, 1001))
    assert [row["t_95"] for row in rows] == pytest.approx(student.ppf(0.975, range(1, 1001)), abs=4e-8)


def test_every_rate_says_where_it_comes_from(bare: duckdb.DuckDBPyConnection) -> None:
    rows = read(bare, "resource_rates")
    assert {("gpu", None), ("cpu_core", None), ("memory_gib", None)} <= {(r["resource"], r["gpu_type"]) for r in rows}
    assert len({(r["resource"], r["gpu_type"] and r["gpu_type"].lower()) for r in rows}) == len(rows)
    for row in rows:
        assert row["price_per_hour"] > 0
        assert row["watts"] > 0
        assert row["source"]
        assert row["basis"] == ("assumption" if row["resource"] == "gpu" and row["gpu_type"] is None else "published")


def test_the_carbon_of_a_kilowatt_hour_has_a_source() -> None:
    (row,) = read(bare_connection({}), "carbon_intensity")
    assert row["g_per_kwh"] == 480
    assert row["basis"] == "published"
    assert row["source"]


def test_no_traces_give_no_rows() -> None:
    con = bare_connection({})
    assert {name for name in TEXTS if read(con, name)} == set(GIVEN)


def test_runs_without_tasks_and_instants_divide_nothing_by_zero() -> None:
    bones: Tables = {
        "pipeline_runs": [run("A", None, "UNKNOWN", None, None), run("B", None, "SUCCEEDED", at(0, 0), at(0, 0))],
        "task_runs": [task("A", "t", 1, "train", "SUCCEEDED", duration_s=0.0, gpus=0.0)],
        "pools": [capacity("gpu", HORIZON, gpus=0.0)],
    }
    lonely: Tables = {"pipeline_runs": [run("A", None, "UNKNOWN", None, None)]}
    orphan: Tables = {"task_runs": [task("A", "t", 1, "train", "RUNNING", started_at=at(0, 0), gpus=1.0)]}
    con = bare_connection(
        {(name, name, 0): t for name, t in (("observed", bones), ("simulated", lonely), ("synthetic", orphan))}
    )
    for name in TEXTS:
        for row in read(con, name):
            assert all(math.isfinite(value) for value in row.values() if isinstance(value, float)), (name, row)


def test_a_trace_of_runs_alone_and_a_week_of_none_keep_their_place() -> None:
    runs = [run("A", "x", "SUCCEEDED", at(0, 0), at(0, 1)), run("B", "x", "SUCCEEDED", at(14, 0), at(14, 1))]
    con = bare_connection({("observed", "observed", 0): {"pipeline_runs": runs}})
    (summary,) = read(con, "scenario_summary")
    counts = ("runs", "tasks", "attempts", "failed_attempts", "retries", "with_wait", "without_wait", "with_jct")
    assert [summary[c] for c in counts] == [2, 0, 0, 0, 0, 0, 0, 2]
    (bill,) = read(con, "tenant_costs")
    assert [bill[c] for c in ("runs", "attempts", "cost", "cost_share", "cost_per_run")] == [2, 0, 0.0, None, 0.0]
    weeks = [(row["runs"], row["rate_ratio"], row["durations"]) for row in read(con, "workload_drift")]
    assert weeks == [(1, None, 0), (0, 0.0, 0), (1, None, 0)]
    beside = {row["metric"]: row for row in read(con, "side_by_side")}
    assert [beside["runs"][c] for c in ("synthetic_trace", "scenario", "observed", "synthetic")] == [None, None, 2.0, None]


def test_without_rates_nothing_costs_and_of_two_the_dearer_counts() -> None:
    con = bare_connection({("observed", "observed", 0): STORED["observed", "observed", 0]})
    before = read(con, "tenant_costs")
    con.execute("DELETE FROM analytics.resource_rates")
    priced = f"CREATE OR REPLACE TABLE analytics.resource_hours AS {TEXTS['resource_hours']}"
    con.execute(priced)
    free = read(con, "tenant_costs")
    assert [row["attempts"] for row in free] == [row["attempts"] for row in before]
    assert {row["cost"] for row in free} | {row["energy_kwh"] for row in free} == {0.0}
    for price, watts in ((1.0, 500.0), (3.0, 200.0)):
        con.execute("INSERT INTO analytics.resource_rates VALUES ('gpu', NULL, ?, ?, 'published', '')", [price, watts])
    con.execute(priced)
    for row in read(con, "tenant_costs"):
        assert row["cost"] == pytest.approx(3.0 * (row["gpu_hours"] or 0))
        assert row["energy_kwh"] == pytest.approx(0.5 * (row["gpu_hours"] or 0))


def test_without_an_intensity_no_carbon_is_told_and_of_two_the_higher_counts() -> None:
    stored: dict[Identity, Tables] = {("simulated", "s", r): tended(r, 2 * r, 0.1) for r in (0, 1)}
    for name in ("never-retrain", "on-drift"):
        stored |= {("simulated", name, r): STORED["simulated", name, r] for r in (0, 1)}
    con = bare_connection(stored)
    con.execute("INSERT INTO analytics.carbon_intensity VALUES ('coal', 2000.0, 'assumption', '')")
    rows = read(con, "retrainings")
    assert [row["carbon_kg"] for row in rows] == pytest.approx([2 * row["energy_kwh"] for row in rows])
    con.execute("DELETE FROM analytics.carbon_intensity")
    rows = read(con, "retrainings")
    assert {row["carbon_kg"] for row in rows} == {None}
    con.execute(f"CREATE OR REPLACE TABLE analytics.retrainings AS {TEXTS['retrainings']}")
    strategies = {row["scenario"]: row for row in read(con, "retraining_strategies")}
    assert [strategies[name]["carbon_kg"] for name in ("never-retrain", "on-drift", "s")] == [0.0, None, 0.0]
    assert strategies["on-drift"]["cost_per_point"] > 0
    assert strategies["on-drift"]["carbon_kg_per_point"] is None


def weigh(con: duckdb.DuckDBPyConnection, figures: dict[str, dict[int, tuple[float, float, float]]]) -> list[Row]:
    """The strategies of scenarios of which only performance, retrainings and cost are known, replication by replication."""
    metrics = ("mean_model_performance", "retrainings", "retraining_cost_usd")
    rows = [
        ("simulated", name, r, metric, "", value)
        for name, told in figures.items()
        for r, values in told.items()
        for metric, value in zip(metrics, values, strict=True)
    ]
    con.execute("DELETE FROM analytics.trace_metrics")
    con.executemany("INSERT INTO analytics.trace_metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
    con.execute(f"CREATE OR REPLACE TABLE analytics.scenario_intervals AS {TEXTS['scenario_intervals']}")
    return read(con, "retraining_strategies")


def test_the_frontier_of_strategies() -> None:
    figures = {
        # The cheapest, though not the first by name; one as good for more; one as dear and worse; twins; one that has no
        # replication in common with the baseline; the best.
        "lazy": {0: (0.5, 1.0, 10.0), 1: (0.75, 1.0, 20.0)},
        "keen": {0: (0.5, 1.0, 12.0), 1: (0.75, 1.0, 20.0)},
        "clumsy": {0: (0.5, 2.0, 10.0), 1: (0.625, 2.0, 20.0)},
        "twin-a": {0: (0.75, 3.0, 30.0), 1: (1.0, 3.0, 50.0)},
        "twin-b": {0: (0.75, 4.0, 30.0), 1: (1.0, 4.0, 50.0)},
        "apart": {5: (0.75, 9.0, 25.0)},
        "best": {0: (1.0, 5.0, 90.0), 1: (1.0, 5.0, 90.0), 2: (1.0, 5.0, 90.0)},
    }
    con = bare_connection({})
    rows = weigh(con, figures)
    blank = dict.fromkeys(("below_objective_fraction", "retrainings_per_week", "gpu_hours", "user_mean_wait_s"))
    told: dict[str, dict[int, Row]] = {
        name: {
            r: {**blank, "mean_performance": p, "retrainings": n, "cost": c, "energy_kwh": 0.0, "carbon_kg": 0.0}
            for r, (p, n, c) in by_replication.items()
        }
        for name, by_replication in figures.items()
    }
    agree(rows, ("scenario",), plain_strategies.weighed(told))
    found = {row["scenario"]: row for row in rows}
    assert {row["baseline"] for row in rows} == {"keen"}
    assert [name for name in figures if found[name]["is_efficient"]] == ["lazy", "twin-a", "twin-b", "apart", "best"]
    assert found["apart"]["pairs"] == 0
    assert found["apart"]["gain_points"] is None
    assert found["twin-a"]["cost_per_point"] == pytest.approx(24 / 25)
    assert found["twin-a"]["marginal_cost_per_point"] == pytest.approx((40 - 25) / (100 * (0.875 - 0.75)))

    never = {**figures, "never-retrain": {0: (0.5, 99.0, 1.0)}}
    assert {row["baseline"] for row in weigh(con, never)} == {"never-retrain"}
    assert {row["pairs"] for row in weigh(con, never)} == {0, 1}


def test_an_attempt_that_lasts_a_year_is_one_row_an_hour() -> None:
    until = at(365, 0, 30)
    tables: Tables = {
        "pipeline_runs": [{**run("A", None, "SUCCEEDED", at(0, 0, 15), until), "observed_until": at(300, 0)}],
        "task_runs": [
            task("A", "t", 1, "train", "SUCCEEDED", queued_at=at(0, 0, 15), started_at=at(0, 0, 30), ended_at=until, gpus=2.0,
                 pool="gpu"),
        ],
        "pools": [capacity("gpu", at(0, 0), gpus=4.0)],
    }  # fmt: skip
    rows = read(bare_connection({("observed", "observed", 0): tables}), "pool_utilization")
    assert len(rows) == 365 * 24 + 1
    assert sum(row["gpus_held"] * row["seconds"] for row in rows) == 2 * 365 * 86_400
    assert {row["utilization"] for row in rows[1:]} == {0.5}

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from pipesim.workload import FitConfig, fit, intervals


@pytest.fixture(scope="module")
def log(job_trace: Any) -> Any:
    rng = np.random.default_rng(1)
    n = 600
    return job_trace(
        rng.lognormal(5, 1, n),
        np.sort(rng.random(n)) * 21 * 86_400,
        pipeline_name=rng.choice(["a", "b"], n, p=[0.8, 0.2]),
        tenant=rng.choice(["x", "y"], n),
        gpus=rng.choice([1.0, 2.0], n, p=[0.95, 0.05]),
        status=np.where(rng.random(n) < 0.1, "FAILED", "SUCCEEDED"),
    )


def test_every_quantity_has_its_estimate_between_its_limits(log: Any) -> None:
    found = intervals(log, fit(log))
    assert found.columns == ["part", "quantity", "of", "estimate", "low", "high", "level", "how"]
    assert found.select("part", "quantity", "of").is_unique().all()
    assert found.drop("high").null_count().sum_horizontal().item() == 0
    assert (found["level"] == 0.95).all()
    assert (found["low"] <= found["high"]).all()
    own = found.filter(~pl.col("how").str.contains("the law is that of"))
    assert own.filter(pl.col("estimate").is_between("low", "high")).height > 0.97 * own.height
    a = found.filter(pl.col("quantity") == "share of the pipeline", pl.col("of") == "a").row(0, named=True)
    assert a["estimate"] == pytest.approx((log.pipeline_runs["pipeline_name"] == "a").mean())
    assert a["low"] < 0.8 < a["high"]


def test_a_cell_that_borrows_its_law_says_from_where(log: Any) -> None:
    found = intervals(log, fit(log)).filter(pl.col("part") == "durations", pl.col("of") == "train/-/2")
    assert set(found["quantity"]) == {"p50 of seconds", "p90 of seconds", "mean of seconds"}
    assert found["how"].str.contains("the law is that of train").all()


def test_the_level_and_the_window_are_those_asked_for(log: Any) -> None:
    model = fit(log, FitConfig(window="2024-01-03..2024-01-16", arrivals="poisson"))
    wide, narrow = (intervals(log, model, level) for level in (0.99, 0.5))
    assert (narrow["level"] == 0.5).all()
    both = wide.join(narrow, on=("part", "quantity", "of"), suffix="_narrow").filter(pl.col("high").is_not_null())
    assert both.height > 20
    assert (both["low"] <= both["low_narrow"] + 1e-12).all()
    assert (both["high"] >= both["high_narrow"] - 1e-12).all()
    rate = wide.filter(pl.col("quantity") == "runs a day", pl.col("of") == "").row(0, named=True)
    inside = log.pipeline_runs.filter(pl.col("submitted_at").dt.ordinal_day().is_between(3, 16)).height
    assert rate["low"] < inside / 14 < rate["high"]
    assert "under four weeks" in rate["how"]


def test_a_log_of_one_run_has_what_can_be_told(job_trace: Any) -> None:
    log = job_trace([5.0])
    found = intervals(log, fit(log))
    assert found.filter(pl.col("part") == "outcomes")["estimate"].to_list() == [
        1.0,
    ]
    assert found["low"].is_finite().all()

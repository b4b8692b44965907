"""What becomes of models: they decay by their laws, versions follow each other, later tasks change them, gates hold them up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.lifecycle import Effects
from pipesim.lifecycle.metrics import METRICS
from pipesim.simulation import SimulationResult
from pipesim.simulation.models import lives
from pipesim.trace import Trace
from tests.simulation.conftest import START
from tests.simulation.models.handmade import DAY, HOUR, NO_EFFECT, by_both, idle, law, run_of, scenario, source, together

EVERY_WEEK = {"trigger": {"schedule": {"every_h": 168}}}
FULL = (("train", 60.0), ("compress", 60.0), ("harden", 60.0), ("evaluate", 60.0), ("deploy", 60.0))
#: Pruning half costs .1 of performance and a third of the latency, hardening costs .05 and goes half of the way to 1.
EFFECTS = Effects(
    level=(0.0, 1.0), performance=(0.0, -0.2), size=(1.0, 0.1), latency=(1.0, 1 / 3), used=(0.5,), weight=(1.0,),
    harden_gain=0.5, harden_performance=-0.05, learning_exponent=0.0,
)  # fmt: skip


def live(result: SimulationResult, **only: Any) -> list[tuple[float, float]]:
    """Days since the beginning and values of the live measurements of the model m."""
    rows = result.trace["model_metrics"].filter(phase="live", metric="performance", model_id="m", **only).sort("measured_at")
    return [((at - START) / DAY, value) for at, value in rows.select("measured_at", "value").rows()]


def static(result: SimulationResult, version: str, step: int) -> list[float]:
    rows = result.trace["model_metrics"].filter(phase="static", version=version, step=step)
    values = dict(rows.select("metric", "value").rows())
    return [values[name] for name in METRICS]


def figures(result: SimulationResult) -> Any:
    assert result.summary.lifecycle is not None
    return result.summary.lifecycle


def test_a_model_that_is_never_trained_again_decays_exactly_by_its_law() -> None:
    known = source(law("m", 0.9, gradual_per_day=0.01))
    result = by_both(idle(20), scenario({"objective": 0.8}), known)
    assert live(result) == [(day, pytest.approx(0.9 - 0.01 * day, abs=1e-12)) for day in range(20)]
    assert figures(result).mean_performance == pytest.approx(0.9 - 0.01 * 20 / 2, abs=1e-12)
    assert figures(result).below_objective == pytest.approx(10 / 20, abs=1e-9)
    names = ("live_s", "mean_performance", "below_objective_s")
    exact = result.trace["model_metrics"].filter(pl.col("metric").is_in(names)).select("metric", "value")
    assert dict(exact.rows()) == {
        "live_s": 20 * 86_400.0,
        "mean_performance": pytest.approx(0.8, abs=1e-12),
        "below_objective_s": pytest.approx(10 * 86_400.0, abs=1e-3),
    }


def test_performance_does_not_fall_below_zero() -> None:
    """It is gone after 9 of 20 days, half of it in the mean until then."""
    result = by_both(idle(20), scenario({}), source(law("m", 0.9, gradual_per_day=0.1)))
    assert figures(result).mean_performance == pytest.approx(0.45 * 9 / 20, abs=1e-12)
    assert [value for day, value in live(result) if day >= 9] == [pytest.approx(0.0, abs=1e-12)] * 11


def test_the_mean_of_a_periodic_strategy_is_known() -> None:
    """Weekly versions, each live 70 minutes after its Monday, the first one at once: p0 - g T / 2 over each life of T days."""
    result = by_both(idle(70 + 70 / 1440), scenario(EVERY_WEEK), source(law("m", 0.9, gradual_per_day=0.01)))
    late = 70 / 1440
    first, others = late * (0.9 - 0.01 * late / 2), 10 * 7 * (0.9 - 0.01 * 7 / 2)
    assert figures(result).mean_performance == pytest.approx((first + others) / (70 + late), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0, 0.05), st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.4), st.sampled_from([0.5, 3.0, 30.0]),
    st.floats(0.05, 0.95), st.floats(0.1, 0.9), st.integers(0, 5),
)  # fmt: skip
def test_means_and_times_below_are_those_of_a_fine_grid(
    gradual: float, rate: float, jump: float, swing: float, season: float, performance: float, objective: float, seed: int
) -> None:
    """The closed form's integral against the monitor's own looks at every quarter of an hour."""
    decay = {"gradual_per_day": gradual, "season_swing": swing, "season_days": season}
    if rate * jump:
        decay |= {"jumps_per_day": rate, "jump_size": jump}
    wanted = scenario({"monitor_h": 0.25, "objective": objective, "decay": decay})
    result = by_both(idle(10), wanted, source(law("m", performance)), replication=seed)
    _, value = (np.array(column) for column in zip(*live(result), strict=True))
    assert len(value) == 960
    # A quarter of an hour late at each of some ten shocks, and a slope within each step.
    assert figures(result).mean_performance == pytest.approx(value.mean(), abs=0.012)
    assert figures(result).below_objective == pytest.approx((value < objective).mean(), abs=0.05)


def test_each_training_makes_one_version_and_lives_follow_each_other_without_a_gap() -> None:
    work = together(idle(40), *(run_of("m", f"own-{i}", START + (3 + 5 * i) * DAY) for i in range(5)))
    result = by_both(work, scenario(EVERY_WEEK), source(law("m", 0.9, gradual_per_day=0.01), law("n", 0.8)))
    versions, tasks = result.trace["models"], result.trace.task_runs
    trained = tasks.filter(task_type="train", status="SUCCEEDED").join(result.trace.pipeline_runs, on="run_id")
    for model in ("m", "n"):
        mine = versions.filter(model_id=model).sort("deployed_at")
        count = trained.filter(pipeline_name=model).height
        assert mine["version"].cast(pl.Int64).to_list() == list(range(count + 1))
        assert mine["retired_at"].to_list() == [*mine["deployed_at"].to_list()[1:], None]
        assert (mine["created_at"] <= mine["deployed_at"]).all()
        assert mine["produced_by_run_id"].null_count() == 1
    lived = result.trace["model_metrics"].filter(metric="live_s")["value"].sum()
    assert lived == pytest.approx(2 * 40 * 86_400, abs=1e-3)
    assert result.trace.violations() == []
    assert (figures(result).versions, figures(result).deployments) == (17, 17)
    assert set(result.trace.pipeline_runs["trigger"]) == {None, "schedule"}


def test_compressing_and_hardening_change_what_goes_live() -> None:
    known = source(law("m", 0.9), tasks=lambda name, number: FULL, effects=EFFECTS)
    result = by_both(idle(10), scenario(EVERY_WEEK), known)
    before, after = static(result, "1", 0), static(result, "1", 1)
    assert before == pytest.approx([0.9, 0.5, 1 / (1 + np.exp(2.0)), np.exp(10.0), np.exp(1.0)])
    assert after == pytest.approx([0.75, 0.75, before[2], before[3] * 0.55, before[4] * 2 / 3])
    # The version of the beginning has had the same done to it.
    at = [0, 5 / 1440, 7 + 5 / 1440]
    assert live(result, step=0) == [(pytest.approx(day), pytest.approx(0.75)) for day in at]
    whole = by_both(idle(10), scenario({**EVERY_WEEK, "pruning_level": 1.0}), known)
    assert static(whole, "1", 1)[0] == pytest.approx(0.65)


def test_what_is_not_above_a_deployment_does_not_change_it() -> None:
    """Here the model is compressed after it has gone live."""
    known = source(law("m", 0.9), tasks=lambda n, k: (("train", 60.0), ("deploy", 0.0), ("compress", 60.0)), effects=EFFECTS)
    result = by_both(idle(10), scenario(EVERY_WEEK), known)
    assert [value for _, value in live(result, step=0)] == [pytest.approx(0.9)] * 3


def test_a_gate_lets_nothing_worse_go_live() -> None:
    """Versions are as good as .9 or so; those that an evaluation finds below it fail there, and say why."""
    wide = [[0.5, 0, 0, 0, 0], *([0.0] * 5 for _ in range(4))]
    known = source(law("m", 0.8, gradual_per_day=0.001), covariance=wide)
    result = by_both(idle(200), scenario({**EVERY_WEEK, "gate": 0.8}), known)
    tasks, versions = result.trace.task_runs, result.trace["models"]
    refused = tasks.filter(error="performance below the gate")
    assert set(refused["status"]) == {"FAILED"}
    assert 5 < refused.height < 25
    assert tasks.filter(task_type="deploy", status="SKIPPED").height == refused.height
    performance = result.trace["model_metrics"].filter(metric="performance", phase="static", step=0)
    told = versions.join(performance, on=["model_id", "version"]).filter(pl.col("version") != "0")
    assert told.height == 29
    assert (told["value"] >= 0.8).to_list() == told["deployed_at"].is_not_null().to_list()
    assert set(refused["run_id"]) == set(told.filter(pl.col("value") < 0.8)["produced_by_run_id"])


def test_more_data_makes_better_versions() -> None:
    """Twice the usual amount, an exponent of one half: the error is divided by the square root of two."""
    usual = law("m", 0.9).model_copy(update={"usual_bytes": 1e9})
    known = source(
        usual, tasks=lambda n, k: (("preprocess", 60.0), *FULL[:1], FULL[-1]), read_bytes=2 * 10**9,
        effects=NO_EFFECT.model_copy(update={"learning_exponent": 0.5}),
    )  # fmt: skip
    result = by_both(idle(10), scenario(EVERY_WEEK), known)
    assert static(result, "1", 0)[0] == pytest.approx(1 - 0.1 / np.sqrt(2))


def test_a_version_can_go_live_as_soon_as_it_is_trained() -> None:
    known = source(law("m", 0.9), tasks=lambda name, number: (("train", 3600.0),))
    result = by_both(idle(8), scenario({**EVERY_WEEK, "live_after": "train"}), known)
    assert result.trace["models"].sort("version")["deployed_at"].to_list() == [START, START + HOUR, START + 7 * DAY + HOUR]


def test_a_replay_takes_the_metrics_that_the_log_tells() -> None:
    work = together(idle(10), run_of("m", "own", START + 2 * DAY))
    told = {"metric": list(METRICS), "value": [0.7, 0.6, 0.2, 5e6, 8.0]}
    rows = pl.DataFrame(told).with_columns(
        model_id=pl.lit("x"), version=pl.lit("7"), phase=pl.lit("static"), step=pl.lit(0), measured_at=pl.lit(START)
    )
    later = rows.with_columns(value=pl.when(metric="performance").then(0.65).otherwise("value"), step=pl.lit(1))
    models = pl.DataFrame({"model_id": ["x", "y"], "version": ["7", "1"], "produced_by_run_id": ["own", None]})
    bad = rows.with_columns(version=pl.lit("8"), value=pl.lit(1.5)).filter(metric="performance")
    log = Trace({**work.frames, "models": models, "model_metrics": pl.concat([rows, later, bad], how="vertical_relaxed")})
    result = by_both(log, scenario({}), source(law("m", 0.9)))
    assert static(result, "1", 0) == told["value"]
    assert live(result, step=0)[-1] == (pytest.approx(2 + 70 / 1440), 0.65)
    assert sorted(result.warnings) == [
        "left out, as no metric can have their values, so they are drawn: 1 measurement",
        "left out, as no run is said to have trained them, so nothing is known of them here: 1 model version",
    ]


def test_a_version_goes_live_when_it_is_both_trained_and_deployed() -> None:
    """Here it is deployed first, and of two trainings the first counts; where the training fails there is no version."""
    order = (("deploy", 600.0), ("train", 3600.0), ("train", 7200.0))
    known = source(law("m", 0.9), tasks=lambda name, number: order)
    own = run_of("m", "own", START + DAY, order[:2], outcomes={"train": "FAILED"})
    result = by_both(together(idle(8), own), scenario({"trigger": {"schedule": {"every_h": 168, "at_h": 48}}}), known)
    versions = result.trace["models"].sort("version")
    at = START + 2 * DAY + timedelta(seconds=4200)
    assert versions["version"].to_list() == ["0", "1"]
    assert (versions["created_at"][1], versions["deployed_at"][1], versions["retired_at"][0]) == (at, at, at)


def test_what_is_measured_does_not_depend_on_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    laws = [law(name, 0.9, gradual_per_day=0.01, season_swing=0.1, season_days=3.0) for name in ("m", "n")]
    laws.append(law("o", 0.8, jumps_per_day=0.5, jump_size=0.02))
    wanted = scenario({**EVERY_WEEK, "objective": 0.8})
    expected = by_both(idle(40), wanted, source(*laws))
    monkeypatch.setattr(lives, "_MOST_PIECES", 7)
    found = by_both(idle(40), wanted, source(*laws))
    assert found.trace["model_metrics"].equals(expected.trace["model_metrics"])

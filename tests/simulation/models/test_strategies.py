"""What strategies promise: budgets that hold, thresholds that order, orders of service, and numbers that scenarios share."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipesim.ingest import find_source, ingest
from pipesim.lake import Lake
from pipesim.lifecycle.fitting import fit_lifecycle
from pipesim.simulation import simulate
from pipesim.simulation.models import building
from pipesim.trace import Trace
from tests.simulation.conftest import START
from tests.simulation.models.handmade import (
    DAY,
    HOUR,
    TASKS,
    by_both,
    fired,
    idle,
    law,
    run_of,
    scenario,
    source,
    together,
)

MONDAY = datetime(1970, 1, 5)
ONE_AT_A_TIME = {"pools": [{"name": "all", "slots": 1}]}
#: Performance varies by about .1 from version to version.
VARIED = [[0.5, 0, 0, 0, 0], *([0.0] * 5 for _ in range(4))]


def test_a_budget_puts_off_what_it_cannot_pay_and_who_waits_longest_comes_first() -> None:
    """Three models are due every day, two retrainings a week are paid for: the third model is the first of the next week."""
    laws = [law(name, 0.9, gradual_per_day=0.02) for name in ("a", "b", "c")]
    strategy = {"trigger": {"drift": {"drop": 0.019}}, "budgets": [{"runs": 2}]}
    result = by_both(idle(20), scenario(strategy), source(*laws))
    told = result.trace.pipeline_runs.filter(trigger="drift").sort("submitted_at", "pipeline_name")
    names = [(name, (at - START) / DAY) for name, at in told.select("pipeline_name", "submitted_at").rows()]
    # c has been waiting since day 1; a and b are due again on day 2, and a comes first; then b has waited longest.
    assert names == [("a", 1.0), ("b", 1.0), ("a", 7.0), ("c", 7.0), ("a", 14.0), ("b", 14.0)]
    assert result.summary.lifecycle is not None
    assert result.summary.lifecycle.retrainings_postponed == 9


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 4), st.floats(0.1, 30), st.sampled_from([24.0, 100.0, 168.0]), st.integers(0, 3))
def test_a_budget_is_never_exceeded(runs: int, gpu_hours: float, period_h: float, replication: int) -> None:
    laws = [law(f"m{i}", 0.9, tenant=("x", "y", None)[i % 3], gradual_per_day=0.02 * (1 + i)) for i in range(6)]
    known = source(*laws, tasks=lambda name, number: (("train", 3600.0 * (1 + number % 3)), TASKS[2]), gpus=1.5)
    budgets = [{"tenant": "x", "runs": runs, "period_h": period_h}, {"gpu_hours": gpu_hours, "period_h": period_h}]
    strategy = {"trigger": {"drift": {"drop": 0.01}}, "cooldown_h": 0, "monitor_h": 6, "budgets": budgets}
    wanted = scenario(strategy, platform={"pools": [{"name": "all", "gpus": 100}]})
    result = by_both(idle(21), wanted, known, replication=replication)
    tenant = {one.name: one.tenant for one in laws}
    held = result.trace.task_runs.group_by("run_id").agg(hours=(pl.col("gpus") * pl.col("duration_s") / 3600).sum())
    rows = result.trace.pipeline_runs.filter(trigger="drift").join(held, on="run_id")
    spent: dict[tuple[Any, int], list[float]] = {}
    for name, at, hours in rows.select("pipeline_name", "submitted_at", "hours").rows():
        period = (at - MONDAY) // timedelta(hours=period_h)
        spent.setdefault((tenant[name] == "x", period), []).append(hours)
    for (is_x, _), each in spent.items():
        assert len(each) <= runs if is_x else sum(each) <= gpu_hours + 1e-6
    assert {is_x for is_x, _ in spent} == {True for _ in range(min(runs, 1))} | ({False} if gpu_hours >= 1.5 else set())


@settings(max_examples=8, deadline=None)
@example(2.225e-309, 0.0, 0.0, 0.5, 0.6, 0, False)
@given(
    st.floats(0, 0.03), st.floats(0, 0.3), st.floats(0, 0.2), st.floats(0.3, 0.9), st.floats(0.3, 0.9), st.integers(0, 9),
    st.booleans(),
)  # fmt: skip
def test_a_lower_threshold_never_retrains_more(
    gradual: float, rate: float, jump: float, one: float, other: float, replication: int, drops: bool
) -> None:
    """Without queues and seasons each retraining of a model comes no earlier, as versions and shocks are the same."""
    decay = {"gradual_per_day": gradual} | ({"jumps_per_day": rate, "jump_size": jump} if rate * jump else {})
    known = source(law("m", 0.8), law("n", 0.7), covariance=VARIED)
    low, high = sorted((one, other))
    times = []
    for value in (1 - low, 1 - high) if drops else (low, high):
        drift = {"drop": value} if drops else {"below": value}
        wanted = scenario({"trigger": {"drift": drift}, "decay": decay})
        found = simulate(idle(120), wanted, source=known, replication=replication)
        times.append({name: fired(found, name) for name in ("m", "n")})
    for name in ("m", "n"):
        fewer, more = times[0][name], times[1][name]
        assert len(fewer) <= len(more)
        assert all(late >= early for late, early in zip(fewer, more, strict=False))


def queue_of(order: str, names: str, known: Any) -> list[str]:
    """In which order models are trained that are all asked for at 12:00 on the third day, one at a time."""
    at = START + 3 * DAY - 12 * HOUR
    work = together(idle(5), *(run_of(name, f"own-{name}", at, (("train", 60.0),)) for name in names))
    result = by_both(work, scenario({}, platform=ONE_AT_A_TIME, policy={"order": order}), known)
    rows = result.trace.task_runs.filter(pl.col("run_id").str.starts_with("own-")).sort("started_at")
    return [run_id.removeprefix("own-") for run_id in rows["run_id"]]


def test_who_gains_most_goes_first() -> None:
    """After two days and a half b has lost .25, c .05, a nothing; z owns no model, and so gains nothing either."""
    known = source(law("a", 0.9), law("b", 0.7, gradual_per_day=0.1), law("c", 0.8, gradual_per_day=0.02))
    assert queue_of("potential-improvement", "azcb", known) == ["b", "c", "a", "z"]
    assert queue_of("fifo", "azcb", known) == list("azcb")


def test_who_is_oldest_goes_first() -> None:
    known = source(law("a"), law("b"), law("c"))
    at = START + 3 * DAY - 12 * HOUR
    fresh = [run_of("c", "c-1", START + 2 * DAY), run_of("a", "a-1", START + DAY)]
    own = [run_of(name, f"own-{name}", at, (("train", 60.0),)) for name in "zcab"]
    result = by_both(
        together(idle(5), *fresh, *own), scenario({}, platform=ONE_AT_A_TIME, policy={"order": "staleness"}), known
    )
    rows = result.trace.task_runs.filter(pl.col("run_id").str.starts_with("own-")).sort("started_at")
    assert rows["run_id"].to_list() == ["own-b", "own-a", "own-c", "own-z"]


def test_scenarios_share_versions_shocks_and_retrainings() -> None:
    """Leaving out runs, or another trigger, changes neither what the n-th retraining is nor what a run's version is worth."""
    known = source(law("m", 0.8, gradual_per_day=0.01, jumps_per_day=0.1, jump_size=0.1), covariance=VARIED)
    own = [run_of("m", f"own-{i}", START + (i + 1) * DAY, trigger="schedule" if i % 2 else "manual") for i in range(6)]
    work = together(idle(60), *own)

    def performances(lifecycle: dict[str, Any]) -> dict[str, float]:
        trace = simulate(work, scenario(lifecycle), source=known).trace
        static = trace["model_metrics"].filter(metric="performance", phase="static", step=0)
        told = trace["models"].join(static, on=["model_id", "version"])
        return {run or "beginning": value for run, value in told.select("produced_by_run_id", "value").rows()}

    weekly = performances({"trigger": {"schedule": {"every_h": 168}}})
    drift = performances({"trigger": {"drift": {"below": 0.75}}, "replaces": ["schedule"]})
    shared = weekly.keys() & drift.keys()
    assert {"beginning", "own-0", "own-2", "own-4", "retrain-m-0", "retrain-m-1"} <= shared
    assert {name: weekly[name] for name in shared} == {name: drift[name] for name in shared}
    assert not any(name.startswith("own-") and int(name[-1]) % 2 for name in drift)
    assert len(set(weekly.values())) == len(weekly)


def test_replications_differ() -> None:
    known = source(law("m", 0.8, jumps_per_day=0.1, jump_size=0.1), covariance=VARIED)
    wanted = scenario({"trigger": {"drift": {"below": 0.75}}})
    seen = {tuple(fired(simulate(idle(200), wanted, source=known, replication=number))) for number in range(4)}
    assert len(seen) == 4


@pytest.mark.parametrize("room", [1, 3])
def test_it_does_not_matter_how_many_retrainings_were_ready(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    laws = [law(f"m{i}", 0.8, gradual_per_day=0.01 * (1 + i)) for i in range(4)]
    known, wanted = source(*laws, covariance=VARIED), scenario({"trigger": {"drift": {"below": 0.7}}}, platform=ONE_AT_A_TIME)
    expected = simulate(idle(90), wanted, source=known)
    first_room = building.first_room
    monkeypatch.setattr(building, "first_room", lambda *given: first_room(*given) * 0 + room)
    found = by_both(idle(90), wanted, known)
    assert len(fired(found)) > 20
    for table in found.trace:
        assert found.trace[table].equals(expected.trace[table]), table


def test_what_waits_is_told_for_users_and_for_retraining() -> None:
    """One at a time: on Monday the retraining takes 70 minutes, so the user who comes half an hour later waits for 40."""
    work = together(idle(6.5), run_of("other", "own", START + HOUR / 2, (("other", 60.0),)))
    known = source(law("m", 0.9), tasks=lambda name, number: (("train", 4200.0), ("deploy", 0.0)))
    result = by_both(work, scenario({"trigger": {"schedule": {"every_h": 168}}}, platform=ONE_AT_A_TIME), known)
    counted = result.summary.lifecycle
    assert counted is not None
    # The task of the beginning takes a second, for which the training waits; then the user's minute is before the deployment.
    assert counted.retraining_mean_wait_s == pytest.approx((1 + 60) / 2)
    assert counted.user_mean_wait_s == pytest.approx((0 + 2401) / 2)


def test_what_retraining_costs_is_what_it_holds() -> None:
    """Half an hour on two GPUs each week: 2 a GPU-hour, .5 kWh, 400 g a kWh."""
    platform = {
        "pools": [{"name": "all", "gpus": 10, "cost": {"per_h": 1.5, "per_used_h": 0.5, "kwh_per_used_h": 0.5}}],
        "carbon": {"steps": [{"from_h": 0, "g_per_kwh": 400}]},
    }
    known = source(law("m", 0.9), tasks=lambda name, number: (("train", 1800.0), ("deploy", 0.0)), gpus=2.0)
    work = together(idle(13), run_of("other", "own", START + 13 * DAY, (("other", 60.0),)))
    result = by_both(work, scenario({"trigger": {"schedule": {"every_h": 168}}}, platform=platform), known)
    counted = result.summary.as_dict()
    assert counted["retrainings"] == 2
    assert counted["retraining_gpu_hours"] == pytest.approx(2.0)
    assert counted["retraining_cost"] == pytest.approx(4.0)
    assert counted["retraining_energy_kwh"] == pytest.approx(1.0)
    assert counted["retraining_carbon_kg"] == pytest.approx(0.4)


def test_the_warm_up_counts_for_nothing() -> None:
    """.9 falls by .01 a day; from day 10 to 20 it is .75 in the mean."""
    known = source(law("m", 0.9, gradual_per_day=0.01))
    result = by_both(idle(20), scenario({"objective": 0.7501}, warmup_days=10.0, horizon_days=20.0), known)
    assert result.summary.lifecycle is not None
    assert result.summary.lifecycle.mean_performance == pytest.approx(0.75, abs=1e-9)
    assert result.summary.lifecycle.below_objective == pytest.approx(0.501, abs=1e-6)


def test_laws_of_decay_are_recovered_from_a_simulated_log(tmp_path: Path) -> None:
    """Simulated, written as a log, ingested and fitted: what was put in comes out."""
    rates = {"m0": 0.0, "m1": 0.002, "m2": 0.005, "m3": 0.011}
    known = source(*(law(name, 0.9, gradual_per_day=rate) for name, rate in rates.items()))
    wanted = scenario({"trigger": {"schedule": {"every_h": 336}}})
    simulated = simulate(idle(80), wanted, source=known).trace
    tables = [table for table in simulated if simulated[table].height]
    for table in tables:
        simulated[table].write_parquet(tmp_path / f"{table}.parquet")
    lake = Lake(tmp_path / "home")
    report = ingest(lake, [tmp_path / f"{table}.parquet" for table in tables], find_source("native")).as_dict()
    assert (report["quarantined"], report["duplicates"]) == (0, 0)
    log = lake.load_observed()
    for table in ("models", "model_metrics"):
        assert log[table].sort(log[table].columns).equals(simulated[table].sort(log[table].columns)), table
    fitted = fit_lifecycle(log)
    for name, rate in rates.items():
        decay = fitted.law_of(name).decay
        assert decay.gradual_per_day + decay.jumps_per_day * decay.jump_size == pytest.approx(rate, abs=1e-4), name


def test_retrainings_of_a_model_do_not_overlap() -> None:
    laws = [law(f"m{i}", 0.9, gradual_per_day=0.05) for i in range(5)]
    known = source(*laws, tasks=lambda name, number: (("train", 90_000.0), ("deploy", 0.0)))
    strategy = {"trigger": {"drift": {"drop": 0.01}}, "cooldown_h": 0}
    result = by_both(idle(30), scenario(strategy, platform={"pools": [{"name": "all", "slots": 2}]}), known)
    for one in laws:
        runs = result.trace.pipeline_runs.filter(pipeline_name=one.name).sort("submitted_at")
        assert runs.height >= 5
        assert all(a <= b for (_, a), (b, _) in pairwise(runs.select("submitted_at", "ended_at").rows()))


def test_a_log_may_hold_retrainings_that_were_simulated_before() -> None:
    """What was simulated, given as the workload of the same scenario, keeps its names; new retrainings have others."""
    known, weekly = source(law("m", 0.9, gradual_per_day=0.01)), scenario({"trigger": {"schedule": {"every_h": 168}}})
    once = by_both(idle(10), weekly, known).trace
    again = by_both(once, weekly, known).trace
    ids = [name for name in again.pipeline_runs["run_id"] if name.startswith("retrain-")]
    assert sorted(ids) == ["retrain-2-m-0", "retrain-2-m-1", "retrain-m-0", "retrain-m-1"]
    assert again.violations() == []


def test_scenarios_share_shocks_whatever_they_leave_out() -> None:
    """Neither a shorter horizon nor a first run that is replaced moves a shock."""
    known = source(law("m", 0.9, jumps_per_day=0.2, jump_size=0.01))
    work = together(run_of("m", "own", START - 3 * DAY, trigger="manual"), idle(60))

    def struck(lifecycle: dict[str, Any], **more: Any) -> list[datetime]:
        seen = simulate(work, scenario(lifecycle, **more), source=known).trace["model_metrics"]
        live = seen.filter(metric="performance", phase="live", version="0").sort("measured_at").rows_by_key("measured_at")
        levels = [(at, rows[0]) for at, rows in live.items()]
        return [at for (_, before), (at, after) in pairwise(levels) if after[-2] != before[-2]]

    never = {"trigger": "none", "replaces": ["manual"]}
    whole, short = struck(never), struck(never, horizon_days=30.0)
    assert len(whole) > 5
    assert short == [at for at in whole if at < START + 30 * DAY]


def test_tasks_of_which_no_run_is_told_stay_when_others_are_replaced() -> None:
    work = together(idle(5), run_of("m", "own", START, trigger="manual"), run_of("x", "untold", START))
    rows = work.task_runs.with_columns(queued_at=pl.lit(START))
    log = Trace({**work.frames, "task_runs": rows, "pipeline_runs": work.pipeline_runs.filter(pl.col("run_id") != "untold")})
    result = by_both(log, scenario({"replaces": ["manual"]}), source(law("m", 0.9)))
    assert set(result.trace.task_runs["run_id"]) == {"first", "untold"}


def test_a_log_that_tells_only_when_tasks_were_queued_has_a_lifecycle() -> None:
    work = together(idle(5), run_of("m", "own", START))
    queued = work.task_runs.with_columns(queued_at=pl.lit(START))
    runs = work.pipeline_runs.with_columns(pl.lit(None, pl.Datetime("us")).alias("submitted_at"))
    log = Trace({**work.frames, "task_runs": queued, "pipeline_runs": runs})
    weekly = scenario({"trigger": {"schedule": {"every_h": 48}}})
    assert fired(by_both(log, weekly, source(law("m", 0.9)))) == [0 * DAY, 2 * DAY, 4 * DAY]

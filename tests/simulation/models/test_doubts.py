"""Lifecycles that cannot be, or that say something which never or always holds."""

from __future__ import annotations

from typing import Any

import pytest

from pipesim.errors import EmptyTraceError, RequestError
from pipesim.simulation import Scenario, simulate
from pipesim.simulation.scenario.lifecycle import MOST_WAYS
from tests.simulation.conftest import START
from tests.simulation.models.handmade import DAY, POOLS, TASKS, idle, law, run_of, scenario, source, together

AGING = law("m", 0.9, gradual_per_day=0.01)


@pytest.mark.parametrize(
    ("lifecycle", "path", "says"),
    [
        ({"trigger": {}}, "trigger", "give one of drift, staleness, schedule, data, any, all; it says none"),
        ({"trigger": {"drift": {"below": 0.5}, "data": {"gb": 1}}}, "trigger", "not drift, data at once"),
        ({"trigger": {"drift": {}}}, "trigger.drift", "`below: 0.75`"),
        ({"trigger": {"drift": {"below": 1.5}}}, "trigger.drift.below", "less than or equal to 1"),
        ({"trigger": {"drift": {"below": True}}}, "trigger.drift.below", "valid number"),
        ({"trigger": {"staleness": {"days": 0}}}, "trigger.staleness.days", "greater than 0"),
        ({"trigger": {"staleness": {"days": 40_000}}}, "trigger.staleness.days", "less than or equal to 36525"),
        ({"decay": {"jumps_per_day": 200, "jump_size": 0.1}}, "decay.jumps_per_day", "less than or equal to 100"),
        ({"trigger": {"schedule": {"every_h": 24, "at_h": 24}}}, "trigger.schedule.at_h", "not before the end of the period"),
        ({"trigger": {"any": []}}, "trigger.any", "at least 1 item"),
        ({"trigger": {"any": [{"data": {"gb": -1}}]}}, "trigger.any.0.data.gb", "greater than 0"),
        ({"trigger": {"all": [{"schedule": {"every_h": 24}}, {"schedule": {"every_h": 25}}]}}, "trigger", "need not meet"),
        ({"trigger": "sometimes"}, "trigger", "valid dictionary"),
        ({"hours": {"from_h": 3, "until_h": 3}}, "hours.until_h", "no time between"),
        ({"hours": {"from_h": 3, "until_h": 24}}, "hours.until_h", "less than 24"),
        ({"budgets": [{"tenant": "a"}]}, "budgets.0", "limits `runs`, `gpu_hours` or both"),
        ({"budgets": [{"runs": 1}, {"runs": 2}]}, "budgets.1.tenant", "'(all others)' is the name of an earlier"),
        ({"replaces": ["cron"]}, "replaces.0", "'schedule', 'manual'"),
        ({"gate": -0.1}, "gate", "greater than or equal to 0"),
        ({"objective": 75}, "objective", "less than or equal to 1"),
        ({"decay": {"jump_size": 0.1}}, "decay", "both `jumps_per_day` and `jump_size`"),
        ({"decay": {"gradual_per_day": 2}}, "decay.gradual_per_day", "less than or equal to 1"),
        ({"data": {"gb_per_day": 0}}, "data.gb_per_day", "greater than 0"),
        ({"monitor_h": 0}, "monitor_h", "greater than 0"),
        ({"pruning_level": 2}, "pruning_level", "less than or equal to 1"),
        ({"live_after": "evaluate"}, "live_after", "'deploy' or 'train'"),
        ({"drift": "gradual"}, "drift", "unknown key; accepted here: trigger, monitor_h"),
    ],
)
def test_mistakes_are_told_where_they_are(lifecycle: dict[str, Any], path: str, says: str) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        Scenario(name="s", platform=POOLS, lifecycle=lifecycle)
    found = {".".join(str(part) for part in error["loc"]): error["msg"] for error in caught.value.errors()}  # type: ignore[attr-defined]
    assert says in found[f"lifecycle.{path}"], found


def test_conditions_within_conditions_have_an_end() -> None:
    part: dict[str, Any] = {"any": [{"staleness": {"days": 1}}, {"data": {"gb": 1}}]}
    many = {"all": [part] * 7}
    with pytest.raises(ValueError, match=f"it has 128 ways to fire; {MOST_WAYS} is the most"):
        scenario({"trigger": many})
    assert len(scenario({"trigger": {"all": [part] * 6}}).lifecycle.trigger.ways()) == MOST_WAYS  # type: ignore[union-attr]


@pytest.mark.parametrize("order", ["potential-improvement", "staleness"])
def test_an_order_that_looks_at_models_needs_some(order: str) -> None:
    with pytest.raises(ValueError, match="which only a scenario with a `lifecycle` has"):
        Scenario(name="s", platform=POOLS, policy={"order": order})


def test_without_a_model_of_the_workload_nothing_is_known() -> None:
    with pytest.raises(RequestError, match="how models decay") as caught:
        simulate(idle(5), scenario({}))
    assert caught.value.where == "lifecycle"
    assert "pipesim fit" in str(caught.value)


def test_a_workload_without_models_is_refused() -> None:
    known = source(law("other"), tasks=lambda name, number: (("train", 60.0),))
    with pytest.raises(RequestError, match="no pipeline of the workload both trains a model and deploys it") as caught:
        simulate(idle(5), scenario({}), source=known)
    assert "live_after: train" in str(caught.value)


def test_a_strategy_that_replaces_everything_is_refused() -> None:
    work = run_of("m", "own", START, trigger="schedule")
    with pytest.raises(EmptyTraceError, match="nothing of the workload is left"):
        simulate(work, scenario({"replaces": ["schedule"]}), source=source(AGING))


@pytest.mark.parametrize(
    ("lifecycle", "says"),
    [
        ({"trigger": {"drift": {"below": 0.95}}}, "always met, as new versions are expected to have less than 0.95 (0.9"),
        ({"trigger": {"drift": {"drop": 0.8}}}, "(drift): hardly ever met, as they lose 0.100 at most in 10 days: 2 models"),
        ({"trigger": {"staleness": {"days": 1}}, "cooldown_h": 500}, "500 h is longer than the 240 h that are simulated"),
        ({"gate": 0.95}, "every evaluation finds less than 0.95, so no version gets past it: 3 evaluations"),
        ({"trigger": {"staleness": {"days": 1}}, "budgets": [{"gpu_hours": 0.5}]}, "never submitted, nor any later one of"),
        ({"pruning_level": 0.5}, "lifecycle.pruning_level: without effect, as no run compresses"),
        ({"budgets": [{"runs": 1}], "priority": 3}, "looks at it: lifecycle.budgets, lifecycle.priority"),
        ({"trigger": {"staleness": {"days": 1}}, "data": {"gb_per_day": 1}}, "looks at it: lifecycle.data"),
        ({"trigger": {"staleness": {"days": 1}}, "priority": 2}, "looks at it: lifecycle.priority"),
        ({"budgets": [{"tenant": "nobody", "runs": 1}]}, "listed in `lifecycle.budgets`, but no model is theirs: nobody"),
        ({"replaces": ["api"]}, "no run that trains one of the models has the trigger api"),
        ({"trigger": {"staleness": {"days": 1}}}, "workload model does not know their pipelines (new)"),
    ],
)  # fmt: skip
def test_what_is_always_or_never_so_is_said(lifecycle: dict[str, Any], says: str) -> None:
    runs = [run_of("m", f"own-{i}", START + i * DAY, gpus=1.0) for i in range(2)]
    work = together(idle(10), *runs, run_of("new", "own-new", START, gpus=1.0))
    platform = {"pools": [{"name": "all", "gpus": 10, "slots": 10}]}
    known = source(AGING, tasks=lambda name, number: TASKS, gpus=1.0)
    told = simulate(work, scenario(lifecycle, platform=platform), source=known).warnings
    assert any(says in text for text in told), told
    quiet = scenario({"trigger": {"drift": {"below": 0.85}}, "gate": 0.5, "budgets": [{"runs": 5}]}, platform=platform)
    known_to_all = source(AGING, law("new", 0.9, gradual_per_day=0.01), gpus=1.0)
    assert simulate(work, quiet, source=known_to_all).warnings == ()


def test_triggers_that_never_rest_are_refused_before_they_fill_the_memory() -> None:
    laws = [law(f"m{i}", 0.9) for i in range(4_000)]
    always = scenario({"trigger": {"drift": {"below": 1.0}}, "monitor_h": 0.001, "cooldown_h": 0})
    with pytest.raises(
        RequestError, match=r"they may fire 2,000 times for one of 4,000 models, and 5,000,000 retrainings is the most"
    ) as caught:
        simulate(idle(100), always, source=source(*laws))
    assert "cooldown_h" in str(caught.value)


def test_a_gate_needs_evaluations() -> None:
    bare = (("train", 60.0), ("deploy", 0.0))
    known = source(AGING, tasks=lambda name, number: bare)
    told = simulate(together(idle(3), run_of("m", "own", START, bare)), scenario({"gate": 0.5}), source=known).warnings
    assert told == ("lifecycle.gate: without effect, as no run evaluates the model that it trains",)

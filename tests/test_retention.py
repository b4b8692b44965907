"""What is let go, and what never is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.analytics import input_manifests
from pipesim.catalog import snapshot_views
from pipesim.errors import WorkError
from pipesim.experiments_schema import CAPACITY
from pipesim.lake import Lake
from pipesim.quality.storing import quality_folder, save_quality
from pipesim.retention import Policy, Removal, plan, prune
from pipesim.trace import Trace
from tests.sql.judged import judged as judgement
from tests.test_trace import ROW

NOW = datetime(2026, 6, 1)
POLICY = Policy(days=30, keep=0)
WORK = {"days": 7.0, "scale": 1.0, "seed": 1}


def _age(days: float, *paths: Path) -> None:
    written = (NOW - timedelta(days=days)).replace(tzinfo=UTC).timestamp()
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            os.utime(file, (written, written))


def _simulate(lake: Lake, scenario: str, replication: int, model: str | None = None, days: float = 60) -> None:
    workload = {"kind": "synthetic", "model": model, **WORK} if model else {"kind": "replay", "ingests": "x"}
    trace = Trace({"task_runs": pl.DataFrame([ROW])}, "simulated", scenario)
    lake.save_simulated(trace, replication, pl.DataFrame({"x": [1]}), {"workload": workload})
    _age(days, *lake.lake.glob(f"simulated/*/scenario={scenario}/replication={replication}"))


def _fit(lake: Lake, model: str, days: float = 60) -> None:
    with lake.transaction() as tx:
        tx.write_json({}, lake.models / f"{model}.json")
        tx.write_json({"current": model}, lake.models / "current.json")
    _age(days, lake.models / f"{model}.json")


def _synthesize(lake: Lake, name: str, model: str, seed: int = 1, days: float = 60) -> None:
    trace = Trace({"task_runs": pl.DataFrame([ROW])}, "synthetic", name)
    lake.save_synthetic(trace, {"model": model, "config": {**WORK, "seed": seed}})
    _age(days, lake.synthetic_folder(name))


def _judge(lake: Lake, model: str, days: float = 60) -> None:
    save_quality(lake, replace(judgement("m-new"), model=model), {})
    _age(days, quality_folder(lake, model))


def _report(lake: Lake, name: str) -> None:
    with lake.transaction() as tx:
        tx.stage(lake.reports / f"{name}.html").write_text(name)
        tx.write_json({"inputs": input_manifests(lake)}, lake.reports / f"{name}.json")


def _names(removals: list[Removal]) -> list[tuple[str, str]]:
    return [(removal.kind, removal.name) for removal in removals]


def _files(lake: Lake) -> set[Path]:
    return {file for file in lake.root.rglob("*") if file.is_file() and ".staging" not in file.parts}


def test_simulations_go_when_their_scenario_or_replication_is_gone_for_long_enough(lake: Lake) -> None:
    for scenario, replication, days in [("as-is", 0, 60), ("as-is", 1, 60), ("as-is", 2, 29), ("gone", 0, 60), ("gone", 1, 29)]:
        _simulate(lake, scenario, replication, days=days)
    going = prune(lake, {"as-is": 1}, POLICY, NOW)
    assert [(removal.name, removal.reason) for removal in going] == [
        ("as-is/1", "the scenario has 1 replication now"),
        ("gone/0", "the scenario is gone"),
    ]
    assert going[0].bytes > 100
    assert lake.replications("as-is") == [0, 2]
    assert lake.replications("gone") == [1]
    prune(lake, {"as-is": 1}, POLICY, NOW + timedelta(days=30))
    assert not list((lake.lake / "simulated").glob("*/scenario=gone"))
    assert lake.load_simulated("as-is").task_runs.height == 1


def test_what_is_known_of_a_sweep_goes_with_the_last_of_its_simulations(lake: Lake) -> None:
    for scenario, days in [("size-1", 60), ("size-2", 29)]:
        _simulate(lake, scenario, 0, days=days)
    row = {"sweep": "size", "key": "policy.order", "position": 0, "value": "fifo", "number": None}
    frame = pl.DataFrame([{**row, "scenario": scenario} for scenario in ("size-1", "size-2")])
    lake.save_experiment("size", {"sweeps": frame})
    _age(60, lake.lake / "simulated" / "sweeps")
    assert ("sweep", "size") not in _names(prune(lake, {}, POLICY, NOW))
    assert ("sweep", "size") in _names(prune(lake, {}, POLICY, NOW + timedelta(days=30)))
    assert not list((lake.lake / "simulated" / "sweeps").glob("*"))


def test_a_page_on_some_scenarios_stays_while_the_lake_holds_these(lake: Lake) -> None:
    _simulate(lake, "as-is", 0, days=1)
    held = input_manifests(lake)
    for name, inputs in (
        ("shown", held),
        ("gone", {**held, "simulated/manifests/scenario=x/replication=0/manifest.json": "0"}),
    ):
        with lake.transaction() as tx:
            tx.write_json({"kind": "decision", "name": name, "inputs": inputs}, lake.reports / f"{name}.json")
    _simulate(lake, "other", 0, days=1)
    _age(100, lake.reports)
    assert [name for kind, name in _names(plan(lake, {"as-is": 1, "other": 1}, POLICY, NOW)) if kind == "report"] == ["gone"]


def test_a_search_goes_with_the_last_of_its_trials(lake: Lake) -> None:
    _simulate(lake, "as-is-gpu-gpus-8", 0, days=60)
    rows = [{"search": "s", "simulated_as": name} for name in ("as-is-gpu-gpus-8", None)]
    lake.save_experiment("s", {"capacity": CAPACITY.conform(pl.DataFrame(rows))})
    _age(60, lake.lake / "simulated" / "capacity")
    assert ("search", "s") not in _names(prune(lake, {"as-is-gpu-gpus-8": 1}, POLICY, NOW))
    assert ("search", "s") in _names(prune(lake, {}, POLICY, NOW))
    assert not list((lake.lake / "simulated" / "capacity").glob("*"))


def test_models_and_traces_stay_while_anything_stored_was_made_from_them(lake: Lake) -> None:
    for model in ("m-simulated", "m-traced", "m-unused", "m-current"):
        _fit(lake, model)
    _simulate(lake, "as-is", 0, model="m-simulated")
    _synthesize(lake, "t-simulated", "m-simulated")
    _synthesize(lake, "t-unused", "m-unused")
    _synthesize(lake, "t-current", "m-traced", seed=2)
    assert _names(prune(lake, {"as-is": 1}, POLICY, NOW)) == [("synthetic trace", "t-unused"), ("model", "m-unused")]
    gone = _names(prune(lake, {}, POLICY, NOW))
    assert gone == [("simulation", "as-is/0"), ("synthetic trace", "t-simulated"), ("model", "m-simulated")]
    assert sorted(file.stem for file in lake.models.iterdir()) == ["current", "m-current", "m-traced"]
    assert [path.name for path in (lake.lake / "synthetic").iterdir() if path.is_dir()] == ["t-current"]


def test_the_newest_models_stay_and_whatever_is_younger_than_a_day(lake: Lake) -> None:
    for model, days in [("m-old", 9), ("m-older", 10), ("m-oldest", 11), ("m-new", 0.5), ("m-current", 20)]:
        _fit(lake, model, days=days)
    assert _names(plan(lake, {}, Policy(keep=2), NOW)) == [("model", "m-older"), ("model", "m-oldest")]
    assert "m-new" not in {name for _, name in _names(plan(lake, {}, Policy(keep=0), NOW))}


def test_a_quality_goes_with_its_model_unless_it_is_current(lake: Lake) -> None:
    for model in ("m-traced", "m-unused", "m-current"):
        _fit(lake, model)
    _synthesize(lake, "t", "m-traced")
    for model, days in [("m-traced", 60), ("m-unused", 60), ("m-gone", 60), ("m-gone-today", 0.5), ("m-judged-last", 60)]:
        _judge(lake, model, days)
    going = prune(lake, {}, POLICY, NOW)
    assert _names(going) == [("model", "m-unused"), ("quality", "m-gone"), ("quality", "m-unused")]
    left = [path.name for path in (lake.lake / "quality").iterdir() if path.is_dir()]
    assert sorted(left) == ["m-gone-today", "m-judged-last", "m-traced"]
    with snapshot_views(lake) as con:
        assert con.sql("SELECT DISTINCT model FROM quality.scores WHERE is_current").fetchall() == [("m-judged-last",)]


def test_a_report_is_stale_once_another_model_was_judged(lake: Lake) -> None:
    _judge(lake, "m-old")
    _report(lake, "before")
    _judge(lake, "m-new")
    _report(lake, "after")
    _age(60, lake.reports)
    assert _names(prune(lake, {}, POLICY, NOW)) == [("quality", "m-old"), ("report", "before")]
    assert _names(prune(lake, {}, POLICY, NOW)) == []


def test_reports_go_when_they_are_old_and_show_what_is_no_longer_there(lake: Lake) -> None:
    _simulate(lake, "as-is", 0)
    for name in ("report", "stale", "young"):
        _report(lake, name)
    lake.reports.joinpath("own.html").write_text("a user's own page")
    _simulate(lake, "as-is", 1)
    _report(lake, "fitting")
    _age(60, lake.reports)
    _age(29, lake.reports / "young.html")
    assert _names(prune(lake, {"as-is": 2}, POLICY, NOW)) == [("report", "stale")]
    assert sorted(path.name for path in lake.reports.glob("*.html")) == [
        "fitting.html", "own.html", "report.html", "young.html",
    ]  # fmt: skip


def test_an_unreadable_manifest_stops_the_pruning(lake: Lake) -> None:
    _simulate(lake, "as-is", 0)
    _fit(lake, "m-unused")
    _fit(lake, "m-current")
    manifest = lake.simulated_folder("manifests", "as-is", 0) / "manifest.json"
    manifest.write_text("{")
    before = _files(lake)
    with pytest.raises(WorkError, match=r"manifest\.json: this manifest cannot be read"):
        prune(lake, {"as-is": 1}, POLICY, NOW)
    assert _files(lake) == before


ages = st.sampled_from([0.0, 0.5, 2.0, 29.0, 31.0, 400.0])
names = st.sampled_from("abc")


@pytest.mark.drawn
@given(
    simulated=st.lists(st.tuples(names, st.integers(0, 2), st.none() | names, ages), max_size=5),
    fitted=st.lists(st.tuples(names, ages), max_size=3),
    drawn=st.lists(st.tuples(names, names, st.integers(0, 1), ages), max_size=4),
    judged=st.lists(st.tuples(names, ages), max_size=3),
    living=st.dictionaries(names, st.integers(1, 3)),
    policy=st.builds(Policy, days=st.sampled_from([1, 30, 365]), keep=st.integers(0, 2)),
)
def test_whatever_the_state_nothing_observed_and_nothing_current_goes(
    simulated: list[tuple[str, int, str | None, float]],
    fitted: list[tuple[str, float]],
    drawn: list[tuple[str, str, int, float]],
    judged: list[tuple[str, float]],
    living: dict[str, int],
    policy: Policy,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        with lake.transaction() as tx:
            for target in (lake.observed_file("task_runs", "i"), lake.quarantine_file("i"), lake.analytics_file("n")):
                tx.stage(target).write_text("x")
            tx.write_json({}, lake.ingest_manifest("i"))
        for scenario, replication, model, days in simulated:
            _simulate(lake, scenario, replication, model, days)
        for model, days in fitted:
            _fit(lake, model, days)
        for name, model, seed, days in drawn:
            _synthesize(lake, name, model, seed, days)
        for model, days in judged:
            _judge(lake, model, days)
        _age(4000, *((lake.lake / kept) for kept in ("observed", "quarantine", "analytics")))
        before = _files(lake)
        current = {
            lake.models / f"{lake.current(lake.models)}.json",
            *(lake.synthetic_folder(drawn[-1][0]).iterdir() if drawn else ()),
            *(quality_folder(lake, judged[-1][0]).iterdir() if judged else ()),
        }

        going = prune(lake, living, policy, NOW)
        gone = {file for removal in going for file in removal.files}
        assert _files(lake) == before - gone
        assert gone <= before
        assert not gone & current
        assert {file.relative_to(lake.root).parts[:2] for file in gone} <= {
            ("lake", "simulated"), ("lake", "synthetic"), ("lake", "quality"), *(("models", file.name) for file in gone),
        }  # fmt: skip
        assert not [file for file in gone if file.name == "current.json"]
        assert prune(lake, living, policy, NOW) == [], "what pruning leaves, pruning again leaves"


KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from pipesim.lake import Lake
from pipesim.retention import Policy, prune
unlink, calls = Path.unlink, 0
def killing(self, missing_ok=False):
    global calls
    if self.name == "task_runs.parquet":
        calls += 1
        if calls == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    unlink(self, missing_ok)
Path.unlink = killing
prune(Lake(Path(sys.argv[1])), {}, Policy(days=30), datetime(2026, 6, 1))
"""


def test_pruning_that_was_killed_is_finished_by_the_next_command(lake: Lake) -> None:
    for replication in range(3):
        _simulate(lake, "gone", replication)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(lake.root)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(list(lake.lake.glob("simulated/task_runs/*/*/*"))) == 2
    prune(Lake(lake.root), {}, POLICY, NOW)
    assert not list((lake.lake / "simulated").glob("*/*"))

"""I10: a simulated platform's output, written as a log and ingested again, is the same trace."""

from pathlib import Path
from typing import Any

import pytest

from pipesim.ingest import find_source, ingest
from pipesim.lake import Lake
from pipesim.simulation import ENGINES, Scenario, simulate

TASKS = [
    {"attempts": [(4, "SUCCEEDED")], "gpus": 1.0, "gpu_type": "V100", "read_bytes": 10**9},
    {"attempts": [(2, "FAILED"), (5, "SUCCEEDED")], "gpus": 2.0, "parents": [0]},
    {"attempts": [(3, "FAILED")], "cpu_cores": 0.5, "parents": [0]},
    {"attempts": [(1, "SUCCEEDED")], "parents": [2]},
]
POLICIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {
        "policy": {"order": "las", "backfill": "easy", "preemption": True, "checkpoint_s": 1.0, "retries": {"limit": 3}},
        "horizon_days": 20 / 86_400,
    },
}
POOLS: dict[str, list[dict[str, Any]]] = {
    "plain": [{"name": "gpu", "gpus": 2}, {"name": "cpu", "slots": 1}],
    "everything": [
        {"name": "gpu", "nodes": {"count": 2, "gpus": 2}, "failures": {"mtbf_h": 2e-3, "repair_h": 1e-3}},
        {"name": "cpu", "slots": 2, "autoscale": {"min": 1, "max": 2, "cooldown_s": 2, "delay_s": 1}},
    ],
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rules", POLICIES)
def test_i10_a_simulated_trace_is_a_log(trace_of: Any, tmp_path: Path, engine: str, rules: str) -> None:
    trace = trace_of([{"submitted": at, "priority": at % 3, "tasks": TASKS} for at in range(8)])
    scenario = Scenario(name="s", platform={"pools": POOLS[rules]}, **POLICIES[rules])
    simulated = simulate(trace, scenario, engine=engine).trace
    tables = ("pipeline_runs", "task_runs", "task_edges", "pools")
    for table in tables:
        simulated[table].write_parquet(tmp_path / f"{table}.parquet")
    lake = Lake(tmp_path / "home")
    report = ingest(lake, [tmp_path / f"{table}.parquet" for table in tables], find_source("native")).as_dict()
    assert (report["quarantined"], report["duplicates"]) == (0, 0)
    again = lake.load_observed()
    for table in tables:
        key = ["run_id", "task_id", "attempt", "parent_task_id", "pool", "valid_from"]
        by = [column for column in key if column in simulated[table].columns]
        expected = simulated[table].sort(by)
        found = again[table].select(expected.columns).sort(by)
        assert found.equals(expected), (table, [c for c in expected.columns if not found[c].equals(expected[c])])
    statuses = set(simulated.task_runs["raw_status"])
    assert statuses >= ({"PREEMPTED", "NODE_FAIL"} if rules == "everything" else {"FAILED", "SKIPPED"})

"""Runs that die: a process killed with -9 in any step leaves nothing half there, and the next run makes it good."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pipesim.ingest.inbox import due
from pipesim.lake import Lake

pytestmark = pytest.mark.endurance

#: A part of the path of a file that the step commits, and which of such commits dies: in every step once, before it is on disk
#: or after, when nothing that follows has been told of it.
DEATHS = [
    ("inbox.json", 1, "after"),
    ("observed/manifests", 1, "after"),
    ("models/current", 1, "before"),
    ("synthetic/current", 1, "after"),
    ("simulated/", 1, "cancelled"),
    ("simulated/", 2, "before"),
    ("analytics/throughput", 1, "after"),
    ("inbox.json", 1, "before"),
]

_RUN = """
import os, signal, sys, warnings
from pathlib import Path

import dagster as dg

from dagster_project import analytics, logs, report, scenarios, simulated, synthetic, traces, workload
from dagster_project.resources import Home, Inbox
from pipesim.store import Transaction

def main():
    home, inbox, part, number, moment = sys.argv[1:]
    left = int(number)
    commit = Transaction.commit

    def commit_or_die(self):
        nonlocal left
        dies = False
        if any(part in str(target) for _, target in self._moves):
            left -= 1
            dies = left == 0
        if dies and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if dies and moment == "cancelled":
            raise dg.DagsterExecutionInterruptedError
        commit(self)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    if part:
        Transaction.commit = commit_or_die
    some = [table for table in analytics.TABLES if table.key.path[-1] == "throughput"]
    steps = [logs.observed, workload.workload_model, synthetic.synthetic_trace, scenarios.scenarios, simulated.simulated_runs]
    config = {
        "observed": {"config": {"only_if_new": True}},
        "simulated_runs": {"config": {"scenarios": ["as-is"]}},
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [*steps, traces.traces, *some, report.catalogue],
            instance=instance,
            resources={"home": Home(path=home), "inbox": Inbox(path=inbox)},
            run_config={"ops": config},
        )
        assert result.success

if __name__ == "__main__":
    main()
"""


def _write_log(file: Path) -> None:
    lines = []
    for number in range(120):
        run = {"table": "pipeline_runs", "run_id": f"r{number}", "pipeline_name": "p", "status": "SUCCEEDED"}
        run |= {"submitted_at": f"2026-02-{1 + number // 24:02}T{number % 24:02}:00:00Z"}
        task = {"run_id": f"r{number}", "task_id": "t", "task_name": "train", "task_type": "train", "gpus": 1}
        task |= {"status": "SUCCEEDED", "duration_s": 60 + number % 7}
        lines += [json.dumps(run), json.dumps(task)]
    file.write_text("\n".join([*lines, "{broken"]) + "\n")
    os.utime(file, (1e9, 1e9))


def _run(script: Path, home: Path, inbox: Path, part: str = "", number: int = 0, moment: str = "") -> int:
    command = [sys.executable, "-W", "ignore", str(script), str(home), str(inbox), part, str(number), moment]
    top = str(Path(__file__).parents[2])
    done = subprocess.run(command, cwd=top, env={**os.environ, "PYTHONPATH": top}, capture_output=True, check=False)
    assert done.returncode in (0, 1 if moment == "cancelled" else 0, -signal.SIGKILL), done.stderr.decode()[-3000:]
    return done.returncode


def _files(home: Path) -> dict[str, bytes]:
    """Return every file of rows, manifest and model, but the figures of a run, which hold its seconds."""
    files = (file for folder in ("lake", "models") for file in (home / folder).rglob("*") if file.is_file())
    return {str(file.relative_to(home)): file.read_bytes() for file in files if "summaries" not in str(file)}


def test_a_process_killed_in_any_step_is_made_good_by_the_next_run(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    _write_log(inbox / "a.jsonl")
    script = tmp_path / "run.py"
    script.write_text(_RUN)
    home = tmp_path / "killed"
    for part, number, moment in DEATHS:
        assert _run(script, home, inbox, part, number, moment) == (1 if moment == "cancelled" else -signal.SIGKILL), (
            part,
            moment,
        )
        lake = Lake(home)
        assert list((home / ".staging").glob("*.commit")) == []
        assert lake.load_observed().violations() == []
        assert lake.load_observed().task_runs.height in (0, 120)
    assert due(Lake(home)), "what died before its end is still to be followed"
    assert _run(script, home, inbox) == 0
    assert due(Lake(home)) is None
    fresh = tmp_path / "fresh"
    assert _run(script, fresh, inbox) == 0
    assert _files(home) == _files(fresh)
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        assert con.sql("SELECT count(*), count(DISTINCT run_id) FROM observed.pipeline_runs").fetchall() == [(120, 120)]
        assert con.sql("SELECT count(*) FROM quarantine.quarantine").fetchall() == [(1,)]

"""`pipesim ui`: what it writes, that it leaves no process behind, and that runs survive a kill of everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from pipesim.console import _mark, renew_configuration
from tests.conftest import REPOSITORY
from tests.end_to_end.ports import free_port

SLEEPER = """
import os, pathlib, time
import dagster as dg

@dg.asset
def sleeper() -> None:
    marks = pathlib.Path(os.environ["PIPESIM_HOME"], "marks")
    marks.mkdir(exist_ok=True)
    (marks / str(os.getpid())).touch()
    time.sleep(600)

defs = dg.Definitions(
    assets=[sleeper], jobs=[dg.define_asset_job("sleep", "sleeper")], executor=dg.in_process_executor
)
"""
# `pipesim ui`, but with other definitions: none of its own runs as long as a test wishes.
SERVE = """
import signal, sys
from pathlib import Path
import pipesim.console as console
signal.signal(signal.SIGINT, signal.default_int_handler)  # which whoever runs the tests may ignore
from pipesim.lake import Lake
console._WORKSPACE_YAML = f"load_from:\\n  - python_file:\\n      relative_path: {sys.argv[3]}\\n      location_name: toy\\n"
console.serve_ui(Lake(Path(sys.argv[1])), int(sys.argv[2]))
"""


def _processes(group: int) -> list[str]:
    """Return the command lines of a process group; one that has ended but not been reaped does not count."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return [row[2] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


def _wait_for(what: Callable[[], Any], within_s: float) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return found


def _ask(port: int, query: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)["data"]
    except OSError:
        return None


@pytest.mark.endurance
def test_runs_survive_a_kill_of_everything_and_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    home, toy, folder = tmp_path / "home", tmp_path / "toy.py", tmp_path / "started_in"
    toy.write_text(SLEEPER)
    folder.mkdir()
    (folder / "dagster.py").write_text("raise ImportError('a file of the user stands in for a library')")
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONSAFEPATH": "1",
        "HOME": str(folder),
        "DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1",  # how soon a retry is considered
    }
    command = [sys.executable, "-c", SERVE, str(home), str(port), str(toy)]

    def start() -> tuple[subprocess.Popen[bytes], int]:
        ui = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lock = home / "dagster" / "ui.lock"
        _wait_for(lambda: ui.poll() is not None or _ask(port, "{version}"), within_s=60)
        assert ui.poll() is None
        return ui, int(lock.read_text())

    def runs() -> dict[str, str]:
        found = _ask(port, "{runsOrError {... on Runs {results {runId status}}}}")["runsOrError"]["results"]
        return {run["runId"]: run["status"] for run in found}

    ui, group = start()
    try:
        second = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert "a Dagster UI runs on this home folder already" in second.stderr
        selector = '{jobName: "sleep", repositoryName: "__repository__", repositoryLocationName: "toy"}'
        _ask(port, f"mutation {{launchRun(executionParams: {{selector: {selector}}}) {{__typename}}}}")
        _wait_for(lambda: len(list(home.glob("marks/*"))) == 1, within_s=30)
        (first,) = runs()
    finally:
        os.killpg(group, signal.SIGKILL)
        ui.kill()
        ui.wait()

    ui, group = start()
    try:
        _wait_for(lambda: runs()[first] == "FAILURE", within_s=60)
        _wait_for(lambda: len(list(home.glob("marks/*"))) == 2, within_s=30)
        assert len(_processes(group)) > 5
        ui.send_signal(signal.SIGINT)
        ui.wait(timeout=25)
        assert _processes(group) == []
    finally:
        ui.kill()
        ui.wait()
        if _processes(group):
            os.killpg(group, signal.SIGKILL)
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        assert {run.run_id: run.status.value for run in instance.get_runs()}[first] == "FAILURE"
        assert all(run.is_finished or run.status == dg.DagsterRunStatus.QUEUED for run in instance.get_runs())
    assert [path.name for path in folder.iterdir()] == ["dagster.py"], "everything is kept under the home folder"


def test_the_configuration_is_renewed_until_a_user_changes_it(tmp_path: Path) -> None:
    file = tmp_path / "dagster.yaml"
    renew_configuration(file)
    fresh = file.read_text(encoding="utf-8")
    written = yaml.safe_load(fresh)
    assert written["telemetry"] == {"enabled": False}
    assert written["concurrency"]["runs"]["max_concurrent_runs"] == max(2, os.cpu_count() or 1)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_retries_max_retries == 2

    first = (
        "# Written by `pipesim ui` for one user on one machine.\ntelemetry:\n  enabled: false\nnux:\n  enabled: false\n"
        "concurrency:\n  runs:\n    max_concurrent_runs: 2\n"
    )
    edited = fresh.replace("max_retries: 2", "max_retries: 5")
    for earlier, after in [(first, fresh), (edited, edited), ("", ""), (first + "# mine\n", first + "# mine\n")]:
        file.write_text(earlier, encoding="utf-8")
        renew_configuration(file)
        assert file.read_text(encoding="utf-8") == after
    older = "telemetry:\n  enabled: true\n"
    file.write_text(f"{_mark(older)}\n{older}", encoding="utf-8")
    renew_configuration(file)
    assert file.read_text(encoding="utf-8") == fresh

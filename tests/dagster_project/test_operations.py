"""The job that lets go, and the launcher that notices runs without a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.launcher import WorkerStatus
from pydantic import ValidationError

from dagster_project.launcher import LocalRunLauncher, is_alive
from dagster_project.operations import prune, weekly_prune
from dagster_project.resources import Home
from pipesim.catalog import snapshot_views
from pipesim.lake import Lake
from pipesim.trace import Trace
from tests.test_trace import ROW


def _simulate(lake: Lake, scenario: str, replication: int, days: float) -> None:
    trace = Trace({"task_runs": pl.DataFrame([ROW])}, "simulated", scenario)
    lake.save_simulated(trace, replication, pl.DataFrame({"x": [1]}), {})
    written = time.time() - days * 86400
    for file in lake.lake.glob(f"simulated/*/scenario={scenario}/replication={replication}/*"):
        os.utime(file, (written, written))


def test_the_job_lets_go_and_says_what_went(lake: Lake) -> None:
    _simulate(lake, "as-is", 0, days=200)
    _simulate(lake, "gone", 0, days=200)
    _simulate(lake, "added", 0, days=200)
    _simulate(lake, "broken", 7, days=200)
    lake.scenarios.mkdir()
    (lake.scenarios / "added.yaml").write_text("platform: {pools: [{name: p, gpus: 1}]}\n")
    (lake.scenarios / "broken.yaml").write_text("platform: {pools: [")
    config = {"ops": {"let_go": {"config": {"days": 100}}}}
    done = prune.execute_in_process(config, resources={"home": Home(path=str(lake.root))})
    (output,) = [event.event_specific_data for event in done.all_events if event.is_successful_output]
    metadata = output.metadata  # type: ignore[union-attr]
    assert metadata["removed"].value == 1
    assert metadata["megabytes"].value > 0
    assert "| simulation | gone/0 | the scenario is gone |" in metadata["what went"].value.replace("\\", "")
    assert lake.warehouse.is_file()
    with snapshot_views(lake) as con:
        assert con.sql("SELECT DISTINCT scenario FROM simulated.task_runs ORDER BY 1").fetchall() == [
            ("added",), ("as-is",), ("broken",),
        ]  # fmt: skip


def test_the_job_runs_weekly_with_a_config_that_needs_nothing_filled_in() -> None:
    assert weekly_prune.cron_schedule == "0 4 * * 0"
    assert dg.validate_run_config(prune, {})["ops"]["let_go"]["config"] == {"days": 90.0, "keep": 3}
    with pytest.raises(ValidationError, match="days"):
        prune.execute_in_process({"ops": {"let_go": {"config": {"days": 0}}}}, resources={"home": Home(path="/nowhere")})


RUN = """
import sys, time, dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG
@dg.op
def sleep():
    print("asleep", flush=True)
    time.sleep(60)
@dg.job
def sleeping():
    sleep()
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    sleeping.execute_in_process(instance=instance, tags={GRPC_INFO_TAG: sys.argv[2]})
"""


@pytest.mark.parametrize("host", ["localhost", "elsewhere"])
def test_the_launcher_notices_a_killed_process_of_this_machine(tmp_path: Path, host: str) -> None:
    launcher = {"module": "dagster_project.launcher", "class": "LocalRunLauncher"}
    (tmp_path / "dagster.yaml").write_text(json.dumps({"run_launcher": launcher, "telemetry": {"enabled": False}}))
    command = [sys.executable, "-c", RUN, str(tmp_path), json.dumps({"host": host})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"asleep\n"
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert isinstance(instance.run_launcher, LocalRunLauncher)
            (run,) = instance.get_runs()
            assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
            process.kill()
            process.wait()
            told = instance.run_launcher.check_run_worker_health(run)
        assert told.status == (WorkerStatus.NOT_FOUND if host == "localhost" else WorkerStatus.RUNNING)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process was started")
def test_a_process_that_only_has_the_number_is_not_the_one() -> None:
    assert is_alive(os.getpid(), since=time.time())
    assert not is_alive(os.getpid(), since=time.time() - 100 * 86400)

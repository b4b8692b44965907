"""The deployment of `deploy/` on a real PostgreSQL: its configuration, its services, and what they store."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.conftest import REPOSITORY
from tests.end_to_end.ports import free_port

DEPLOY = REPOSITORY / "deploy"
PASSWORD = "a password with : / @ and % in it"


def _server_programs() -> Path | None:
    """Return the folder of PostgreSQL's server programs, the newest of those that Debian has installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    found = shutil.which("initdb")
    folders = [*debian, *([Path(found).resolve().parent] if found else [])]
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


def _server_user() -> dict[str, Any]:
    """Return what makes a process run as a user that PostgreSQL accepts: it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """Start a PostgreSQL of our own on a loopback port, and yield the environment that leads there."""
    programs = _server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    if find_spec("dagster_postgres") is None:
        pytest.skip("the package dagster-postgres is not installed (pip install pipesim[postgres])")
    user = _server_user()
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="pipesim-postgres-"))

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), "-D", str(folder / "data"), *arguments]
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False, **user
        )
        assert done.returncode == 0, done.stdout

    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password"):
            os.chown(path, user.get("user", -1), user.get("group", -1))
        run(
            "initdb",
            "-U",
            "pipesim",
            "-A",
            "scram-sha-256",
            f"--pwfile={folder / 'password'}",
            "--locale=C",
            "-E",
            "UTF8",
            "-N",
        )
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
        log = folder / "data" / "log"
        run("pg_ctl", "start", "-w", "-l", str(log), "-o", options)
        stack.callback(run, "pg_ctl", "stop", "-w", "-m", "fast")
        yield {
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(port),
            "DAGSTER_PG_USERNAME": "pipesim",
            "DAGSTER_PG_PASSWORD": PASSWORD,
            "DAGSTER_PG_DB": "postgres",
        }


def _query(database: dict[str, str], sql: str) -> list[tuple[Any, ...]]:
    import psycopg2

    con = psycopg2.connect(
        host=database["DAGSTER_PG_HOST"],
        port=database["DAGSTER_PG_PORT"],
        user=database["DAGSTER_PG_USERNAME"],
        password=database["DAGSTER_PG_PASSWORD"],
        dbname=database["DAGSTER_PG_DB"],
    )
    try:
        with con.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        con.close()


@pytest.fixture
def instance_folder(tmp_path: Path, database: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """`DAGSTER_HOME` as the deployment has it."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    shutil.copy(DEPLOY / "dagster.yaml", folder)
    for name, value in {**database, "DAGSTER_COMPUTE_LOGS": str(folder / "compute_logs")}.items():
        monkeypatch.setenv(name, value)
    return folder


def test_runs_events_and_partitions_are_stored_in_postgres(instance_folder: Path, database: dict[str, str]) -> None:
    logs = dg.DynamicPartitionsDefinition(name="log_files")

    @dg.asset(partitions_def=logs)
    def ingested(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"file": context.partition_key})

    with dg.DagsterInstance.from_config(str(instance_folder)) as instance:
        instance.add_dynamic_partitions("log_files", ["week-1.jsonl"])
        done = dg.materialize([ingested], instance=instance, partition_key="week-1.jsonl")
        limits = instance.get_concurrency_config().run_queue_config
        assert limits is not None
        assert {"key": "pipesim/refresh", "limit": 1} in limits.tag_concurrency_limits
        assert instance.run_monitoring_enabled
        assert instance.run_launcher.supports_check_run_worker_health
    assert _query(database, f"SELECT status FROM runs WHERE run_id = '{done.run_id}'") == [("SUCCESS",)]
    events = _query(database, f"SELECT dagster_event_type, partition FROM event_logs WHERE run_id = '{done.run_id}'")
    assert ("ASSET_MATERIALIZATION", "week-1.jsonl") in events
    assert _query(database, "SELECT partition FROM dynamic_partitions WHERE partitions_def_name = 'log_files'") == [
        ("week-1.jsonl",)
    ]
    assert not list(instance_folder.rglob("*.db")), "nothing may be kept in SQLite beside it"


@pytest.mark.endurance
def test_the_services_of_the_units_run_a_job(instance_folder: Path, database: dict[str, str], tmp_path: Path) -> None:
    code, web = free_port(), free_port()
    workspace = (DEPLOY / "workspace.yaml").read_text(encoding="utf-8")
    (instance_folder / "workspace.yaml").write_text(workspace.replace("4000", str(code)), encoding="utf-8")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(instance_folder),
        "PIPESIM_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(REPOSITORY),
    }
    changes = {
        "/opt/pipesim/venv/bin": str(Path(sys.executable).parent),
        "/var/lib/pipesim/dagster": str(instance_folder),
        "4000": str(code),
        "3000": str(web),
        "--empty-working-directory": f"--working-directory {REPOSITORY}",  # a checkout instead of an installed copy
    }
    with ExitStack() as stack:
        for name in ("code", "daemon", "webserver"):
            unit = (DEPLOY / "systemd" / f"pipesim-{name}.service").read_text(encoding="utf-8")
            (command,) = [line.removeprefix("ExecStart=") for line in unit.splitlines() if line.startswith("ExecStart=")]
            for old, new in changes.items():
                command = command.replace(old, new)
            output = stack.enter_context((tmp_path / f"{name}.log").open("w"))
            service = subprocess.Popen(
                command.split(), cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            stack.callback(_end, service)
        run_id = _launch(f"http://127.0.0.1:{web}/graphql", "prune")
        deadline = time.monotonic() + 60
        while (status := _query(database, f"SELECT status FROM runs WHERE run_id = '{run_id}'")) != [("SUCCESS",)]:
            assert time.monotonic() < deadline, (status, (tmp_path / "daemon.log").read_text())
            time.sleep(0.3)
        beats = {row[0] for row in _query(database, "SELECT daemon_type FROM daemon_heartbeats")}
        assert {"MONITORING", "QUEUED_RUN_COORDINATOR", "SCHEDULER", "SENSOR"} <= beats


def _launch(url: str, job: str) -> str:
    """Launch a job as the UI does, once the webserver has the code location."""
    mutation = """mutation($run: ExecutionParams!) { launchRun(executionParams: $run) {
        __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
    selector = {"jobName": job, "repositoryName": "__repository__", "repositoryLocationName": "dagster_project"}
    body = json.dumps({"query": mutation, "variables": {"run": {"selector": selector, "runConfigData": {}}}}).encode()
    deadline = time.monotonic() + 60
    while True:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as response:
                answer = json.load(response)["data"]["launchRun"]
            if answer["__typename"] == "LaunchRunSuccess":
                return str(answer["run"]["runId"])
        except OSError as error:
            answer = error
        assert time.monotonic() < deadline, answer
        time.sleep(0.5)


def _end(service: subprocess.Popen[bytes]) -> None:
    service.terminate()
    try:
        service.wait(timeout=15)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(service.pid, signal.SIGKILL)
        service.wait()

"""What the command line needs beside the verbs: SQL at the prompt, and the Dagster UI as a child process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import duckdb

from pipesim.catalog import snapshot_views
from pipesim.errors import RequestError, WorkError
from pipesim.identity import content_hash
from pipesim.lake import Lake

_DAGSTER_YAML = """telemetry:
  enabled: false
nux:
  enabled: false
# What Dagster's own launcher cannot do: find out that a run lost its process, and let its place in the queue go.
run_launcher:
  module: dagster_project.launcher
  class: LocalRunLauncher
run_monitoring:
  enabled: true
  poll_interval_seconds: 15
  start_timeout_seconds: 120
  cancel_timeout_seconds: 60
# A run whose process was killed is taken up again from the step that it was in. A step that failed by itself would fail again.
run_retries:
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
concurrency:
  runs:
    max_concurrent_runs: {runs}
    tag_concurrency_limits:
      - key: pipesim/refresh
        limit: 1
# Days after which the record that a schedule or sensor was looked at goes; one that found nothing to do is worth least.
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days: {{skipped: 1, success: 30, failure: 90}}
  auto_materialize:
    purge_after_days: {{skipped: 1, success: 30, failure: 90}}
"""
#: The hash of what the first version wrote, which bore no mark yet.
_UNMARKED = "b2828c32d87cd16c"
#: The warning that Dagster gives about its own command.
_SUPERSEDED = "ignore:Function `dev_command` is superseded"
#: The top of the checkout, or of the installed packages.
_TOP = Path(__file__).parents[1]
# One name for the code location, whichever way Dagster is started: cursors of sensors are kept under it.
_WORKSPACE_YAML = """load_from:
  - python_module:
      module_name: dagster_project.definitions
      location_name: dagster_project
      working_directory: {top}
"""


def run_sql(lake: Lake, query: str, *, as_table: bool) -> tuple[dict[str, Any], str]:
    """Run one query over the catalogue's views.

    Returns:
        With `as_table`, nothing and the result as a printed table; else `columns` and `rows` as JSON values (what JSON has no
        type for as text), and no table. Never both, as each would run the query.

    Raises:
        RequestError: If DuckDB refuses the query.
    """
    with snapshot_views(lake, documented=True) as con:
        try:
            relation = con.sql(query) if query.strip() else None
            if relation is None:
                raise RequestError("there is nothing to run", where="QUERY", remedy="give one SELECT")
            if as_table:
                return {}, str(relation).rstrip()
            rows = [[_plain(value) for value in row] for row in relation.fetchall()]
            return {"columns": list(relation.columns), "rows": rows}, ""
        except duckdb.Error as error:
            raise RequestError(str(error), where="QUERY", remedy="see the tables: pipesim sql 'SHOW ALL TABLES'") from error


def serve_ui(lake: Lake, port: int) -> None:
    """Run the Dagster webserver and daemon on 127.0.0.1 until interrupted; then no process of theirs is left.

    Raises:
        RequestError: If another one runs on this home folder already (two daemons would do everything twice), or another
            program has the port.
        WorkError: If Dagster stops by itself.
    """
    state = lake.root / "dagster"
    state.mkdir(exist_ok=True)
    with _only_one(lake, state / "ui.lock") as lock:
        _check_port(port)
        renew_configuration(state / "dagster.yaml")
        workspace = state / "workspace.yaml"
        workspace.write_text(_WORKSPACE_YAML.format(top=json.dumps(str(_TOP))), encoding="utf-8")
        command = [sys.executable, "-W", _SUPERSEDED, "-m", "dagster", "dev"]
        command += ["-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(state),
            "PIPESIM_HOME": str(lake.home),
            # The folder that pipesim was started in stays off the path: a file there could stand in for a library's module.
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_TOP), os.environ.get("PYTHONPATH")])),
            "PYTHONSAFEPATH": "1",
        }
        print(f"Dagster UI: http://127.0.0.1:{port}  (Ctrl-C stops it)", flush=True)
        hang_up = signal.signal(signal.SIGHUP, signal.default_int_handler)  # the terminal is closed
        # The child holds the lock too, and keeps it should this process be killed.
        child = subprocess.Popen(command, env=environment, start_new_session=True, pass_fds=[lock.fileno()])
        try:
            lock.write(str(child.pid))
            lock.flush()
            code = child.wait()
        finally:
            _end(child)
            signal.signal(signal.SIGHUP, hang_up)
    raise WorkError(f"Dagster stopped by itself with exit code {code}", remedy="what it said last, above, tells why")


@contextmanager
def _only_one(lake: Lake, file: Path) -> Iterator[TextIO]:
    """Hold the lock of a home folder's UI; the file that is yielded is to hold the number of the process group."""
    import fcntl

    with file.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise RequestError(
                "a Dagster UI runs on this home folder already",
                where=str(lake.home),
                remedy=f"use that one, or end it: kill -INT -- -{lock.read()}",
            ) from None
        lock.truncate(0)
        yield lock


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else it counts as taken for a while after its last use
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise RequestError(
                f"port {port} cannot be had: {error.strerror}", where="--port", remedy="choose another one"
            ) from error


def renew_configuration(file: Path) -> None:
    """Write the instance's configuration, unless a user has changed what was written before.

    The first line holds the hash of the rest: as long as it fits, the file is as pipesim wrote it.
    """
    text = _DAGSTER_YAML.format(runs=max(2, os.cpu_count() or 1))
    if file.exists():
        first, _, rest = file.read_text(encoding="utf-8").partition("\n")
        if first != _mark(rest) and content_hash(f"{first}\n{rest}") != _UNMARKED:
            return
    fresh = file.with_suffix(".fresh")
    fresh.write_text(f"{_mark(text)}\n{text}", encoding="utf-8")
    fresh.replace(file)


def _mark(text: str) -> str:
    return f"# Written by `pipesim ui`, which renews it as long as it is not edited ({content_hash(text)})."


def _end(leader: subprocess.Popen[bytes]) -> None:
    """End every process of the leader's group, runs under way among them; another Ctrl-C cuts the waiting short."""
    for number, patience_s in ((signal.SIGINT, 15.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(leader.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience_s
        with suppress(KeyboardInterrupt):
            while time.monotonic() < deadline and _has_processes(leader):
                time.sleep(0.1)


def _has_processes(leader: subprocess.Popen[bytes]) -> bool:
    leader.poll()  # so that it does not count when it has ended
    try:
        os.killpg(leader.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and value - value != 0:
        return None  # JSON has neither NaN nor infinity
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)

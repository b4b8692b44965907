"""What the command line needs beside the verbs: SQL at the prompt, and the Dagster UI as a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import duckdb

from pipesim.catalog import open_views
from pipesim.errors import RequestError, WorkError
from pipesim.lake import Lake

_DAGSTER_YAML = """# Written by `pipesim ui` for one user on one machine.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 2
"""
# One name for the code location, whichever way Dagster is started: cursors of sensors are kept under it.
_WORKSPACE_YAML = """load_from:
  - python_module: {module_name: dagster_project.definitions, location_name: dagster_project}
"""


def run_sql(lake: Lake, query: str, *, as_table: bool) -> tuple[dict[str, Any], str]:
    """Run one query over the catalogue's views.

    Returns:
        With `as_table`, nothing and the result as a printed table; else `columns` and `rows` as JSON values (what JSON has no
        type for as text), and no table. Never both, as each would run the query.

    Raises:
        RequestError: If DuckDB refuses the query.
    """
    con = open_views(lake)
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
    finally:
        con.close()


def serve_ui(lake: Lake, port: int) -> None:
    """Run the Dagster webserver and daemon on 127.0.0.1 until interrupted.

    Raises:
        WorkError: If Dagster stops by itself.
    """
    state = lake.root / "dagster"
    state.mkdir(exist_ok=True)
    config = state / "dagster.yaml"
    if not config.exists():
        config.write_text(_DAGSTER_YAML, encoding="utf-8")
    print(f"Dagster UI: http://127.0.0.1:{port}  (Ctrl-C stops it)", flush=True)
    workspace = state / "workspace.yaml"
    workspace.write_text(_WORKSPACE_YAML, encoding="utf-8")
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "DAGSTER_HOME": str(state), "PIPESIM_HOME": str(lake.root)}
    child = subprocess.Popen(command, env=environment, start_new_session=True)

    try:
        code = child.wait()
    except KeyboardInterrupt:
        os.killpg(child.pid, signal.SIGINT)
        child.wait()
        raise
    if code not in (0, -signal.SIGINT, -signal.SIGTERM):
        raise WorkError(f"Dagster stopped with exit code {code}", remedy=f"is port {port} free? choose another with --port")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and value - value != 0:
        return None  # JSON has neither NaN nor infinity
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)

"""New logs, with the real daemon and webserver: files are dropped into the inbox, and nothing else is touched."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytestmark = pytest.mark.endurance

_CHECK = """{assetNodeOrError(assetKey: {path: ["observed"]}) {... on AssetNode {assetChecksOrError {... on AssetChecks
{checks {name executionForLatestMaterialization
{status evaluation {metadataEntries {label ... on MarkdownMetadataEntry {mdStr}}}}}}}}}}"""
_RUNS = "{runsOrError {... on Runs {results {runId status jobName stepStats {stepKey status}}}}}"


@dataclass
class Server:
    """A running UI."""

    home: Path
    inbox: Path
    port: int
    process: subprocess.Popen[bytes]

    def ask(self, query: str) -> Any:
        """Query the UI's API."""
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["data"]

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs, newest first."""
        found: list[dict[str, Any]] = self.ask(_RUNS)["runsOrError"]["results"]
        return found

    def settled(self, files: int) -> bool:
        """Whether so many files are known, and everything downstream follows them."""
        ledger = self.home / "inbox.json"
        state = json.loads(ledger.read_text()) if ledger.exists() else {"files": {}, "due": None}
        return len(state["files"]) == files and state["due"] is None

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the published catalogue."""
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as con:
            return con.sql(sql).fetchall()


def _wait(until: Callable[[], bool], seconds: float, server: Server) -> None:
    deadline = time.monotonic() + seconds
    while not _quietly(until):
        assert server.process.poll() is None, "the UI has ended"
        assert time.monotonic() < deadline, f"nothing within {seconds} s: {_quietly(server.runs)}"
        time.sleep(0.5)


def _quietly(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except OSError:
        return None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home, inbox = tmp_path / "home", tmp_path / "inbox"
    inbox.mkdir()
    log = (tmp_path / "ui.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "pipesim", "ui", "--home", str(home), "--port", str(port)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PIPESIM_INBOX": str(inbox)},
        stdout=log,
        stderr=log,
    )
    started = Server(home, inbox, port, process)
    try:
        _wait(lambda: bool(started.ask("{version}")), 60, started)
        yield started
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        log.close()


def _drop(file: Path, first: int, runs: int) -> None:
    """Write a log of small pipelines, an hour apart, and let it look as if it had lain there for long."""
    lines = []
    for number in range(first, first + runs):
        day, hour = 1 + number // 24 % 28, number % 24
        run = {"table": "pipeline_runs", "run_id": f"run-{number}", "pipeline_name": "p", "status": "SUCCEEDED"}
        run |= {"submitted_at": f"2026-02-{day:02}T{hour:02}:00:00Z"}
        task = {"run_id": f"run-{number}", "task_id": "train", "task_name": "train", "task_type": "train", "gpus": 1}
        task |= {"status": "SUCCEEDED", "duration_s": 60 + number % 7}
        lines += [json.dumps(run), json.dumps(task)]
    file.write_text("\n".join(lines) + "\n")
    os.utime(file, (1e9, 1e9))


def test_dropped_files_come_out_as_fresh_analytics(server: Server) -> None:
    (server.inbox / "bad.jsonl").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    os.utime(server.inbox / "bad.jsonl", (1e9, 1e9))
    _drop(server.inbox / "one.jsonl", 0, 200)
    _drop(server.inbox / "two.jsonl", 200, 200)
    before = {path.name: path.stat().st_mtime_ns for path in server.inbox.iterdir()}
    _wait(lambda: server.settled(files=3) and all(run["status"] == "SUCCESS" for run in server.runs()), 150, server)
    runs = server.runs()
    assert [(run["jobName"], run["status"]) for run in runs if run["jobName"] == "whole_path"] == [("whole_path", "SUCCESS")]
    steps = [step["stepKey"] for run in runs for step in run["stepStats"]]
    assert sorted(set(steps)) == sorted(steps), "a step ran more than once"
    assert server.rows("SELECT count(*) FROM observed.pipeline_runs") == [(400,)]
    origins = "SELECT origin, count(DISTINCT trace) > 0 FROM analytics.scenario_summary GROUP BY ALL ORDER BY ALL"
    assert [origin for origin, _ in server.rows(origins)] == ["observed", "simulated", "synthetic"]
    assert server.rows("SELECT sum(runs) FROM analytics.scenario_summary WHERE origin = 'observed'") == [(400,)]
    (check,) = [c for c in server.ask(_CHECK)["assetNodeOrError"]["assetChecksOrError"]["checks"] if c["name"] == "inbox_files"]
    latest = check["executionForLatestMaterialization"]
    assert latest["status"] == "FAILED"
    assert "bad.jsonl" in latest["evaluation"]["metadataEntries"][0]["mdStr"].replace("\\", "")
    assert {path.name: path.stat().st_mtime_ns for path in server.inbox.iterdir()} == before

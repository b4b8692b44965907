"""Outside readers: other processes read, hold and export while the catalogue is published 50 times and files are replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipesim import snapshots
from pipesim.catalog import publish
from pipesim.lake import Lake
from pipesim.trace import Trace
from tests.test_trace import ROW

PUBLISHES = 50
KINDS = ("opens anew", "holds read-only", "holds read-write", "polars", "pipesim sql", "export")
#: Every commit stores `version` rows and says so in the summary, so a reader of half a commit sees two numbers differ.
READER = """
import collections, json, subprocess, sys, time
from pathlib import Path
import duckdb
kind, home, stop = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
warehouse = str(home / "warehouse.duckdb")
TORN = (
    "SELECT count(*), count(*) FILTER (rows IS DISTINCT FROM version), max(version) FROM simulated.summaries FULL JOIN "
    "(SELECT trace AS scenario, replication, count(*) AS rows FROM traces.task_runs WHERE origin = 'simulated' GROUP BY ALL) "
    "USING (scenario, replication)"
)
held = None

def ask(con):
    return con.sql(TORN).fetchall()[0]

def opens_anew():
    with duckdb.connect(warehouse, read_only=True) as con:
        return ask(con)

def holds_read_only():
    global held
    held = held or duckdb.connect(warehouse, read_only=True)
    return ask(held)

def holds_read_write():
    global held
    if reads % 20 == 0 and held:
        held.close()
        held = None
    held = held or duckdb.connect(warehouse)
    return ask(held)

def polars():
    import polars as pl
    files = (home / "snapshots" / "current").resolve() / "simulated"
    rows = pl.scan_parquet(files / "task_runs/*/*/*.parquet", hive_partitioning=True).group_by("replication").len("rows")
    summaries = pl.scan_parquet(files / "summaries/*/*/*.parquet", hive_partitioning=True)
    wrong = pl.col("rows").ne_missing(pl.col("version")).sum().alias("wrong")
    both = summaries.join(rows, on="replication", how="full")
    return both.select(pl.len(), wrong, pl.col("version").max()).collect().row(0)

def pipesim_sql():
    command = [sys.executable, "-m", "pipesim", "sql", TORN, "--home", str(home), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)["rows"][0]

def export():
    from pipesim.export import export
    from pipesim.lake import Lake
    with duckdb.connect(export(Lake(home), home / "exported.duckdb").file, read_only=True) as con:
        return ask(con)

read = globals()[kind.replace(" ", "_").replace("-", "_")]
reads, torn, forbidden, failed, versions = 0, 0, 0, [], []
while not stop.exists() or not reads:
    try:
        partitions, wrong, version = read()
        reads += 1
        torn += bool(wrong) or not 3 <= partitions <= 4
        versions.append(version)
    except BaseException as error:
        if "Could not set lock on file" in str(error):  # DuckDB lets one process write a file, and then none other read it
            forbidden += 1
        else:
            failed.append(f"{type(error).__name__}: {error}")
    time.sleep({"pipesim sql": 2.0, "export": 2.0}.get(kind, 0.2))
print(json.dumps({"reads": reads, "torn": torn, "forbidden": forbidden, "failed": failed[:3],
                  "backwards": versions != sorted(versions), "versions": len(set(versions))}))
"""


def _simulate(lake: Lake, version: int) -> None:
    """Replace a replication by one with as many rows as its version."""
    rows = pl.DataFrame([ROW]).select(pl.all().repeat_by(version).explode())
    trace = Trace({"task_runs": rows.with_columns(run_id=pl.int_range(pl.len()).cast(pl.String))}, "simulated", "what-if")
    lake.save_simulated(trace, version % 4, pl.DataFrame({"version": [version]}), {})


@pytest.mark.endurance
def test_no_read_and_no_publish_fails_while_files_are_replaced(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "GRACE_S", 5.0)  # so that snapshots are pruned under the readers
    for version in range(1000, 1004):
        _simulate(lake, version)
    publish(lake)
    stop = tmp_path / "stop"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    readers = {
        kind: subprocess.Popen(
            [sys.executable, "-c", READER, kind, str(lake.root), str(stop)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for kind in KINDS
    }
    try:
        for number in range(PUBLISHES):
            _simulate(lake, 1004 + 37 * number)
            if number % 5 == 4:
                lake.drop_replications("what-if", keep=3)
            publish(lake)
    finally:
        stop.touch()
        said = {kind: json.loads(reader.communicate(timeout=60)[0]) for kind, reader in readers.items()}

    def of(key: str) -> dict[str, Any]:
        return {kind: answer[key] for kind, answer in said.items()}

    assert not any(of("failed").values()), said
    assert not any(of("torn").values()), "a reader saw half a commit"
    assert not any(of("backwards").values()), "a reader saw an older state after a newer one"
    forbidden = {kind for kind, answer in said.items() if answer["forbidden"]}
    assert forbidden <= {"opens anew", "holds read-only", "holds read-write"}, "only who opens the file itself meets its lock"
    assert all(answer["reads"] >= 3 for answer in said.values()), said
    assert said["holds read-only"]["versions"] == 1, "who holds the catalogue reads one state of the lake"
    for kind in ("opens anew", "polars", "export"):
        assert said[kind]["versions"] > 1, kind
    monkeypatch.setattr(snapshots, "GRACE_S", 0.0)
    publish(lake)
    assert len(list((lake.root / "snapshots").iterdir())) == 2, "one snapshot and the link to it"
    assert not list(lake.root.glob(".*exporting"))

"""What the tests of OpenLineage share: its fixture, events in the standard's shape, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipesim.ingest import ingest
from pipesim.ingest.accounts import FileAccount
from pipesim.ingest.sources.openlineage.source import OpenLineage
from pipesim.lake import Lake

FIXTURES = Path(__file__).parents[1] / "fixtures"
LOG = FIXTURES / "openlineage" / "events.jsonl"
LINES = LOG.read_text(encoding="utf-8").splitlines()
#: The lines that are good events, of which the last one before the blank line is number 27.
GOOD = LINES[:27]
INDENTED = json.dumps(json.loads(GOOD[2]), indent=2)
PROVENANCE = ("source", "source_file", "source_line", "ingest_id")

Row = dict[str, Any]


def run_id(number: int) -> str:
    return f"0197a000-0000-7000-8000-0000000000{number:02d}"


def at(hour: int, minute: int = 0, second: int = 0, microsecond: int = 0) -> datetime:
    return datetime(2026, 3, 2, hour, minute, second, microsecond)


def read(folder: Path, lines: Sequence[str], name: str = "log.jsonl", zone: str | None = None) -> tuple[Lake, FileAccount]:
    log = folder / name
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    lake = Lake(folder / "home")
    (account,) = ingest(lake, [log], OpenLineage(zone)).accounts
    assert account.lines == account.valid + account.duplicates + account.quarantined + account.blank_or_header
    return lake, account


def rows(lake: Lake, table: str) -> list[Row]:
    """Return a table's rows in the order of their keys, without what is NULL and without where they are from."""
    if not (lake.lake / "observed" / table).exists():
        return []
    frame = pl.read_parquet(lake.lake / "observed" / table).drop(PROVENANCE)
    found = [{k: v for k, v in row.items() if v is not None} for row in frame.iter_rows(named=True)]
    return sorted(found, key=lambda row: [str(row.get(k)) for k in ("run_id", "task_id", "asset_id", "version", "direction")])


def refused(lake: Lake) -> list[tuple[int, str, str]]:
    frame = pl.read_parquet(lake.lake / "quarantine").sort("source_line", "rule")
    return frame.select("source_line", "stage", "rule").rows()


def event(kind: str | None = "START", **parts: Any) -> dict[str, Any]:
    """Return an event in the standard's shape; a part that is None is left out."""
    whole = {
        "eventType": kind,
        "eventTime": "2026-03-02T09:00:00Z",
        "run": {"runId": run_id(50), "facets": {}},
        "job": {"namespace": "n", "name": "j", "facets": {}},
        "inputs": [],
        "outputs": [],
        "producer": "https://example.org/tests",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }
    return {name: part for name, part in {**whole, **parts}.items() if part is not None}


def run_of(number: int, parent: int | None = None, root: int | None = None, **facets: Any) -> dict[str, Any]:
    """Return the `run` of an event; a facet of the parent names its job after its number."""
    if parent is not None:
        above = {"run": {"runId": run_id(parent)}, "job": {"namespace": "n", "name": f"job {parent}"}}
        named = {"run": {"runId": run_id(root or 0)}, "job": {"namespace": "n", "name": f"job {root}"}}
        facets["parent"] = above if root is None else {**above, "root": named}
    return {"runId": run_id(number), "facets": facets}


def data(name: str, **more: Any) -> dict[str, Any]:
    return {"namespace": "s3://lake", "name": name, **more}


def all_rows(lake: Lake) -> dict[str, list[Row]]:
    tables = ("pipeline_runs", "task_runs", "task_edges", "task_io", "data_assets")
    return {table: rows(lake, table) for table in tables}

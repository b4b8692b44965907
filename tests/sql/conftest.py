from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from pipesim import analytics, catalog
from pipesim.lake import Lake
from pipesim.schema import TRACE_TABLES, with_provenance
from pipesim.trace import Trace

MONDAY = datetime(2026, 3, 2)
Rows = list[dict[str, Any]]


def at(days: int, hours: int, minutes: float = 0) -> datetime:
    return MONDAY + timedelta(days=days, hours=hours, minutes=minutes)


def handmade(variant: int) -> dict[str, Rows]:
    """A trace of awkward rows; the variant delays one attempt by as many minutes."""
    late = timedelta(minutes=variant)

    def run(run_id: str, tenant: str | None, status: str, submitted: datetime | None, ended: datetime | None) -> dict[str, Any]:
        return {
            "run_id": run_id, "pipeline_name": "p", "tenant": tenant, "status": status, "raw_status": status,
            "submitted_at": submitted, "ended_at": ended, "observed_until": at(1, 6), "time_basis": "utc",
        }  # fmt: skip

    def task(run_id: str, task_id: str, attempt: int, kind: str | None, status: str, **given: Any) -> dict[str, Any]:
        blank = dict.fromkeys(
            ("framework", "queued_at", "started_at", "ended_at", "duration_s", "pool", "cpu_cores", "gpus", "memory_bytes",
             "read_bytes", "written_bytes")
        )  # fmt: skip
        names = {"run_id": run_id, "task_id": task_id, "attempt": attempt, "task_name": task_id, "task_type": kind}
        return {**blank, **names, "status": status, "raw_status": status, "is_censored": False, **given}

    def capacity(pool: str, since: datetime, **given: float) -> dict[str, Any]:
        blank = dict.fromkeys(("gpus", "cpu_cores", "slots"))
        return {"pool": pool, "valid_from": since, "valid_to": None, "kind": pool, **blank, **given}

    gpu, cpu = {"pool": "gpu"}, {"pool": "cpu"}
    return {
        "pipeline_runs": [
            run("A", "x", "SUCCEEDED", at(0, 0, 10), at(0, 3)),
            run("B", None, "FAILED", at(0, 23, 30), at(1, 1, 15)),
            run("C", "x", "RUNNING", at(1, 2), None),
            run("D", "y'; DROP TABLE x --", "UNKNOWN", None, None),
            run("E", "x", "CANCELLED", at(0, 0, 20), at(0, 0, 20)),
        ],
        "task_runs": [
            # Zero wait and zero duration.
            task("A", "p", 1, "preprocess", "SUCCEEDED", queued_at=at(0, 0, 10), started_at=at(0, 0, 10),
                 ended_at=at(0, 0, 10), cpu_cores=2.0, read_bytes=100, written_bytes=7, **cpu),
            # A failed attempt and its retry, over several hours.
            task("A", "t", 1, "train", "FAILED", framework="TensorFlow", queued_at=at(0, 0, 10),
                 started_at=at(0, 0, 40) + late, ended_at=at(0, 1, 20) + late, duration_s=2400.0, is_censored=True, gpus=2.0,
                 memory_bytes=10, **gpu),
            task("A", "t", 2, "train", "SUCCEEDED", framework="TensorFlow", queued_at=at(0, 1, 20) + late,
                 started_at=at(0, 1, 20) + late, ended_at=at(0, 3), gpus=2.0, written_bytes=50, **gpu),
            # Over midnight.
            task("B", "p", 1, "preprocess", "SUCCEEDED", queued_at=at(0, 23, 30), started_at=at(0, 23, 45),
                 ended_at=at(1, 0, 30), cpu_cores=3.0, **cpu),
            # A third of a GPU, ending inside the hour in which it starts.
            task("B", "t", 1, "train", "TIMEOUT", framework="PyTorch", queued_at=at(1, 0, 30), started_at=at(1, 1),
                 ended_at=at(1, 1, 15), duration_s=901.5, gpus=1 / 3, **gpu),
            # Still running, still waiting, cancelled while waiting.
            task("C", "t", 1, "train", "RUNNING", queued_at=at(1, 2), started_at=at(1, 2, 30), is_censored=True, gpus=4.0,
                 **gpu),
            task("C", "w", 1, "evaluate", "PENDING", queued_at=at(1, 3), is_censored=True, **cpu),
            task("C", "x", 1, "deploy", "CANCELLED", queued_at=at(1, 3, 10), ended_at=at(1, 3, 40), **cpu),
            # Queued, but never said to have started; no pool, no type.
            task("D", "u", 1, None, "UNKNOWN", queued_at=at(1, 5), duration_s=77.0),
        ],
        "pools": [
            capacity("gpu", at(-1, 0), gpus=4.0),
            # The pool grows in the middle of an hour, and the log does not close the old capacity.
            capacity("gpu", at(1, 0, 30), gpus=8.0),
            capacity("cpu", at(-1, 0), cpu_cores=4.0, slots=2),
        ],
    }  # fmt: skip


#: Which variant stands under which origin, trace and replication.
STORED = {
    ("observed", "observed", 0): 0,
    ("synthetic", "syn-1", 0): 0,
    ("simulated", "fifo", 0): 0,
    ("simulated", "fifo", 1): 7,
    ("simulated", "sjf", 0): 25,
    ("simulated", "sjf", 1): 95,
}


def frames(variant: int) -> dict[str, pl.DataFrame]:
    return {
        name: TRACE_TABLES[name].conform(pl.DataFrame(rows, infer_schema_length=None))
        for name, rows in handmade(variant).items()
    }


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("home"))
    for (origin, name, replication), variant in STORED.items():
        if origin == "observed":
            with lake.transaction() as tx:
                for table, frame in frames(variant).items():
                    row = frame.with_columns(
                        source=pl.lit("native"), source_file=pl.lit("a.jsonl"), source_line=pl.lit(1), ingest_id=pl.lit("i1")
                    )
                    tx.write_frame(with_provenance(TRACE_TABLES[table]).conform(row), lake.observed_file(table, "i1"))
        elif origin == "synthetic":
            lake.save_synthetic(Trace(frames(variant), "synthetic", name), {})
        else:
            lake.save_simulated(Trace(frames(variant), "simulated", name), replication, pl.DataFrame({"scenario": [name]}), {})
    analytics.build(lake)
    catalog.publish(lake)
    return lake


@pytest.fixture
def client(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """A bare DuckDB client on the published catalogue."""
    with duckdb.connect(str(lake.warehouse), read_only=True) as con:
        yield con


@pytest.fixture(scope="session")
def stored() -> dict[tuple[str, str, int], dict[str, Rows]]:
    """The rows that stand under each origin, trace and replication."""
    return {identity: handmade(variant) for identity, variant in STORED.items()}

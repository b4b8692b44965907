"""The shipped profiles, on files in the published shapes with their awkward rows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from pipesim.ingest import find_files, find_source, ingest, recognise_source
from pipesim.ingest.accounts import IngestReport
from pipesim.lake import Lake

FIXTURES = Path(__file__).parents[1] / "fixtures"
PROFILES = ("helios", "acme", "openb", "pai")


def ingested(lake: Lake, name: str) -> IngestReport:
    return ingest(lake, [FIXTURES / name], find_source(name))


def refused(lake: Lake) -> list[tuple[int, str]]:
    found = pl.read_parquet(lake.lake / "quarantine").select("source_line", "rule").unique()
    return sorted(found.rows())


@pytest.mark.parametrize("name", PROFILES)
def test_each_is_recognised_by_what_its_files_hold_and_accounted_for(lake: Lake, name: str) -> None:
    source, why = recognise_source(find_files([FIXTURES / name]))
    assert source.name == name
    assert f"is read as {name}, as it has the" in why
    report = ingested(lake, name)
    counts = report.as_dict()
    assert counts["lines"] == sum(counts[k] for k in ("valid", "duplicates", "quarantined", "blank_or_header"))
    assert [account.unused for account in report.accounts] == [[]] * len(report.accounts)
    assert lake.load_observed().violations() == []
    assert len(ingested(lake, name).unchanged) == len(report.accounts)


def test_helios(lake: Lake) -> None:
    ingested(lake, "helios")
    rows = lake.load_observed().task_runs.sort("run_id")
    assert rows.select("run_id", "status", "raw_status", "pool", "gpus", "cpu_cores", "duration_s", "is_censored").rows() == [
        ("helios-1001", "SUCCEEDED", "COMPLETED", "vcA", 8.0, 32.0, 3600.0, False),
        ("helios-1002", "FAILED", "FAILED", "vcB", 0.0, 4.0, 1.0, True),
        ("helios-1003", "CANCELLED", "CANCELLED", "vcA", 16.0, 64.0, 0.0, True),
        ("helios-1004", "TIMEOUT", "TIMEOUT", "vcA", 1.0, 4.0, 1209600.0, True),
        ("helios-1005", "NODE_FAIL", "NODE_FAIL", "vcB", 1.0, 4.0, 60.0, True),
        ("helios-1006", "RUNNING", "SUSPENDED", "vcB", 1.0, 4.0, 0.0, True),
    ]
    assert rows["started_at"].to_list()[:3] == [datetime(2020, 3, 31, 16, 0, 20), datetime(2020, 3, 31, 16, 5), None]
    assert set(lake.load_observed().pipeline_runs["time_basis"]) == {"assumed_zone"}
    assert refused(lake) == [(8, "queued_at_after_started_at"), (8, "submitted_at_after_started_at"), (9, "unmapped_status")]


def test_acme(lake: Lake) -> None:
    ingested(lake, "acme")
    rows = lake.load_observed().task_runs.sort("run_id")
    assert rows.select("run_id", "task_type", "raw_type", "status", "gpus", "duration_s").rows() == [
        ("acme-5778432", "evaluate", "Evaluation", "SUCCEEDED", 1.0, 600.0),
        ("acme-5778433", "train", "Pretrain", "CANCELLED", 256.0, 86400.0),
        ("acme-5778434", "train", "SFT", "FAILED", 8.0, None),
        ("acme-5778435", "other", "Debug", "RUNNING", 8.0, None),
        ("acme-dlc0000000000001", "other", "Other", "FAILED", 64.0, 8.0),
        ("acme-dlc0000000000002", "other", "Other", "SUCCEEDED", 0.0, 600.0),
    ]
    assert rows["queued_at"][0] == datetime(2023, 2, 28, 16)
    assert set(lake.load_observed().pipeline_runs["time_basis"]) == {"utc"}


def test_openb(lake: Lake) -> None:
    ingested(lake, "openb")
    trace = lake.load_observed()
    columns = ("run_id", "status", "raw_status", "gpus", "gpu_type", "cpu_cores", "memory_bytes", "duration_s")
    assert trace.task_runs.sort("run_id").select(columns).rows() == [
        ("openb-openb-pod-0000", "SUCCEEDED", "Succeeded", 8.0, None, 88.0, 327680 << 20, 1332354.0),
        ("openb-openb-pod-0001", "CANCELLED", "deleted", 0.22, None, 4.0, 15258 << 20, 294651.0),
        ("openb-openb-pod-0002", "RUNNING", "Running", 1.0, "V100M16|V100M32", 16.0, 32768 << 20, None),
        ("openb-openb-pod-0003", "PENDING", "Pending", 0.0, None, 2.0, 1024 << 20, None),
        ("openb-openb-pod-0004", "CANCELLED", "deleted", 0.0, None, 2.0, 1024 << 20, None),
        ("openb-openb-pod-0005", "FAILED", "Failed", 2.0, None, 2.0, 1024 << 20, 90.0),
    ]
    assert trace.pipeline_runs.sort("run_id")["priority"].to_list() == [1, 0, 2, 2, 0, 0]
    assert set(trace.pipeline_runs["time_basis"]) == {"relative"}
    # Machines of a kind are a pool, whose quantities are their sums.
    assert trace.pools.sort("pool").select("pool", "kind", "node_count", "cpu_cores", "gpus", "memory_bytes").rows() == [
        ("G3", "gpu", 1, 128.0, 8.0, 786432 << 20),
        ("V100M32", "gpu", 2, 192.0, 16.0, 2 * (786432 << 20)),
        ("cpu", "cpu", 1, 32.0, 0.0, 262144 << 20),
    ]


def test_pai(lake: Lake) -> None:
    report = ingested(lake, "pai")
    assert [Path(account.file).name for account in report.accounts] == [
        "pai_job_table.csv", "pai_machine_spec.csv", "pai_task_table.csv",
    ]  # fmt: skip
    trace = lake.load_observed()
    assert trace.pipeline_runs.sort("run_id").select("run_id", "user", "status", "raw_status").rows() == [
        ("pai-j1", "u1", "SUCCEEDED", "Terminated"),
        ("pai-j2", "u2", "FAILED", "Failed"),
        ("pai-j3", "u2", "RUNNING", "Running"),
        ("pai-j4", "u1", "PENDING", "Waiting"),
    ]
    tasks = trace.task_runs.sort("run_id", "task_id")
    assert tasks.select("run_id", "task_id", "gpus", "cpu_cores", "memory_bytes", "gpu_type", "duration_s").rows() == [
        ("pai-j1", "ps", None, 6.0, 29_300_000_000, "CPU", 270.0),
        ("pai-j1", "worker", 1.0, 12.0, 58_600_000_000, "V100", 270.0),
        ("pai-j3", "tensorflow", 1.0, 6.0, 29_300_000_000, "MISC", None),
    ]
    # A task waits from the submission of its job on, which the table of jobs tells.
    assert ((tasks["started_at"] - tasks["queued_at"]).dt.total_seconds()).to_list() == [20, 30, 10]
    assert refused(lake) == [(3, "expression_failed")]
    assert trace.pools.sort("pool").select("pool", "node_count", "gpus").rows() == [("CPU", 1, 0.0), ("V100", 2, 16.0)]

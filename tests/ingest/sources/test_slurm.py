"""Slurm's accounting: jobs, steps, arrays, components and requeues; what is damaged is quarantined, line by line."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest import IngestReport, find_source, ingest
from pipesim.ingest.reading.files import find_files
from pipesim.ingest.sources import Head
from pipesim.lake import Lake

FIXTURES = Path(__file__).parents[1] / "fixtures"
WEEK = FIXTURES / "slurm" / "week.psv"
HEADER = "JobID|JobName|User|State|Submit|Start|End|Elapsed"
TIMES = "2026-03-02T08:00:00|2026-03-02T09:00:00|2026-03-02T10:00:00|01:00:00"
GIB = 1 << 30


def _write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("".join(f"{line}\n" for line in (header, *lines)), encoding="utf-8")
    return path


def _ingest(lake: Lake, path: Path, zone: str | None = None) -> IngestReport:
    return ingest(lake, [path], find_source("slurm", time_zone=zone))


def _counts(report: IngestReport) -> tuple[int, int, int, int, int]:
    total = report.as_dict()
    return total["lines"], total["valid"], total["duplicates"], total["quarantined"], total["blank_or_header"]


def _reasons(lake: Lake) -> list[tuple[int, str, str]]:
    if not (lake.lake / "quarantine").exists():
        return []
    return pl.read_parquet(lake.lake / "quarantine").select("source_line", "stage", "rule").sort(pl.all()).rows()


def _tasks(lake: Lake, *columns: str) -> list[tuple[Any, ...]]:
    return lake.load_observed().task_runs.sort("run_id", "task_id", "attempt").select(columns).rows()


def _runs(lake: Lake, *columns: str) -> list[tuple[Any, ...]]:
    return lake.load_observed().pipeline_runs.sort("run_id").select(columns).rows()


def _translated(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file's units, runs and attempts in turn."""
    (file,) = find_files([path])
    return [dict(record) for unit in find_source("slurm").units(file) or () for record in unit.records]


def _at(hour: int, minute: int = 0, second: int = 0, day: int = 2) -> datetime:
    return datetime(2026, 3, day, hour, minute, second)


def test_every_line_of_the_fixture_is_accounted_for(lake: Lake) -> None:
    report = _ingest(lake, WEEK)
    assert _counts(report) == (28, 13, 1, 4, 10)
    assert report.as_dict()["rows"] == {"pipeline_runs": 13, "task_runs": 16}
    assert report.accounts[0].unused == ["QOS"]
    assert lake.load_observed().violations() == []
    assert _reasons(lake) == [
        (22, "parse", "field_count"),
        (23, "parse", "unmapped_status"),
        (24, "rule", "queued_at_after_started_at"),
        (24, "rule", "submitted_at_after_started_at"),
        (25, "parse", "step_without_job"),
    ]
    raw = pl.read_parquet(lake.lake / "quarantine").filter(pl.col("source_line") == 22)["raw"].item()
    assert raw == WEEK.read_text().splitlines()[21]


def test_the_runs_of_the_fixture(lake: Lake) -> None:
    _ingest(lake, WEEK)
    waits = [(f"slurm-1005_{k}", "sweep", "vision", "ada", 7, "PENDING", "PENDING", _at(10), None, None) for k in (3, 5, 7, 9)]
    assert _runs(
        lake,
        *("run_id", "pipeline_name", "tenant", "user", "priority", "status", "raw_status"),
        *("submitted_at", "started_at", "ended_at"),
    ) == [
        ("slurm-1001", "train resnet", "vision", "ada", 4294, "SUCCEEDED", "COMPLETED", _at(8), _at(8, 15), _at(10, 15, day=3)),
        ("slurm-1002", "prep", "nlp", "bob", 10, "FAILED", "FAILED", _at(9), _at(9, 0, 30), _at(9, 1)),
        ("slurm-1003", "held", "nlp", "bob", 0, "CANCELLED", "CANCELLED by 1000", _at(9), None, _at(12)),
        ("slurm-1004", "later", "nlp", "bob", 1, "CANCELLED", "CANCELLED by 0", _at(9), None, _at(12, 30)),
        ("slurm-1005_1", "sweep", "vision", "ada", 7, "TIMEOUT", "TIMEOUT", _at(10), _at(10), _at(11)),
        ("slurm-1005_2", "sweep", "vision", "ada", 7, "FAILED", "OUT_OF_MEMORY", _at(10), _at(10), _at(10, 20)),
        *waits,
        ("slurm-1010", "coupled", "climate", "eve", 9, "FAILED", "FAILED", _at(11), _at(11, 5), _at(12, 6)),
        ("slurm-1020", "requeued", "vision", "ada", 5, "SUCCEEDED", "CD", _at(8), _at(9), _at(11)),
        ("slurm-1030", "slurm", "climate", "eve", 3, "RUNNING", "RUNNING", _at(11), _at(11, 0, 10), None),
    ]
    assert {
        (row["time_basis"], row["trigger"], row["parent_run_id"]) for row in lake.load_observed().pipeline_runs.to_dicts()
    } == {("assumed_zone", None, None)}


def test_the_attempts_of_the_fixture(lake: Lake) -> None:
    _ingest(lake, WEEK)
    assert _tasks(lake, "run_id", "task_id", "attempt", "status", "queued_at", "started_at", "ended_at", "duration_s") == [
        ("slurm-1001", "job", 1, "SUCCEEDED", _at(8, 10), _at(8, 15), _at(10, 15, day=3), 93600.0),
        ("slurm-1002", "job", 1, "FAILED", _at(9), _at(9, 0, 30), _at(9, 1), 30.0),
        ("slurm-1003", "job", 1, "CANCELLED", None, None, _at(12), None),
        ("slurm-1004", "job", 1, "CANCELLED", None, None, _at(12, 30), None),
        ("slurm-1005_1", "job", 1, "TIMEOUT", _at(10), _at(10), _at(11), 3600.0),
        ("slurm-1005_2", "job", 1, "FAILED", _at(10), _at(10), _at(10, 20), 1200.0),
        *((f"slurm-1005_{k}", "job", 1, "PENDING", _at(10), None, None, None) for k in (3, 5, 7, 9)),
        ("slurm-1010", "job+0", 1, "SUCCEEDED", _at(11), _at(11, 5), _at(12, 5), 3600.0),
        ("slurm-1010", "job+1", 1, "FAILED", _at(11), _at(11, 5), _at(12, 6), 3660.0),
        ("slurm-1020", "job", 1, "NODE_FAIL", _at(8), _at(9), _at(9, 30), 1800.0),
        ("slurm-1020", "job", 2, "CANCELLED", _at(9, 32, 1), _at(9, 40), _at(9, 50), 600.0),
        # It was suspended for five minutes, which are no work.
        ("slurm-1020", "job", 3, "SUCCEEDED", _at(9, 52, 1), _at(10), _at(11), 3300.0),
        ("slurm-1030", "job", 1, "RUNNING", _at(11), _at(11, 0, 10), None, None),
    ]


def test_what_the_attempts_of_the_fixture_held_and_moved(lake: Lake) -> None:
    _ingest(lake, WEEK)
    waiting = ("PENDING", None, None, 4.0, 1.0, None, 8 * GIB, None, None, None)
    assert _tasks(
        lake,
        *("raw_status", "pool", "node_id", "cpu_cores", "gpus", "gpu_type", "memory_bytes"),
        *("read_bytes", "written_bytes", "error"),
    ) == [
        ("COMPLETED", "gpu", "gpu07", 8.0, 2.0, "a100", 64 * GIB, (1 << 19) + 8 * GIB, 7 << 20, None),
        ("FAILED", "cpu", None, 2.0, None, None, 3 * GIB // 2, None, None, "ExitCode 2:0"),
        ("CANCELLED by 1000", "cpu", None, 1.0, None, None, 4 * GIB, None, None, None),
        ("CANCELLED by 0", "cpu", None, 1.0, None, None, 4 * GIB, None, None, None),
        ("TIMEOUT", "gpu", "gpu08", 4.0, 2.0, None, 8 * GIB, None, None, "ExitCode 0:15"),
        ("OUT_OF_MEMORY", "gpu", "gpu08", 4.0, 1.0, "a100", 8 * GIB, None, None, "ExitCode 0:125"),
        *([waiting] * 4),
        ("COMPLETED", "cpu", None, 64.0, None, None, 128 * GIB, 2 << 20, 4 << 20, None),
        ("FAILED", "gpu", "gpu01", 8.0, 1.0, None, 16 * GIB, None, None, "ExitCode 1:0"),
        ("NODE_FAIL", "gpu", "gpu09", 1.0, None, None, None, 7 << 20, None, None),
        ("REQUEUED", "gpu", "gpu10", 1.0, None, None, None, None, None, None),
        ("CD", "gpu", "gpu10", 1.0, None, None, None, 8 << 20, None, None),
        ("RUNNING", "cpu", "cn05", 16.0, None, None, 32 * GIB, None, None, None),
    ]


@pytest.mark.parametrize(
    ("words", "ended", "task", "run"),
    [
        ("PENDING PD", False, "PENDING", "PENDING"),
        ("RUNNING R COMPLETING CG SUSPENDED S CONFIGURING CF STOPPED", False, "RUNNING", "RUNNING"),
        ("COMPLETED CD completed", True, "SUCCEEDED", "SUCCEEDED"),
        ("FAILED F OUT_OF_MEMORY OOM LAUNCH_FAILED", True, "FAILED", "FAILED"),
        ("CANCELLED CA PREEMPTED PR REVOKED RV", True, "CANCELLED", "CANCELLED"),
        ("TIMEOUT TO DEADLINE DL", True, "TIMEOUT", "TIMEOUT"),
        ("NODE_FAIL NF BOOT_FAIL BF", True, "NODE_FAIL", "NODE_FAIL"),
        ("REQUEUED RQ REQUEUE_HOLD RESV_DEL_HOLD", True, "CANCELLED", "PENDING"),
        ("REQUEUED REQUEUE_HOLD RH SPECIAL_EXIT", False, "PENDING", "PENDING"),
        ("SPECIAL_EXIT SE", True, "FAILED", "PENDING"),
        ("RESIZING RS", True, "CANCELLED", "RUNNING"),
        ("RESIZING RS", False, "RUNNING", "RUNNING"),
    ],
)
def test_states(tmp_path: Path, words: str, ended: bool, task: str, run: str) -> None:
    times = TIMES if ended else TIMES.replace("2026-03-02T10:00:00", "Unknown")
    log = _write(tmp_path / "log.psv", *(f"{n}|j|u|{word}|{times}" for n, word in enumerate(words.split(), 10)))
    records = _translated(log)
    assert [(r["status"], r["raw_status"]) for r in records[0::2]] == [(run, word) for word in words.split()]
    assert [(r["status"], r["raw_status"]) for r in records[1::2]] == [(task, word) for word in words.split()]


@pytest.mark.parametrize("delimiter", ["|", ";", "\t", "@@", "^"])
@pytest.mark.parametrize("trailing", [False, True])
def test_any_delimiter_and_order_of_columns(tmp_path: Path, delimiter: str, trailing: bool) -> None:
    lines = ["Start|State|JobIDRaw|ElapsedRaw|End", "2026-03-02T09:00:00|COMPLETED|7|60|2026-03-02T09:01:00"]
    end = delimiter if trailing else ""
    log = tmp_path / "log.txt"
    log.write_text("".join(f"{line.replace('|', delimiter)}{end}\r\n" for line in lines))
    _, task = _translated(log)
    assert [task[c] for c in ("run_id", "started_at", "duration_s", "queued_at")] == [
        "slurm-7",
        "2026-03-02T09:00:00",
        "60",
        None,
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1001|j|u|COMPLETED|2026-03-02T08:00:00\n", "no header: the first line is a job's"),
        ("1001.batch|j|u|COMPLETED\n", "no header: the first line is a job's"),
        ("JobID           JobName  Partition\n------------ ---------- ----------\n1 a b\n", "no header of sacct's parsable"),
        ("JobID|JobName|Submit\n1|j|2026-03-02T08:00:00\n", "State are missing"),
        ("JobID|State|End\n1|FAILED|Unknown\n", "Submit or Start are missing"),
        ("JobID|State|Start|State\n1|FAILED|Unknown|FAILED\n", "no header of sacct's parsable"),
        ("a,b\n1,2\n", "no header of sacct's parsable"),
        ('{"JobID": 1}\n', "no header of sacct's parsable"),
        (f"{HEADER}\n1|j|u|FAILED|{TIMES}\nJobID|State|Submit\n2|FAILED|2026-03-02T08:00:00\n", "columns change here"),
    ],
)
def test_a_file_that_is_none_of_sacct_is_refused_with_a_remedy(lake: Lake, tmp_path: Path, text: str, why: str) -> None:
    log = tmp_path / "log.txt"
    log.write_text(text)
    with pytest.raises(FileError, match=why) as caught:
        _ingest(lake, log)
    assert caught.value.remedy
    assert str(log) in (caught.value.where or "")


def test_a_truncated_archive_is_refused(lake: Lake, tmp_path: Path) -> None:
    whole = gzip.compress(WEEK.read_bytes() * 20)
    log = tmp_path / "week.psv.gz"
    log.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match="cut short"):
        _ingest(lake, log)


def test_instants_are_local_unless_they_say_otherwise(lake: Lake, tmp_path: Path) -> None:
    log = _write(
        tmp_path / "log.psv",
        "1|j|u|COMPLETED|2026-07-01T08:00:00|2026-07-01T09:00:00|2026-07-01T10:00:00|01:00:00",
        "2|j|u|COMPLETED|1782892800|1782896400|1782900000|01:00:00",
        "3|j|u|COMPLETED|2026-07-01T08:00:00-0400|2026-07-01T09:00:00-04:00|2026-07-01T14:00:00Z|01:00:00",
        "4|j|u|COMPLETED|2026-03-29T01:59:59|2026-03-29T02:30:00|2026-03-29T04:00:00|00:30:00",
        "5|j|u|COMPLETED|Mon 10:42|11:00|12:00|01:00:00",
        "6|j|u|COMPLETED|2026-07-32T08:00:00+02:00|2026-07-01T09:00:00|2026-07-01T10:00:00|01:00:00",
    )
    _ingest(lake, log, "Europe/Vienna")
    assert _runs(lake, "run_id", "submitted_at", "time_basis") == [
        ("slurm-1", datetime(2026, 7, 1, 6), "assumed_zone"),
        ("slurm-2", datetime(2026, 7, 1, 8), "utc"),
        ("slurm-3", datetime(2026, 7, 1, 12), "utc"),
    ]
    assert {(line, rule) for line, _, rule in _reasons(lake)} >= {
        (5, "started_at_not_an_instant"),
        (6, "submitted_at_not_an_instant"),
        (7, "submitted_at_not_an_instant"),
    }


@pytest.mark.parametrize(
    ("columns", "values", "held"),
    [
        ("AllocTRES", "cpu=2,mem=1.50T,gres/gpu:a=1,gres/gpu:b=2", (2.0, 3.0, None, 3 << 39)),
        ("AllocTRES", "cpu=2,mem=500M,gres/gpu:h100_80gb=1", (2.0, 1.0, "h100_80gb", 500 << 20)),
        ("AllocTRES", "cpu=1,gres/gpumem=4G,gres/shard=2,gres/gpu=0", (1.0, 0.0, None, None)),
        ("AllocCPUS|AllocNodes|ReqMem", "8|2|4Gn", (8.0, None, None, 8 * GIB)),
        ("NCPUS|NNodes|ReqMem", "8|2|512Mc", (8.0, None, None, 4 * GIB)),
        ("AllocCPUS|ReqMem", "8|4Gn", (8.0, None, None, None)),
        ("AllocCPUS|ReqMem", "8|0n", (8.0, None, None, None)),
        ("AllocCPUS|ReqMem", "8|2048", (8.0, None, None, 2 * GIB)),
        ("AllocCPUS|ReqCPUS", "0|16", (16.0, None, None, None)),
        ("AllocGRES|ReqGRES", "gpu:2|gpu:1", (None, 2.0, None, None)),
        ("AllocGRES", "gpu:tesla:2(S:0,1),nic:1", (None, 2.0, "tesla", None)),
        ("ReqGRES", "gres:gpu", (None, 1.0, None, None)),
        ("AllocGRES", "(null)", (None, None, None, None)),
        ("AllocTRES|ReqTRES", "cpu=2,mem=1G|cpu=1,gres/gpu=4", (2.0, None, None, GIB)),
        ("AllocTRES|ReqTRES", "|cpu=1,gres/gpu=4", (1.0, 4.0, None, None)),
    ],
)
def test_resources(tmp_path: Path, columns: str, values: str, held: tuple[Any, ...]) -> None:
    log = _write(tmp_path / "log.psv", f"1|j|u|FAILED|{TIMES}|{values}", header=f"{HEADER}|{columns}")
    _, task = _translated(log)
    assert tuple(task[c] for c in ("cpu_cores", "gpus", "gpu_type", "memory_bytes")) == held


def test_the_same_job_of_two_clusters_is_two(lake: Lake, tmp_path: Path) -> None:
    log = _write(tmp_path / "log.psv", f"1|j|u|FAILED|{TIMES}|a", f"1|k|v|COMPLETED|{TIMES}|b", header=f"{HEADER}|Cluster")
    _ingest(lake, log)
    assert _runs(lake, "run_id", "pipeline_name", "status") == [("slurm-a-1", "j", "FAILED"), ("slurm-b-1", "k", "SUCCEEDED")]


def test_a_number_that_another_job_had_before_is_refused(lake: Lake, tmp_path: Path) -> None:
    log = _write(
        tmp_path / "log.psv",
        f"1|j|u|COMPLETED|{TIMES}",
        "1|j|other|COMPLETED|2027-03-02T08:00:00|2027-03-02T09:00:00|2027-03-02T10:00:00|01:00:00",
        "1|k|u|COMPLETED|2028-03-02T08:00:00|2028-03-02T09:00:00|2028-03-02T10:00:00|01:00:00",
    )
    assert _counts(_ingest(lake, log)) == (4, 1, 0, 2, 1)
    assert {rule for _, _, rule in _reasons(lake)} == {"job_id_reused"}
    assert _runs(lake, "user", "ended_at") == [("u", _at(10))]


def test_exports_joined_in_one_file_or_read_one_after_the_other_are_the_same_job(tmp_path: Path) -> None:
    waits = "1|j|u|PENDING|2026-03-02T08:00:00|Unknown|Unknown|00:00:00"
    runs = "1|j|u|RUNNING|2026-03-02T08:00:00|2026-03-02T09:00:00|Unknown|00:10:00"
    over = f"1|j|u|COMPLETED|{TIMES}"
    expected = [("slurm-1", 1, "SUCCEEDED", _at(9), _at(10), 3600.0)]
    columns = ("run_id", "attempt", "status", "started_at", "ended_at", "duration_s")
    for number, order in enumerate([(over, waits, runs), (runs, over, waits, over)]):
        joined, apart = Lake(tmp_path / f"joined{number}"), Lake(tmp_path / f"apart{number}")
        _ingest(joined, _write(tmp_path / "joined.psv", *order))
        for line in order:
            _ingest(apart, _write(tmp_path / "apart.psv", line))
        for lake in (joined, apart):
            assert _tasks(lake, *columns) == expected
            assert _runs(lake, "status", "submitted_at", "ended_at") == [("SUCCEEDED", _at(8), _at(10))]
            assert _reasons(lake) == []


def test_a_job_that_was_given_back_and_waits_again_is_a_new_attempt(lake: Lake, tmp_path: Path) -> None:
    log = _write(
        tmp_path / "log.psv",
        "1|j|u|PENDING|2026-03-02T10:00:00|Unknown|Unknown|00:00:00",
        f"1|j|u|PREEMPTED|{TIMES}",
    )
    _ingest(lake, log)
    assert _tasks(lake, "attempt", "status") == [(1, "CANCELLED"), (2, "PENDING")]
    assert _runs(lake, "status", "started_at", "ended_at") == [("PENDING", _at(9), None)]


def test_the_count_of_restarts_numbers_attempts_across_files(lake: Lake, tmp_path: Path) -> None:
    header = f"{HEADER}|Restarts"
    _ingest(lake, _write(tmp_path / "a.psv", f"1|j|u|REQUEUED|{TIMES}|0", header=header))
    assert _runs(lake, "status", "ended_at") == [("PENDING", None)]
    again = TIMES.replace("T08", "T10").replace("T10:00:00|01", "T11:30:00|01").replace("T09", "T11")
    _ingest(lake, _write(tmp_path / "b.psv", f"1|j|u|COMPLETED|{again}|1", header=header))
    assert _tasks(lake, "attempt", "status") == [(1, "CANCELLED"), (2, "SUCCEEDED")]
    assert _runs(lake, "status", "ended_at") == [("SUCCEEDED", _at(11, 30))]


@pytest.mark.parametrize(
    "elements", ["", "1-", "a", "1,,2", "1-5:0", "0-10000", "0-9999999999", "1-3,...", "-1", "1;2", "0" * 200_000]
)
def test_a_list_of_elements_that_cannot_be_told_is_refused(tmp_path: Path, elements: str) -> None:
    log = _write(tmp_path / "log.psv", f"1_[{elements}]|j|u|PENDING|2026-03-02T08:00:00|Unknown|Unknown|00:00:00")
    (file,) = find_files([log])
    _, unit = find_source("slurm").units(file) or ()
    assert (unit.problem or ("",))[0] == "array_elements"


def test_pending_arrays_of_a_file_are_bounded_together(tmp_path: Path) -> None:
    waits = "j|u|PENDING|2026-03-02T08:00:00|Unknown|Unknown|00:00:00"
    (file,) = find_files([_write(tmp_path / "log.psv", *(f"{n}_[0-9999]|{waits}" for n in range(12)))])
    units = list(find_source("slurm").units(file) or ())
    assert [len(unit.records) for unit in units] == [0] + [20_000] * 10 + [0, 0]
    assert [unit.problem is not None for unit in units] == [False] * 11 + [True, True]


HOSTILE = [
    "'; DROP TABLE runs; --", "<script>alert(1)</script>", "../../etc/passwd", "9" * 400, "-1", "1e999", "nan", "inf", "\x07",
    "{" * 1000, "(" * 1000, "a" * 100_000, "=1,==,,=", "cpu=9" + "9" * 400, "1-99:99:99", "gres/gpu:=x", "٣", "CANCELLED",
]  # fmt: skip


def test_hostile_values_are_data_or_refused(lake: Lake, tmp_path: Path) -> None:
    header = f"{HEADER}|AllocTRES|ReqMem|AllocCPUS|AllocGRES|Priority|Restarts|Partition|NodeList"
    good = f"1|j|u|COMPLETED|{TIMES}|cpu=1,mem=1G|1G|1|gpu:1|1|0|p|n".split("|")
    lines, names = [], set()
    for column in range(len(good)):
        for value in HOSTILE:
            values = [str(len(lines)), *good[1:]]
            values[column] = value
            lines.append("|".join(values))
            names |= {len(lines) + 1} if header.split("|")[column] in ("JobName", "User", "Partition", "NodeList") else set()
    log = _write(tmp_path / "log.psv", *lines, header=header)
    total, valid, duplicates, quarantined, blank = _counts(_ingest(lake, log))
    assert (total, blank) == (len(lines) + 1, 1)
    assert valid + duplicates + quarantined == len(lines)
    assert lake.load_observed().violations() == []
    assert not names & {line for line, _, _ in _reasons(lake)}  # names may be anything
    for column in ("pipeline_name", "user"):
        assert set(HOSTILE) - {name for (name,) in _runs(lake, column)} == {"nan"}


def test_unreadable_lines_are_quarantined_as_such(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "log.psv"
    log.write_bytes(
        f"{HEADER}\n1|j|u|FAILED|{TIMES}\n".encode() + b"2|\xff|u|FAILED\n3|\0|u|FAILED\n1.0|x|u|FAILED|||||||\n|||||||\n"
        + b"x" * 70_000 + b"\n"
    )  # fmt: skip
    with pytest.raises(FileError, match="binary"):
        _ingest(lake, log)
    log.write_bytes(log.read_bytes().replace(b"3|\0|u|FAILED\n", b"") + b"3|\0|u|FAILED\n")
    assert _counts(_ingest(lake, log)) == (7, 1, 0, 5, 1)
    assert [rule for _, _, rule in _reasons(lake)] == ["not_utf8", "field_count", "no_job_id", "field_count", "nul_byte"]


def test_a_folder_stands_for_the_files_that_sacct_is_written_to(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for number, name in enumerate(["a.txt", "b.psv", "c.sacct", "d.log", "e.csv.gz"]):
        text = f"{HEADER}\n{number}|j|u|FAILED|{TIMES}\n".encode()
        (folder / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    (folder / "readme.md").write_text("no log")
    assert _ingest(lake, folder).as_dict()["files"] == 5


def test_recognised_by_its_header_and_by_nothing_else(tmp_path: Path) -> None:
    slurm = find_source("slurm")
    (file,) = find_files([WEEK])
    seen = slurm.recognise(Head(file))
    assert seen is not None
    assert (seen.certainty, seen.why[:25]) == (3, "the columns of sacct: Job")
    for other in sorted(path for path in FIXTURES.rglob("*") if path.is_file() and path.parent.name != "slurm"):
        (file,) = find_files([other])
        assert slurm.recognise(Head(file)) is None, other
    native = tmp_path / "runs.csv"
    native.write_text("run_id,pipeline_name,status\nr,p,SUCCEEDED\n")
    (file,) = find_files([native])
    assert slurm.recognise(Head(file)) is None


def _job_lines(number: int, starts: Sequence[int]) -> list[str]:
    """Return the records of a job that was requeued after each start but the last, each with a step."""
    lines = []
    for place, start in enumerate(starts):
        begin = datetime(2026, 3, 2) + timedelta(minutes=start)
        state = "COMPLETED" if place == len(starts) - 1 else "REQUEUED"
        times = "|".join((begin + timedelta(seconds=s)).isoformat() for s in (-60, 0, 30))
        lines.append(f"{number}|j|u|{state}|{times}|00:00:30\n{number}.batch|batch||{state}|{times}|00:00:30")
    return lines


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_order_of_the_records_gives_the_same_rows(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    starts = st.lists(st.integers(1, 1000), min_size=1, max_size=4, unique=True).map(sorted)
    jobs = data.draw(st.lists(starts, min_size=1, max_size=5))
    records = [line for number, job in enumerate(jobs, 1) for line in _job_lines(number, job)]
    found = []
    for order in (records, data.draw(st.permutations(records))):
        folder = tmp_path_factory.mktemp("order")
        lake = Lake(folder / "home")
        assert _counts(_ingest(lake, _write(folder / "log.psv", *order)))[1:4] == (len(records), 0, 0)
        found.append(
            (_tasks(lake, "run_id", "attempt", "started_at", "status"), _runs(lake, "status", "started_at", "ended_at"))
        )
    assert found[0] == found[1]
    assert [row[:2] for row in found[0][0]] == [
        (f"slurm-{number}", attempt) for number, job in enumerate(jobs, 1) for attempt in range(1, len(job) + 1)
    ]


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from([b"", b"|", b"\n", b"\xff", b"9", b":", b"[", b"N/A"])), max_size=8
    )
)
def test_random_damage_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, bytes]]) -> None:
    head, _, body = WEEK.read_bytes().partition(b"\n")
    body = body.replace(head + b"\n", b"")  # a header that differs from the first refuses the file
    for place, put in damage:
        place %= len(body)
        body = body[:place] + put + body[place + 1 :]
    folder = tmp_path_factory.mktemp("damage")
    log = folder / "log.psv"
    log.write_bytes(head + b"\n" + body)
    lake = Lake(folder / "home")
    total, valid, duplicates, quarantined, blank = _counts(_ingest(lake, log))
    assert total == valid + duplicates + quarantined + blank
    assert lake.load_observed().violations() == []

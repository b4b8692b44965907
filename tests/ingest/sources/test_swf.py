"""The Standard Workload Format: instants, the machine, partial executions; what is damaged is quarantined, line by line."""

from __future__ import annotations

import gzip
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
SMALL = FIXTURES / "swf" / "small.swf"
JOB = "1 0 10 100 4 90 512 8 600 -1 1 3 1 7 1 -1 -1 -1"


def _ingest(lake: Lake, path: Path, zone: str | None = None) -> IngestReport:
    return ingest(lake, [path], find_source("swf", time_zone=zone))


def _write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _counts(report: IngestReport) -> tuple[int, int, int, int, int]:
    total = report.as_dict()
    return total["lines"], total["valid"], total["duplicates"], total["quarantined"], total["blank_or_header"]


def _reasons(lake: Lake) -> list[tuple[int, str, str]]:
    return pl.read_parquet(lake.lake / "quarantine").select("source_line", "stage", "rule").sort(pl.all()).rows()


def _tasks(lake: Lake, *columns: str) -> list[tuple[Any, ...]]:
    return lake.load_observed().task_runs.sort("run_id", "attempt").select(columns).rows()


def _runs(lake: Lake, *columns: str) -> list[tuple[Any, ...]]:
    return lake.load_observed().pipeline_runs.sort("run_id").select(columns).rows()


def _at(second: float) -> datetime:
    return datetime(2026, 1, 1) + timedelta(seconds=second)


def test_every_line_of_the_fixture_is_accounted_for(lake: Lake) -> None:
    # The zone has no say: what the format counts from is in UTC.
    report = _ingest(lake, SMALL, "Asia/Tokyo")
    assert _counts(report) == (26, 12, 1, 5, 8)
    assert report.as_dict()["rows"] == {"pipeline_runs": 8, "task_runs": 10, "pools": 1}
    assert report.accounts[0].unused == []
    assert lake.load_observed().violations() == []
    assert _reasons(lake) == [
        (20, "rule", "unmapped_status"),
        (21, "rule", "negative_duration_s"),
        (21, "rule", "queued_at_after_ended_at"),
        (21, "rule", "started_at_after_ended_at"),
        (21, "rule", "submitted_at_after_ended_at"),
        (22, "parse", "field_count"),
        (23, "parse", "not_a_number"),
        (25, "parse", "job_number_repeated"),
    ]


def test_the_runs_of_the_fixture(lake: Lake) -> None:
    _ingest(lake, SMALL)
    assert _runs(
        lake,
        *("run_id", "pipeline_name", "tenant", "user", "status", "raw_status"),
        *("submitted_at", "started_at", "ended_at"),
    ) == [
        ("swf-small-1", "small/executable 7", "small/group 1", "small/user 3", "SUCCEEDED", "1", _at(0), _at(10), _at(110)),
        ("swf-small-2", "small", "small/group 1", "small/user 3", "FAILED", "0", _at(30), None, None),
        ("swf-small-3", "small/executable 7", None, "small/user 4", "CANCELLED", "5", _at(60), None, _at(180)),
        ("swf-small-4", "small/executable 7", "small/group 2", "small/user 4", "CANCELLED", "5", _at(90), _at(90), _at(130)),
        ("swf-small-5", "small/executable 8", "small/group 1", "small/user 5", "SUCCEEDED", "1", _at(100), _at(105), _at(295)),
        ("swf-small-6", "small/executable 8", "small/group 1", "small/user 5", "FAILED", "4", _at(110), _at(110), _at(170)),
        ("swf-small-7", "small/executable 8", "small/group 1", "small/user 5", "RUNNING", "2", _at(120), _at(120), None),
        (
            "swf-small-8",
            "small/executable 8",
            "small/group 1",
            "small/user 5",
            "UNKNOWN",
            "-1",
            _at(130),
            _at(130.5),
            _at(140.75),
        ),
    ]
    rest = lake.load_observed().pipeline_runs.select("time_basis", "priority", "trigger", "parent_run_id").unique()
    assert rest.rows() == [("utc", None, None, None)]


def test_the_attempts_of_the_fixture(lake: Lake) -> None:
    _ingest(lake, SMALL)
    assert _tasks(
        lake,
        *("run_id", "attempt", "status", "queued_at", "started_at", "ended_at", "duration_s"),
        *("pool", "cpu_cores", "memory_bytes"),
    ) == [
        ("swf-small-1", 1, "SUCCEEDED", _at(0), _at(10), _at(110), 100.0, "small", 4.0, 4 * 512 * 1024),
        ("swf-small-2", 1, "FAILED", _at(30), None, None, 50.0, "small", 2.0, 2 << 20),
        ("swf-small-3", 1, "CANCELLED", _at(60), None, _at(180), None, "small", 16.0, None),
        ("swf-small-4", 1, "CANCELLED", _at(90), _at(90), _at(130), 40.0, "small", 1.0, None),
        ("swf-small-5", 1, "CANCELLED", _at(100), _at(105), _at(205), 100.0, "small", 8.0, 2 << 20),
        ("swf-small-5", 2, "SUCCEEDED", _at(205), _at(235), _at(295), 60.0, "small", 8.0, 2 << 20),
        ("swf-small-6", 1, "CANCELLED", _at(110), _at(110), _at(130), 20.0, "small", 2.0, None),
        ("swf-small-6", 2, "FAILED", _at(130), _at(140), _at(170), 30.0, "small", 2.0, None),
        ("swf-small-7", 1, "CANCELLED", _at(120), _at(120), _at(140), 20.0, "small", 2.0, None),
        ("swf-small-8", 1, "UNKNOWN", _at(130), _at(130.5), _at(140.75), 10.25, "small", 1.0, None),
    ]


def test_the_machine_is_a_pool_from_the_beginning(lake: Lake) -> None:
    _ingest(lake, SMALL)
    columns = ("pool", "valid_from", "valid_to", "kind", "node_count", "cpu_cores", "source_line")
    assert lake.load_observed().pools.select(columns[:-1]).rows() == [("small", _at(0), None, "cpu", 32, 128.0)]
    assert pl.read_parquet(lake.lake / "observed" / "pools")["source_line"].to_list() == [6]


@pytest.mark.parametrize(
    ("partitions", "pools", "held"),
    [
        (("-1", "-1"), ["log"], ["log", "log"]),
        (("2", "2"), ["log/partition 2"], ["log/partition 2", "log/partition 2"]),
        (("2", "-1"), ["log/partition 2"], ["log/partition 2", None]),
        (("1", "2"), [], ["log/partition 1", "log/partition 2"]),
    ],
)
def test_pools_are_partitions_where_the_log_has_some(
    lake: Lake, tmp_path: Path, partitions: tuple[str, str], pools: list[str], held: list[str | None]
) -> None:
    jobs = [f"{n} 0 1 5 1 -1 -1 1 -1 -1 1 1 1 1 1 {partition} -1 -1" for n, partition in enumerate(partitions, 1)]
    _ingest(lake, _write(tmp_path / "log.swf", "; MaxNodes: 7", *jobs))
    trace = lake.load_observed()
    assert trace.pools["pool"].to_list() == pools
    assert trace.pools["cpu_cores"].to_list() == [7.0] * len(pools)  # a node has one processor where nothing else is said
    assert [pool for (pool,) in _tasks(lake, "pool")] == held


@pytest.mark.parametrize("header", ["", "; UnixStartTime: UNKNOWN", "; UnixStartTime: 0", ";UnixStartTime: -1"])
def test_without_a_start_instants_are_relative(lake: Lake, tmp_path: Path, header: str) -> None:
    _ingest(lake, _write(tmp_path / "log.txt", "; MaxProcs: 8", header, JOB), "Asia/Tokyo")
    assert _runs(lake, "submitted_at", "ended_at", "time_basis") == [
        (datetime(1970, 1, 1), datetime(1970, 1, 1, 0, 1, 50), "relative")
    ]
    assert lake.load_observed().pools["valid_from"].to_list() == [datetime(1970, 1, 1)]


def test_the_start_is_read_first_wherever_it_stands(lake: Lake, tmp_path: Path) -> None:
    _ingest(lake, _write(tmp_path / "log.swf", JOB, "  ;; UnixStartTime : 1767225600 (Thu)"))
    assert _runs(lake, "submitted_at", "time_basis") == [(_at(0), "utc")]


def test_models_have_no_waits(lake: Lake, tmp_path: Path) -> None:
    _ingest(lake, _write(tmp_path / "model.swf", "1 5.5 -1 20 4 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1"))
    task = _tasks(lake, "queued_at", "started_at", "ended_at", "duration_s", "cpu_cores", "status")
    assert task == [(datetime(1970, 1, 1, 0, 0, 5, 500_000), None, None, 20.0, 4.0, "UNKNOWN")]
    assert _runs(lake, "pipeline_name", "user", "tenant") == [("model", None, None)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a,b\n1,2\n", "no line has 18 numbers"),
        ("; MaxProcs: 4\n" + "x " * 18 + "\n", "no line has 18 numbers"),
        ('{"run_id": "r"}\n', "no line has 18 numbers"),
        (f"; UnixStartTime: 1\n{JOB}\n; UnixStartTime: 2\n", "UnixStartTime is 2 here, and 1 in line 1"),
        (f"; UnixStartTime: 1767225600000\n{JOB}\n", "UnixStartTime is 1767225600000"),
    ],
)
def test_a_file_that_is_no_such_log_is_refused_with_a_remedy(lake: Lake, tmp_path: Path, text: str, why: str) -> None:
    log = tmp_path / "log.swf"
    log.write_text(text)
    with pytest.raises(FileError, match=why) as caught:
        _ingest(lake, log)
    assert caught.value.remedy
    assert str(log) in (caught.value.where or "")


def test_a_log_that_stands_twice_in_a_file_is_read_once(lake: Lake, tmp_path: Path) -> None:
    once = [line for line in SMALL.read_text().splitlines()[:18] if line]
    report = _ingest(lake, _write(tmp_path / "small.swf", *once, *once))
    assert _counts(report) == (36, 11, 10, 0, 15)
    assert len(_tasks(lake, "run_id")) == 9


def test_a_folder_stands_for_logs_compressed_or_not(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "A-1.0-cln.swf.gz").write_bytes(gzip.compress(SMALL.read_bytes()))
    _write(folder / "b.txt", JOB)
    _write(folder / "c.csv", "no,log")
    assert _ingest(lake, folder).as_dict()["files"] == 2
    assert {run.rsplit("-", 1)[0] for (run,) in _runs(lake, "run_id")} == {"swf-A-1", "swf-b"}


HOSTILE = [
    "nan", "inf", "-inf", "1e9", "1_0", "٣", "0x10", "9" * 30, "999999999999999999", "-999999999999", "-2", "1.", ".5", "--1",
    "+3", "'; DROP TABLE runs; --", "<b>", "../x", "\x07", "9" * 100_000,
]  # fmt: skip


def test_hostile_values_are_refused_or_data(lake: Lake, tmp_path: Path) -> None:
    lines = []
    for field in range(18):
        for value in HOSTILE:
            values = [str(len(lines) + 1), *JOB.split()[1:]]
            values[field] = value
            lines.append(" ".join(values))
    total, valid, duplicates, quarantined, blank = _counts(_ingest(lake, _write(tmp_path / "log.swf", *lines)))
    assert (total, blank) == (len(lines), 0)
    assert valid + duplicates + quarantined == total
    assert lake.load_observed().violations() == []
    assert {rule for _, stage, rule in _reasons(lake) if stage == "parse"} == {"field_count", "not_a_number", "time_too_long"}


def test_unreadable_lines_are_quarantined_as_such(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "log.swf"
    log.write_bytes(f"{JOB}\n".encode() + b"2 \xff\n" + b"; " + b"x" * 70_000 + b"\n3 \0\n" + f"4{JOB[1:]}".encode())
    assert _counts(_ingest(lake, log)) == (5, 2, 0, 2, 1)
    assert [rule for _, _, rule in _reasons(lake)] == ["not_utf8", "nul_byte"]


def test_recognised_by_its_headers_or_its_numbers_and_by_nothing_else(tmp_path: Path) -> None:
    swf = find_source("swf")
    bare = _write(tmp_path / "bare.txt", JOB, JOB)
    for path, certainty in ((SMALL, 3), (bare, 2)):
        (file,) = find_files([path])
        seen = swf.recognise(Head(file))
        assert seen is not None
        assert seen.certainty == certainty
    others = [path for path in FIXTURES.rglob("*") if path.is_file() and path.parent.name != "swf"]
    others += [_write(tmp_path / "runs.csv", "run_id,pipeline_name,status", "r,p,SUCCEEDED")]
    others += [_write(tmp_path / "setup.txt", "; Version: 1", "[section]", "key = 1")]
    for other in sorted(others):
        (file,) = find_files([other])
        assert swf.recognise(Head(file)) is None, other


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_order_of_the_jobs_gives_the_same_rows(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    seconds = st.integers(0, 10**6)
    drawn = data.draw(st.lists(st.tuples(seconds, seconds, seconds, st.integers(1, 64)), min_size=1, max_size=30))
    jobs = [f"{n} {a} {b} {c} {d} -1 -1 -1 -1 -1 1 1 1 1 1 -1 -1 -1" for n, (a, b, c, d) in enumerate(drawn, 1)]
    found = []
    for order in (jobs, data.draw(st.permutations(jobs))):
        folder = tmp_path_factory.mktemp("order")
        lake = Lake(folder / "home")
        assert _counts(_ingest(lake, _write(folder / "log.swf", "; UnixStartTime: 1767225600", *order)))[1] == len(jobs)
        found.append(sorted(_tasks(lake, "run_id", "queued_at", "started_at", "ended_at", "cpu_cores")))
    assert found[0] == found[1]
    expected = [(f"swf-log-{n}", _at(a), _at(a + b), _at(a + b + c), float(d)) for n, (a, b, c, d) in enumerate(drawn, 1)]
    assert found[0] == sorted(expected)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from([b"", b" ", b"\n", b"\xff", b"9", b"-", b";", b"1"])), max_size=8
    )
)
def test_random_damage_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, bytes]]) -> None:
    body = SMALL.read_bytes()
    for place, put in damage:
        place %= len(body)
        body = body[:place] + put + body[place + 1 :]
    folder = tmp_path_factory.mktemp("damage")
    log = folder / "log.swf"
    log.write_bytes(body)
    lake = Lake(folder / "home")
    total, valid, duplicates, quarantined, blank = _counts(_ingest(lake, log))
    assert total == valid + duplicates + quarantined + blank
    assert lake.load_observed().violations() == []

"""The native format: tables are recognised, events folded, broken lines quarantined, every line accounted for."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from pipesim.catalog import snapshot_views
from pipesim.errors import FileError
from pipesim.ingest import IngestReport, find_source, ingest
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.lines import LineBatch, read_lines
from pipesim.lake import Lake

TASK = {"run_id": "r1", "task_id": "t1", "task_name": "train", "task_type": "Training", "gpus": 0.5}


def _ingest(lake: Lake, path: Path, **options: Any) -> IngestReport:
    return ingest(lake, [path], find_source("native", **options))


def _write(path: Path, *lines: dict[str, Any] | str) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), encoding="utf-8")
    return path


def _reasons(lake: Lake) -> list[tuple[int, str, str]]:
    with snapshot_views(lake) as con:
        return con.sql("SELECT source_line, stage, rule FROM quarantine.quarantine ORDER BY ALL").fetchall()


def _counts(report: IngestReport) -> tuple[int, int, int, int]:
    total = report.as_dict()
    return total["valid"], total["duplicates"], total["quarantined"], total["blank_or_header"]


def test_events_in_any_order_become_one_row(lake: Lake, tmp_path: Path) -> None:
    log = _write(
        tmp_path / "events.jsonl",
        {**TASK, "status": "succeeded", "ended_at": "2026-01-01T02:00:00Z", "event_at": "2026-01-01T02:00:01Z"},
        {**TASK, "status": "running", "started_at": "2026-01-01T01:00:00+00:00", "event_at": "2026-01-01T01:00:01Z"},
        {**TASK, "status": "Queued", "queued_at": "2026-01-01T01:30:00+01:00", "event_at": "2026-01-01T00:30:00Z"},
    )
    assert _counts(_ingest(lake, log)) == (3, 0, 0, 0)
    (row,) = lake.load_observed().task_runs.to_dicts()
    assert (row["status"], row["raw_status"], row["attempt"], row["task_type"], row["raw_type"]) == (
        "SUCCEEDED", "succeeded", 1, "train", "Training",
    )  # fmt: skip
    assert row["queued_at"] == datetime(2026, 1, 1, 0, 30)
    assert row["duration_s"] == 3600.0
    assert row["is_censored"] is False


def test_a_running_task_is_censored_at_the_end_of_the_log(lake: Lake, tmp_path: Path) -> None:
    log = _write(
        tmp_path / "log.jsonl",
        {"run_id": "r1", "pipeline_name": "p", "status": "RUNNING", "submitted_at": "2026-01-01T00:00:00Z"},
        {**TASK, "status": "RUNNING", "started_at": "2026-01-01T01:00:00Z"},
        {**TASK, "run_id": "r2", "status": "SUCCEEDED", "duration_s": 0, "ended_at": "2026-01-05T00:00:00Z"},
    )
    _ingest(lake, log)
    trace = lake.load_observed()
    assert trace.violations() == []
    assert trace.pipeline_runs["observed_until"].to_list() == [datetime(2026, 1, 5)]
    running = trace.task_runs.filter(pl.col("status") == "RUNNING")
    assert (running["is_censored"].to_list(), running["ended_at"].to_list(), running["duration_s"].to_list()) == (
        [True],
        [None],
        [None],
    )


def test_byte_identical_events_are_duplicates_and_different_ends_are_a_contradiction(lake: Lake, tmp_path: Path) -> None:
    log = _write(
        tmp_path / "log.jsonl",
        {**TASK, "status": "SUCCEEDED", "duration_s": 1},
        {**TASK, "status": "SUCCEEDED", "duration_s": 1},
        {**TASK, "task_id": "t2", "status": "SUCCEEDED", "duration_s": 1},
        {**TASK, "task_id": "t2", "status": "FAILED"},
    )
    assert _counts(_ingest(lake, log)) == (1, 1, 2, 0)
    assert _reasons(lake) == [(3, "rule", "conflicting_terminal_states"), (4, "rule", "conflicting_terminal_states")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"run_id": "r1", "task_id"', ("parse", "not_json")),
        ('["run_id"]', ("parse", "no_table")),
        ('{"what": "ever"}', ("parse", "no_table")),
        ('{"table": "nonsense", "run_id": "r1"}', ("parse", "no_table")),
        (json.dumps({**TASK, "status": "exploded", "duration_s": 1}), ("rule", "unmapped_status")),
        (json.dumps({**TASK, "status": "ok", "duration_s": -2}), ("rule", "negative_duration_s")),
        (json.dumps({**TASK, "status": "ok", "duration_s": "soon"}), ("type", "duration_s_not_a_number")),
        (json.dumps({**TASK, "status": "ok", "duration_s": 1, "attempt": 1.5}), ("type", "attempt_not_an_integer")),
        (json.dumps({**TASK, "status": "ok", "ended_at": "yesterday"}), ("type", "ended_at_not_an_instant")),
        (json.dumps({**TASK, "status": "ok", "ended_at": "2026-02-30T00:00:00Z"}), ("type", "ended_at_not_an_instant")),
        (json.dumps({**TASK, "status": "ok"}), ("rule", "succeeded_without_end_or_duration")),
        (
            json.dumps({**TASK, "status": "ok", "started_at": "2026-01-02", "ended_at": "2026-01-01"}),
            ("rule", "started_at_after_ended_at"),
        ),
        (json.dumps({"table": "task_runs", "task_id": "t1", "status": "ok"}), ("rule", "no_run_id")),
        (json.dumps({"run_id": "r1", "task_id": "t1", "parent_task_id": "t1"}), ("rule", "self_dependency")),
    ],
)
def test_a_broken_line_is_kept_with_its_reason_and_harms_no_other(
    lake: Lake, tmp_path: Path, line: str, reason: tuple[str, str]
) -> None:
    good = {**TASK, "run_id": "good", "status": "ok", "duration_s": 1}
    report = _ingest(lake, _write(tmp_path / "log.jsonl", good, line, ""))
    assert _counts(report) == (1, 0, 1, 1)
    assert _reasons(lake) == [(2, *reason)]
    with snapshot_views(lake) as con:
        assert con.sql("SELECT raw FROM quarantine.quarantine").fetchall() == [(line,)]
    assert lake.load_observed().task_runs["run_id"].to_list() == ["good"]


def test_a_row_that_only_its_events_together_break_is_quarantined_with_all_of_them(lake: Lake, tmp_path: Path) -> None:
    log = _write(
        tmp_path / "log.jsonl",
        {**TASK, "status": "RUNNING", "started_at": "2026-01-01T05:00:00Z"},
        {**TASK, "status": "FAILED", "ended_at": "2026-01-01T04:00:00Z"},
    )
    assert _counts(_ingest(lake, log)) == (0, 0, 2, 0)
    assert _reasons(lake) == [(1, "rule", "started_at_after_ended_at"), (2, "rule", "started_at_after_ended_at")]
    with snapshot_views(lake) as con:
        raws = con.sql("SELECT raw FROM quarantine.quarantine ORDER BY source_line").fetchall()
    assert [json.loads(raw)["status"] for (raw,) in raws] == ["RUNNING", "FAILED"]


def test_a_run_whose_dependencies_cannot_be_right_is_refused_as_a_whole_and_read_again_when_asked(
    lake: Lake, tmp_path: Path
) -> None:
    def run(name: str) -> list[dict[str, Any]]:
        return [{**TASK, "run_id": name, "task_id": t, "status": "ok", "duration_s": 1} for t in ("a", "b")]

    edges = [("fine", "b", "a"), ("cycle", "b", "a"), ("cycle", "a", "b"), ("lost", "b", "a"), ("lost", "b", "c")]
    log = _write(
        tmp_path / "log.jsonl",
        *run("fine"), *run("cycle"), *run("lost"),
        *({"run_id": r, "task_id": t, "parent_task_id": p} for r, t, p in edges),
    )  # fmt: skip
    assert _counts(_ingest(lake, log)) == (3, 0, 8, 0)
    assert {(rule, line) for line, _, rule in _reasons(lake)} == {
        *(("dependency_cycle", n) for n in (3, 4, 8, 9)),
        *(("missing_edge_end", n) for n in (5, 6, 10, 11)),
    }
    _ingest(lake, _write(tmp_path / "late.jsonl", {**TASK, "run_id": "lost", "task_id": "c", "status": "ok", "duration_s": 1}))
    assert _counts(_ingest(lake, log)) == (4, 3, 4, 0)
    assert {rule for _, _, rule in _reasons(lake)} == {"dependency_cycle"}
    trace = lake.load_observed()
    assert trace.violations() == []
    assert sorted(trace.task_edges["run_id"].to_list()) == ["fine", "lost", "lost"]


def test_a_task_that_tells_its_duration_beside_its_start_and_end_is_known_when_it_comes_again(
    lake: Lake, tmp_path: Path
) -> None:
    task = {**TASK, "status": "ok", "started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:01:00Z", "duration_s": 60}
    first = _ingest(lake, _write(tmp_path / "a.jsonl", task))
    again = _ingest(lake, _write(tmp_path / "b.jsonl", task, "\n"))
    assert (_counts(first), _counts(again)) == ((1, 0, 0, 0), (0, 1, 0, 2))
    without = {name: value for name, value in task.items() if name != "duration_s"}
    assert _counts(_ingest(lake, _write(tmp_path / "c.jsonl", without)))[:2] == (0, 1)


def test_the_same_content_again_changes_nothing_and_a_grown_file_adds_what_is_new(lake: Lake, tmp_path: Path) -> None:
    lines = [{**TASK, "task_id": f"t{i}", "status": "RUNNING", "started_at": f"2026-01-01T0{i}:00:00Z"} for i in range(3)]
    log = _write(tmp_path / "log.jsonl", *lines)
    first = _ingest(lake, log).as_dict()
    before = {p: p.read_bytes() for p in lake.lake.rglob("*") if p.is_file()}
    renamed = _write(tmp_path / "copy.jsonl", *lines)
    for path in (log, renamed):
        again = _ingest(lake, path)
        assert {k: v for k, v in again.as_dict().items() if k != "seconds"} == {
            k: v for k, v in first.items() if k != "seconds"
        }
        assert again.unchanged == [str(path)]
    assert before == {p: p.read_bytes() for p in lake.lake.rglob("*") if p.is_file()}
    _write(
        log,
        *lines,
        {"task_id": "t1", "run_id": "r1", "status": "ok", "ended_at": "2026-01-02T00:00:00Z"},
        {**lines[0], "task_id": "t9"},
    )
    assert _counts(_ingest(lake, log)) == (3, 2, 0, 0)
    rows = lake.load_observed().task_runs.sort("task_id").select("task_id", "status", "duration_s").rows()
    assert rows == [("t0", "RUNNING", None), ("t1", "SUCCEEDED", 82800.0), ("t2", "RUNNING", None), ("t9", "RUNNING", None)]


FORMATS = ["log.jsonl", "log.jsonl.gz", "log.jsonl.zst", "task_runs.csv", "task_runs.csv.gz", "task_runs.csv.zst", "t.parquet"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(lake: Lake, tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame(
        {
            "run_id": ["r1", "r2", 'r, "3"'],
            "task_id": ["t1", "t2", "t3"],
            "task_name": ["a", "b", "ü"],
            "status": ["ok", "failed", "ok"],
            "duration_s": [1.5, 2.25, 0.0],
            "memory_bytes": [2**53 + 1, 0, None],
        }
    )
    path = tmp_path / name
    if name.endswith("parquet"):
        frame.write_parquet(path)
    else:
        data = frame.write_csv().encode() if "csv" in name else frame.write_ndjson().encode()
        compression = {"gz": "gzip", "zst": "zstd"}.get(name.rsplit(".", 1)[1])
        with pa.CompressedOutputStream(str(path), compression) if compression else path.open("wb") as out:
            out.write(data)
    assert _counts(_ingest(lake, path)) == (3, 0, 0, 1 if "csv" in name else 0)
    rows = lake.load_observed().task_runs.sort("task_id")
    assert rows.select(*frame.columns[:3], *frame.columns[4:]).equals(frame.drop("status"))
    assert rows["status"].to_list() == ["SUCCEEDED", "FAILED", "SUCCEEDED"]


def test_missing_words_become_null_and_csv_fields_are_checked(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "task_runs.csv"
    log.write_text(
        "run_id;task_id;task_name;status;duration_s;gpus;pool;what\r\n"
        "r1;t1;a;ok;1;-1;NA;x\r\n"
        "\r\n"
        "r1;t2;a;ok;2;;Unknown\r\n"
        'r1;t3;a;ok;"2;0;;x\r\n'
        'r1;t4;a;ok;2;"0,5";;x\r\n'
        'r1;t6;"a;b";ok;2;"1";"g""p";x\r\n'
        'r1;t7;a;ok;2; "1;2";;x\r\n'
        'r1;t8;"a"b"c;ok;2;1;;x\r\n'
        " r1 ; t5 ; a ; ok ; 3 ; 2 ; gpu ; x \r\n",
        encoding="utf-8",
    )
    report = _ingest(lake, log)
    assert _counts(report) == (3, 0, 5, 2)
    assert report.accounts[0].unused == ["what"]
    assert [rule for _, _, rule in _reasons(lake)] == [
        "field_count", "unbalanced_quote", "gpus_not_a_number", "field_count", "unbalanced_quote",
    ]  # fmt: skip
    rows = lake.load_observed().task_runs.sort("task_id").select("task_id", "gpus", "pool").rows()
    assert rows == [("t1", None, None), ("t5", 2.0, "gpu"), ("t6", 1.0, 'g"p')]


def test_both_sides_of_a_change_of_the_clock(lake: Lake, tmp_path: Path) -> None:
    run = {"pipeline_name": "p", "status": "ok"}
    local = {
        "2026-03-29T01:59:59": datetime(2026, 3, 29, 0, 59, 59),
        "2026-03-29T03:00:00": datetime(2026, 3, 29, 1),
        "2026-10-25T01:59:59": datetime(2026, 10, 24, 23, 59, 59),
        "2026-10-25T02:00:00": datetime(2026, 10, 25, 1),  # came twice: the second time, as documented
        "2026-10-25T02:59:59": datetime(2026, 10, 25, 1, 59, 59),
        "2026-10-25T03:00:00": datetime(2026, 10, 25, 2),
    }
    log = _write(tmp_path / "pipeline_runs.jsonl", *({**run, "run_id": at, "submitted_at": at} for at in local))
    assert _counts(_ingest(lake, log, time_zone="Europe/Vienna")) == (6, 0, 0, 0)
    rows = lake.load_observed().pipeline_runs.select("run_id", "submitted_at").rows()
    assert dict(rows) == local


def test_keys_that_meet_across_files_are_one_task_or_are_refused_with_both_ends(lake: Lake, tmp_path: Path) -> None:
    begun = {**TASK, "status": "started", "queued_at": "2026-03-02T08:00:00Z", "started_at": "2026-03-02T08:05:00Z"}
    ended = {**TASK, "status": "ok", "ended_at": "2026-03-02T09:00:00Z"}
    other = {**TASK, "task_id": "t9"}
    logs = tmp_path / "logs"
    logs.mkdir()
    _write(logs / "a.jsonl", ended, {**other, "status": "ok", "duration_s": 1})
    _write(logs / "b.jsonl", begun, {**other, "status": "failed", "duration_s": 2})
    assert _counts(_ingest(lake, logs)) == (2, 0, 2, 0)
    (row,) = lake.load_observed().task_runs.select("task_id", "status", "started_at", "ended_at").rows()
    assert row == (TASK["task_id"], "SUCCEEDED", datetime(2026, 3, 2, 8, 5), datetime(2026, 3, 2, 9))
    assert _reasons(lake) == [(2, "rule", "conflicting_terminal_states")] * 2


def test_naive_times_take_the_zone_that_is_named_and_skipped_hours_are_refused(lake: Lake, tmp_path: Path) -> None:
    run = {"pipeline_name": "p", "status": "ok"}
    log = _write(
        tmp_path / "pipeline_runs.jsonl",
        {**run, "run_id": "winter", "submitted_at": "2026-01-01 12:00:00"},
        {**run, "run_id": "summer", "submitted_at": "2026-07-01T12:00:00"},
        {**run, "run_id": "skipped", "submitted_at": "2026-03-29T02:30:00"},
        {**run, "run_id": "named", "submitted_at": "2026-03-29T02:30:00Z"},
    )
    assert _counts(_ingest(lake, log, time_zone="Europe/Vienna")) == (3, 0, 1, 0)
    rows = lake.load_observed().pipeline_runs.sort("run_id").select("run_id", "submitted_at", "time_basis").rows()
    assert rows == [
        ("named", datetime(2026, 3, 29, 2, 30), "utc"),
        ("summer", datetime(2026, 7, 1, 10), "assumed_zone"),
        ("winter", datetime(2026, 1, 1, 11), "assumed_zone"),
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.jsonl", b"", "empty"),
        ("blank.jsonl", b" \n\n", "blank"),
        ("junk.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        ("utf16.jsonl", '{"run_id": "r"}\n'.encode("utf-16"), "UTF-16"),
        ("bom.json", b"\xef\xbb\xbf", "blank"),
        ("cut.jsonl.gz", gzip.compress(b'{"run_id": "r1"}\n' * 200_000, mtime=0)[:-200], "cut short"),
        ("task_runs.csv", b"run_id,task_name,status\nr,t,ok\n", "task_id is missing"),
        ("other.csv", b"x,y\n1,2\n", "identify no canonical table"),
        ("twice.csv", b"run_id,task_id,Run_Id\n1,2,3\n", "twice"),
        ("damaged.parquet", b"PAR1" + bytes(200) + b"PAR1", "Parquet"),
    ],
)
def test_an_unreadable_file_is_refused_by_name_and_nothing_is_stored(
    lake: Lake, tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    good = _write(tmp_path / "good.jsonl", {**TASK, "status": "ok", "duration_s": 1})
    bad = tmp_path / name
    bad.write_bytes(data)
    with pytest.raises(FileError, match=message) as caught:
        ingest(lake, [good, bad], find_source("native"))
    assert name in str(caught.value)
    assert not list(lake.lake.rglob("*.parquet"))


def test_bad_bytes_and_overlong_lines_are_quarantined_by_line(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipesim.ingest.reading.lines.MAX_LINE_BYTES", 1 << 16)
    monkeypatch.setattr("pipesim.ingest.reading.lines.read_lines.__defaults__", (1 << 15,))
    good = json.dumps({**TASK, "status": "ok", "duration_s": 1}).encode()
    lines = [
        b"\xef\xbb\xbf" + good,
        '{"run_id": "caf\xe9"}'.encode("latin-1"),
        b'{"run_id": "' + b"x" * (1 << 20) + b'"}',
        b'{"run_id": "a\0b"}',
        good.replace(b"t1", b"t2"),
    ]
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(lines))
    assert _counts(_ingest(lake, log)) == (2, 0, 3, 0)
    assert _reasons(lake) == [(2, "read", "not_utf8"), (3, "read", "line_too_long"), (4, "read", "nul_byte")]


def test_a_file_that_is_written_to_meanwhile_is_refused(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = _write(tmp_path / "log.jsonl", {**TASK, "status": "ok", "duration_s": 1})

    def reading_while_written_to(file: LogFile, batch_bytes: int, *, number: int) -> Iterator[LineBatch]:
        yield from read_lines(file, batch_bytes, number=number)
        with log.open("a") as more:
            more.write("{}\n")

    monkeypatch.setattr("pipesim.ingest.reading.lines.read_lines", reading_while_written_to)
    with pytest.raises(FileError, match="changed while it was read"):
        _ingest(lake, log)
    assert not list(lake.lake.rglob("*.parquet"))


def test_a_folder_stands_for_the_logs_in_it(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "task_runs").mkdir(parents=True)
    _write(folder / "task_runs" / "part-1.jsonl", {**TASK, "status": "ok", "duration_s": 1})
    (folder / "notes.md").write_text("no log")
    assert _ingest(lake, folder).as_dict()["files"] == 1
    (tmp_path / "none").mkdir()
    with pytest.raises(FileError, match="holds no log file"):
        _ingest(lake, tmp_path / "none")
    with pytest.raises(FileError, match="no such file"):
        _ingest(lake, tmp_path / "missing.jsonl")


def test_an_attempt_that_ends_in_a_later_file_is_the_same_as_in_one_file(lake: Lake, tmp_path: Path) -> None:
    begin = {**TASK, "status": "RUNNING", "started_at": "2026-01-01T01:00:00Z"}
    end = {"run_id": "r1", "task_id": "t1", "status": "SUCCEEDED", "ended_at": "2026-01-01T02:00:00Z"}
    fix = {**TASK, "status": "SUCCEEDED", "started_at": "2026-01-01T01:30:00Z", "ended_at": "2026-01-01T02:00:00Z"}
    for number, event in enumerate((begin, end)):
        _ingest(lake, _write(tmp_path / f"{number}.jsonl", event))
    (row,) = lake.load_observed().task_runs.to_dicts()
    assert (row["status"], row["is_censored"], row["duration_s"]) == ("SUCCEEDED", False, 3600.0)
    _ingest(lake, _write(tmp_path / "fix.jsonl", fix))
    assert lake.load_observed().task_runs["duration_s"].to_list() == [1800.0]


def test_an_end_that_comes_before_its_beginning_is_read_again_when_asked(lake: Lake, tmp_path: Path) -> None:
    end = _write(
        tmp_path / "end.jsonl", {"run_id": "r1", "task_id": "t1", "status": "SUCCEEDED", "ended_at": "2026-01-01T02:00:00Z"}
    )
    assert _counts(_ingest(lake, end)) == (0, 0, 1, 0)
    _ingest(lake, _write(tmp_path / "begin.jsonl", {**TASK, "status": "RUNNING", "started_at": "2026-01-01T01:00:00Z"}))
    assert _counts(_ingest(lake, end)) == (1, 0, 0, 0)
    assert lake.load_observed().task_runs["status"].to_list() == ["SUCCEEDED"]
    assert _reasons(lake) == []


def test_what_is_missing_still_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    good = [{**TASK, "task_id": t, "status": "ok", "duration_s": 1} for t in ("a", "b")]
    log = _write(
        tmp_path / "log.jsonl", *good, {"run_id": "r1", "task_id": "b", "parent_task_id": "zzz"}, {**good[0], "run_id": "r2"}
    )
    first = _ingest(lake, log).as_dict()
    before = {p: p.read_bytes() for p in lake.lake.rglob("*") if p.is_file()}
    second = _ingest(lake, log).as_dict()
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert before == {p: p.read_bytes() for p in lake.lake.rglob("*") if p.is_file()}


def test_a_cycle_over_two_files_is_found(lake: Lake, tmp_path: Path) -> None:
    tasks = [{**TASK, "task_id": t, "status": "ok", "duration_s": 1} for t in ("a", "b")]
    _ingest(lake, _write(tmp_path / "1.jsonl", *tasks, {"run_id": "r1", "task_id": "b", "parent_task_id": "a"}))
    assert _counts(_ingest(lake, _write(tmp_path / "2.jsonl", {"run_id": "r1", "task_id": "a", "parent_task_id": "b"}))) == (
        0,
        0,
        1,
        0,
    )
    assert lake.load_observed().task_edges.rows() == [("r1", "b", "a")]


def test_the_end_of_the_log_is_not_taken_from_what_was_refused_or_planned(lake: Lake, tmp_path: Path) -> None:
    log = _write(
        tmp_path / "log.jsonl",
        {"run_id": "r1", "pipeline_name": "p", "status": "RUNNING", "submitted_at": "2026-01-01T00:00:00Z"},
        {"pool": "a", "valid_from": "2026-01-02T00:00:00Z", "valid_to": "9999-12-31T00:00:00Z", "kind": "gpu"},
        {**TASK, "status": "ok", "queued_at": "2999-01-01T00:00:00Z"},
    )
    _ingest(lake, log)
    assert lake.load_observed().pipeline_runs["observed_until"].to_list() == [datetime(2026, 1, 2)]


def test_equal_logs_are_equal_bytes_in_the_order_of_their_lines(tmp_path: Path) -> None:
    rows = 300_000  # more than one row group, so that threads might shuffle them
    log = tmp_path / "task_runs.csv"
    pl.select(pl.int_range(rows).alias("n")).select(
        pl.format("r{}", "n").alias("run_id"), pl.lit("t").alias("task_id"), pl.lit("n").alias("task_name"),
        pl.lit("ok").alias("status"), (pl.col("n") % 97).alias("duration_s"),
    ).write_csv(log)  # fmt: skip
    files = []
    for home in ("one", "two"):
        lake = Lake(tmp_path / home)
        _ingest(lake, log)
        (file,) = (lake.lake / "observed" / "task_runs").glob("*.parquet")
        files.append(file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert pl.read_parquet(files[0])["source_line"].equals(pl.Series("source_line", range(2, rows + 2)))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999)),
        ("10000-01-01T00:00:00Z", None),
        ("-0001-01-01T00:00:00Z", None),
        ("infinity", None),
        # A leap second is on no clock that a computer keeps; to take it for the next second would be a guess.
        ("2016-12-31T23:59:60Z", None),
    ],
)
def test_instants_lie_within_the_calendar(lake: Lake, tmp_path: Path, written: str, read: datetime | None) -> None:
    task = {**TASK, "status": "pending", "queued_at": written}
    counts = _counts(_ingest(lake, _write(tmp_path / "a.jsonl", task)))
    assert counts == ((1, 0, 0, 0) if read else (0, 0, 1, 0))
    assert lake.load_observed().task_runs["queued_at"].to_list() == ([read] if read else [])


def test_hostile_names_are_data_and_lines_nested_without_end_are_refused(lake: Lake, tmp_path: Path) -> None:
    names = ["a'b", 'a"b', "a\nb", "../../etc/passwd", "<script>", "'; DROP TABLE x; --", "a\0b", "\u202e", "=cmd()"]
    tasks = [{**TASK, "run_id": name, "task_id": name, "status": "pending", "pool": name} for name in names]
    deep = ["[" * 10_000 + "]" * 10_000 + "\n", '{"a":' * 10_000 + "1" + "}" * 10_000 + "\n"]
    assert _counts(_ingest(lake, _write(tmp_path / "a.jsonl", *tasks, *deep)))[::2] == (9, 2)
    assert sorted(lake.load_observed().task_runs["run_id"]) == sorted(names)

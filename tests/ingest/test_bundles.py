"""Small files that are read together come to the same as each by itself, and to the same bytes every time."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipesim.errors import FileError
from pipesim.ingest import bundles, find_files, find_source, ingest, preview
from pipesim.ingest.mapping.model import parse_mapping
from pipesim.ingest.reading.lines import read_lines
from pipesim.ingest.sources import JobTable
from pipesim.lake import Lake
from tests.ingest.test_every_source import stored

HEADLESS = """
name: o
tables:
  - files: "*.csv"
    header: [id, u, s, n]
    rows: models
    columns: {model_id: id, version: u, framework: s}
    unused: [n]
"""


def _row(number: int, **changed: Any) -> dict[str, Any]:
    row = {"run_id": f"r{number}", "task_id": "t", "task_name": "train", "status": "ok", "duration_s": 1.0 + number}
    return {**row, **changed}


def _write(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        pl.DataFrame(list(rows)).write_parquet(path)
    elif path.suffix == ".csv":
        pl.DataFrame(list(rows)).write_csv(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_files_read_together_come_to_what_each_by_itself_does(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = tmp_path / "logs"
    for number in range(12):
        more = {"gpus": number} if number % 3 else {"colour": "red", "memory_bytes": 5}
        rows = [_row(10 * number + i, **more) for i in range(number % 4 + 1)]
        _write(logs / f"f{number:02}{suffix}", *rows, *(rows[:1] if number == 5 else []))
    if suffix != ".parquet":
        with (logs / f"f03{suffix}").open("a") as file:
            file.write("nonsense\n\n")
    together = Lake(tmp_path / "together")
    one = ingest(together, [logs], find_source("native"))
    monkeypatch.setattr(bundles, "SMALL_BYTES", 0)
    apart = Lake(tmp_path / "apart")
    other = ingest(apart, [logs], find_source("native"))
    assert [{**vars(a)} for a in one.accounts] == [{**vars(a)} for a in other.accounts]
    assert one.accounts[0].unused == ["colour"]
    assert stored(together) == stored(apart)


def test_a_header_that_only_a_later_file_has_is_no_row(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("j1,x,y,1\nj2,x,y,1\n")
    (tmp_path / "b.csv").write_text("id,u,s,n\nj3,x,y,1\n")
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    report = ingest(lake, files, JobTable(parse_mapping(HEADLESS, "m.yaml")))
    assert [(a.lines, a.valid, a.blank_or_header) for a in report.accounts] == [(2, 2, 0), (2, 1, 1)]
    assert lake.load_observed()["models"]["model_id"].sort().to_list() == ["j1", "j2", "j3"]


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_line_of_nothing_but_tabs_is_blank_whatever_stands_beside_it(lake: Lake, tmp_path: Path, quote: str) -> None:
    log = tmp_path / "pipeline_runs.tsv"
    log.write_text(f"run_id\tpipeline_name\tstatus\nr1\t{quote}p{quote}\tok\n\t\t\nr2\tp\tok\n")
    (account,) = ingest(lake, [log], find_source("native")).accounts
    assert (account.lines, account.blank_or_header) == (4, 2)
    assert account.valid + account.quarantined == 2


def test_one_file_named_twice_is_previewed_once(lake: Lake, tmp_path: Path) -> None:
    log = _write(tmp_path / "logs" / "a.parquet", _row(1), _row(2))
    files = find_files([tmp_path / "logs", log])
    assert preview(lake, files, find_source("native")).rows["task_runs"][0] == 2


@pytest.mark.parametrize("others", [0, 3])
def test_damage_inside_a_parquet_file_names_it_and_the_others_go_on(lake: Lake, tmp_path: Path, others: int) -> None:
    logs = tmp_path / "logs"
    rows = [_row(i) for i in range(500)]
    bad = _write(logs / "bad.parquet", *rows)
    for number in range(others):
        _write(logs / f"good{number}.parquet", _row(1000 + number))
    content = bytearray(bad.read_bytes())
    content[4:900] = bytes(byte ^ 0xFF for byte in content[4:900])
    bad.write_bytes(content)
    with pytest.raises(FileError, match=r"bad\.parquet.*damaged"):
        ingest(lake, [logs], find_source("native"))
    assert stored(lake) == {}
    with pytest.raises(FileError, match=r"bad\.parquet.*damaged"):
        preview(lake, find_files([logs]), find_source("native"))
    report = ingest(lake, [logs], find_source("native"), leave_out_bad=True)
    assert [Path(refused.file).name for refused in report.refused] == ["bad.parquet"]
    assert report.as_dict()["valid"] == others


def test_a_damaged_file_among_many_is_left_out_by_name(lake: Lake, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for number in range(30):
        _write(logs / f"f{number}.jsonl", _row(number))
        path = logs / f"g{number}.jsonl.gz"
        path.write_bytes(gzip.compress(json.dumps(_row(100 + number)).encode()))
    whole = (logs / "g7.jsonl.gz").read_bytes()
    (logs / "g7.jsonl.gz").write_bytes(whole[:-4])
    report = ingest(lake, [logs], find_source("native"), leave_out_bad=True)
    assert [Path(refused.file).name for refused in report.refused] == ["g7.jsonl.gz"]
    assert report.as_dict()["valid"] == 59


def test_rows_of_one_line_are_stored_in_the_order_of_their_keys(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    count = 60
    names = [f"t{j}" for j in range(count)]
    tasks = [
        {"name": name, "id": name, "parents": names[:place], "children": names[place + 1 :]} for place, name in enumerate(names)
    ]
    execution = {
        "makespanInSeconds": 1, "executedAt": "2026-01-01T00:00:00Z",
        "tasks": [{"id": task["id"], "runtimeInSeconds": 1.0} for task in tasks],
    }  # fmt: skip
    for number in range(3):
        workflow = {"specification": {"tasks": tasks, "files": []}, "execution": execution}
        document = {"name": f"w{number}", "schemaVersion": "1.5", "createdAt": "2026-01-01T00:00:00Z", "workflow": workflow}
        (logs / f"w{number}.json").write_text(json.dumps(document))
    found = []
    for again in range(3):
        lake = Lake(tmp_path / f"home{again}")
        ingest(lake, [logs], find_source("wfformat"))
        found.append(stored(lake))
    assert found[0] == found[1] == found[2]
    (edges,) = (tmp_path / "home0" / "lake" / "observed" / "task_edges").glob("*.parquet")
    frame = pl.read_parquet(edges)
    assert frame.height == 3 * count * (count - 1) // 2
    assert frame.equals(frame.sort("source_file", "source_line", "run_id", "task_id", "parent_task_id"))


@pytest.mark.parametrize("name", ["#place", "#TEXT", "#path", "file_row_number"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_called_as_one_of_pipesims_own_is_refused(lake: Lake, tmp_path: Path, name: str, suffix: str) -> None:
    log = _write(tmp_path / f"task_runs{suffix}", _row(1, **{name: "x"}))
    with pytest.raises(FileError, match="needs for itself"):
        ingest(lake, [log], find_source("native"))


@pytest.mark.parametrize("name", ["#colour", "filename", "a'b\"c", "../x"])
@pytest.mark.parametrize("files", [1, 2])
def test_any_other_column_is_read_past(lake: Lake, tmp_path: Path, name: str, files: int) -> None:
    logs = tmp_path / "logs"
    for number in range(files):
        _write(logs / f"task_runs{number}.parquet", _row(number, **{name: "x"}))
    report = ingest(lake, [logs], find_source("native"))
    assert report.as_dict()["valid"] == files
    assert report.accounts[0].unused == [name]


def test_a_last_line_without_its_end_says_what_one_with_it_does(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "task_runs.csv"
    log.write_bytes(b"run_id,task_id,task_name,status,duration_s\r\nr1,t,a,ok,1\r\nr1,t,a,ok,1")
    (account,) = ingest(lake, [log], find_source("native")).accounts
    assert (account.lines, account.valid, account.duplicates) == (3, 1, 1)


@pytest.mark.parametrize("size", [1, 5, 7, 100])
def test_small_files_take_small_buffers_and_lose_nothing(tmp_path: Path, size: int) -> None:
    log = tmp_path / "log.txt"
    log.write_text("x" * (size - 1) + "\n" + "y" * size)
    (file,) = find_files([log])
    assert [text for batch in read_lines(file) for text in batch.text.to_pylist()] == [
        "x" * (size - 1) + "\n",
        "y" * size + "\n",
    ]

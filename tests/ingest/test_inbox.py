"""The inbox: what is new is ingested once, what is bad is told and harms nothing, and nothing in the folder is touched."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipesim.errors import RequestError
from pipesim.ingest.inbox import InboxReport, due, ingest_new, refused_files, scan, settle
from pipesim.lake import Lake

LONG_AGO = 1_700_000_000.0


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "home")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def _drop(file: Path, *lines: str, at: float = LONG_AGO) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    os.utime(file, (at, at))
    return file


def _state(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def _task(run: str, task: str = "t", **more: object) -> str:
    fixed = {"run_id": run, "task_id": task, "task_name": "n", "status": "SUCCEEDED", "duration_s": 1}
    return json.dumps({**fixed, **more})


def _look(lake: Lake, inbox: Path, now: float = LONG_AGO + 60) -> InboxReport:
    return ingest_new(lake, scan(lake, inbox, now))


def _runs(lake: Lake) -> list[str]:
    return sorted(lake.load_observed().task_runs["run_id"].to_list())


def test_what_is_new_is_ingested_once_and_what_is_bad_is_told(lake: Lake, inbox: Path) -> None:
    _drop(inbox / "a.jsonl", _task("a"))
    _drop(inbox / "deep" / "er" / "b.jsonl", _task("b"))
    _drop(inbox / "prose.jsonl", "this", "is", "no log", _task("hidden"))
    (inbox / "cut.jsonl.gz").write_bytes(gzip.compress(b"{}" * 5000)[:-9])
    _drop(inbox / "README.md", "not a log")
    before = _state(inbox)
    found = scan(lake, inbox, time.time() + 60)
    report = ingest_new(lake, found)
    assert sorted(report.accepted) == ["a.jsonl", "deep/er/b.jsonl"]
    assert _runs(lake) == ["a", "b"]
    refused = {Path(r.file).name: r for r in report.refused}
    assert set(refused) == {"prose.jsonl", "cut.jsonl.gz"}
    assert "3 of its 4 lines refused" in refused["prose.jsonl"].reason
    first = refused["prose.jsonl"].lines[0]
    assert (first.line, first.rule, first.raw) == (1, "not_json", "this")
    assert "cut short" in refused["cut.jsonl.gz"].reason
    assert _state(inbox) == before
    again = scan(lake, inbox, time.time() + 60)
    assert (again.new, again.known) == ([], 4)
    assert [Path(r.file).name for r in refused_files(lake, inbox)] == ["cut.jsonl.gz", "prose.jsonl"]
    _drop(inbox / "prose.jsonl", _task("mended"), at=LONG_AGO + 1)
    assert _look(lake, inbox, time.time() + 60).refused == []
    assert [Path(r.file).name for r in refused_files(lake, inbox)] == ["cut.jsonl.gz"]
    assert _runs(lake) == ["a", "b", "mended"]


def test_the_same_content_under_another_name_is_recognised_and_changes_nothing(lake: Lake, inbox: Path) -> None:
    first = _drop(inbox / "a.jsonl", _task("a"))
    assert _look(lake, inbox).changed
    _drop(inbox / "copy.jsonl", _task("a"))
    _drop(inbox / "bad.jsonl", "nonsense")
    _drop(inbox / "bad-copy.jsonl", "nonsense")
    report = _look(lake, inbox)
    assert report.same_as == {"copy.jsonl": str(first)}
    assert sorted(Path(r.file).name for r in report.refused) == ["bad-copy.jsonl", "bad.jsonl"]
    assert not report.changed
    assert scan(lake, inbox, LONG_AGO + 60).new == []


def test_a_file_that_grew_adds_only_what_is_new_and_takes_back_what_was_cut_off(lake: Lake, inbox: Path) -> None:
    log = _drop(inbox / "a.jsonl", _task("a"), _task("b"))
    log.write_text(log.read_text() + _task("c")[:20])
    os.utime(log, (LONG_AGO, LONG_AGO))
    assert _look(lake, inbox).accepted["a.jsonl"]["quarantined"] == 1
    _drop(log, _task("a"), _task("b"), _task("c"), _task("d"), at=LONG_AGO + 5)
    account = _look(lake, inbox).accepted["a.jsonl"]
    assert (account["valid"], account["duplicates"], account["quarantined"]) == (2, 2, 0)
    assert _runs(lake) == ["a", "b", "c", "d"]
    assert not list((lake.lake / "quarantine").glob("*"))


def test_a_file_still_being_written_is_left_until_it_rests(lake: Lake, inbox: Path) -> None:
    _drop(inbox / "a.jsonl", _task("a"), at=LONG_AGO)
    _drop(inbox / "b.jsonl.part", _task("b"), at=LONG_AGO)
    early = scan(lake, inbox, LONG_AGO + 9)
    assert (early.new, early.unsettled) == ([], ["a.jsonl", "b.jsonl.part"])
    late = scan(lake, inbox, LONG_AGO + 11)
    assert ([f.name for f in late.new], late.unsettled) == (["a.jsonl"], ["b.jsonl.part"])
    _drop(inbox / "a.jsonl", _task("a"), at=LONG_AGO + 1e6)
    assert [f.name for f in scan(lake, inbox, LONG_AGO).new] == ["a.jsonl"], "a wrong clock must not make it wait for days"


def test_an_end_that_comes_in_a_file_before_its_beginning_waits_for_it(lake: Lake, inbox: Path) -> None:
    end = {"run_id": "r", "task_id": "t", "status": "SUCCEEDED", "ended_at": "2026-01-01T02:00:00Z"}
    begin = {"run_id": "r", "task_id": "t", "task_name": "n", "status": "RUNNING", "started_at": "2026-01-01T01:00:00Z"}
    _drop(inbox / "1.jsonl", json.dumps(end))
    report = _look(lake, inbox)
    assert (report.refused, report.accepted["1.jsonl"]["lacking"]) == ([], 1)
    _drop(inbox / "2.jsonl", json.dumps(begin))
    _look(lake, inbox)
    (row,) = lake.load_observed().task_runs.to_dicts()
    assert (row["status"], row["duration_s"]) == ("SUCCEEDED", 3600.0)
    assert not list((lake.lake / "quarantine").glob("*"))


def test_a_folder_says_how_its_files_are_read(lake: Lake, inbox: Path) -> None:
    columns = "{run_id: id, submitted_at: at, duration_s: {column: length, unit: s}, task_name: {const: train}}"
    mapping = ["name: jobs", "time_zone: UTC", f"columns: {columns}"]
    _drop(inbox / "jobs" / "mapping.yaml", *mapping)
    _drop(inbox / "jobs" / "day1.csv", "id,at,length", "j1,2026-01-01 00:00:00,5")
    _drop(inbox / "wrong" / "mapping.yaml", "columns: {run: id}", "name: x")
    _drop(inbox / "wrong" / "day1.csv", "id,at,length", "j2,2026-01-01 00:00:00,5")
    _drop(inbox / "native" / "a.jsonl", _task("a"))
    report = _look(lake, inbox)
    assert sorted(report.accepted) == ["jobs/day1.csv", "native/a.jsonl"]
    (refused,) = report.refused
    assert refused.file.endswith("wrong/day1.csv")
    assert "columns.run" in refused.reason
    _drop(inbox / "wrong" / "mapping.yaml", *mapping, at=LONG_AGO + 3)
    assert sorted(_look(lake, inbox).accepted) == ["wrong/day1.csv"]
    assert len(_runs(lake)) == 3


def test_what_is_due_stays_due_until_it_was_followed(lake: Lake, inbox: Path) -> None:
    assert due(lake) is None
    _drop(inbox / "a.jsonl", _task("a"))
    _look(lake, inbox)
    first = due(lake)
    assert first is not None
    _drop(inbox / "b.jsonl", _task("b"))
    _look(lake, inbox)
    settle(lake, first)
    second = due(lake)
    assert second not in (None, first)
    settle(lake, str(second))
    assert due(lake) is None
    _drop(inbox / "bad.jsonl", "nonsense")
    assert _look(lake, inbox).refused
    assert due(lake) is None


def test_an_inbox_that_is_not_there_or_not_readable_is_told(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such folder"):
        scan(lake, tmp_path / "none", LONG_AGO)


_KILLED = """
import os, signal, sys, time
from pathlib import Path
from pipesim.ingest.inbox import ingest_new, scan
from pipesim.lake import Lake
from pipesim.store import Transaction
left = int(sys.argv[3])
commit = Transaction.commit
def commit_or_die(self):
    global left
    left -= 1
    if left == 0 and sys.argv[4] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    commit(self)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
Transaction.commit = commit_or_die
lake = Lake(Path(sys.argv[1]))
ingest_new(lake, scan(lake, Path(sys.argv[2]), time.time() + 60))
"""


@pytest.mark.parametrize("commits", [1, 2, 3])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_killed_between_any_two_steps_is_made_good_by_the_next(
    lake: Lake, inbox: Path, tmp_path: Path, commits: int, moment: str
) -> None:
    _drop(inbox / "a.jsonl", _task("a"))
    _drop(inbox / "b.jsonl", "nonsense")
    script = tmp_path / "killed.py"
    script.write_text(_KILLED)
    command = [sys.executable, str(script), str(lake.root), str(inbox), str(commits), moment]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    lake = Lake(lake.root)
    _look(lake, inbox, time.time() + 60)
    assert _runs(lake) == ["a"]
    assert due(lake) is not None
    assert len(refused_files(lake, inbox)) == 1
    assert scan(lake, inbox, time.time() + 60).new == []

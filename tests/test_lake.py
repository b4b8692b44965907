"""The store: what a crash at any moment leaves, and what readers see."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from pipesim.errors import RequestError, WorkError
from pipesim.identity import content_hash, safe_name
from pipesim.lake import Lake
from pipesim.trace import Trace
from tests.test_trace import ROW


def _files(lake: Lake) -> dict[str, bytes]:
    return {
        str(p.relative_to(lake.root)): p.read_bytes()
        for p in sorted(lake.root.rglob("*"))
        if p.is_file() and ".staging" not in p.parts
    }


def test_an_exception_inside_a_transaction_changes_nothing(lake: Lake) -> None:
    with lake.transaction() as tx:
        tx.write_json({"a": 1}, lake.root / "kept.json")
    before = _files(lake)
    with pytest.raises(ZeroDivisionError), lake.transaction() as tx:
        tx.write_json({"a": 2}, lake.root / "kept.json")
        tx.remove(lake.root / "kept.json")
        raise ZeroDivisionError
    assert _files(lake) == before
    assert [p for p in (lake.root / ".staging").iterdir() if p.suffix != ".lock" and p.name != "columns.json"] == []


KILLED = """
import os, signal, sys
from pathlib import Path
import pipesim.lake as module
lake = module.Lake(Path(sys.argv[1]))
moment = int(sys.argv[2])
calls = 0
real = Path.replace
def replace(self, target):
    global calls
    calls += 1
    if calls == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
Path.replace = replace
with lake.transaction() as tx:
    for name in ("a", "b", "c"):
        tx.write_json({"version": 2}, lake.root / f"{name}.json")
    tx.remove(lake.root / "old.json")
print("finished")
"""


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_a_killed_commit_is_all_or_nothing_after_the_next_opening(tmp_path: Path, moment: int) -> None:
    lake = Lake(tmp_path)
    with lake.transaction() as tx:
        for name in ("a", "b", "c", "old"):
            tx.write_json({"version": 1}, lake.root / f"{name}.json")
    before = _files(lake)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(moment)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    after = _files(Lake(tmp_path))
    if moment == 1:  # the record of intent was not in place yet
        assert after == before
    else:
        versions = {name: json.loads(data)["version"] for name, data in after.items()}
        assert versions == {"a.json": 2, "b.json": 2, "c.json": 2}
    assert [p for p in (tmp_path / ".staging").iterdir() if p.suffix != ".lock" and p.name != "columns.json"] == []


def test_a_process_that_is_open_finishes_what_a_killed_one_left_before_it_commits(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with lake.transaction() as tx:
        for name in ("a", "b", "c", "old"):
            tx.write_json({"version": 1}, lake.root / f"{name}.json")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "3"], capture_output=True, check=False)
    with lake.transaction() as tx:
        tx.write_json({"version": 3}, lake.root / "a.json")
    versions = {name: json.loads(data)["version"] for name, data in _files(Lake(tmp_path)).items()}
    assert versions == {"a.json": 3, "b.json": 2, "c.json": 2}


@pytest.mark.parametrize("error", [KeyboardInterrupt, PermissionError(13, "Permission denied", "somewhere")])
@pytest.mark.parametrize("moment", [2, 3, 4])
def test_a_commit_that_fails_half_way_is_completed_by_the_next_command(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, error: BaseException | type[BaseException], moment: int
) -> None:
    with lake.transaction() as tx:
        for name in ("a", "b", "c", "old"):
            tx.write_json({"version": 1}, lake.root / f"{name}.json")
    real, calls = Path.replace, iter(range(1, 10))

    def replace(self: Path, target: Path) -> Path:
        if next(calls) == moment:
            raise error
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises((KeyboardInterrupt, WorkError)), lake.transaction() as tx:
            for name in ("a", "b", "c"):
                tx.write_json({"version": 2}, lake.root / f"{name}.json")
            tx.remove(lake.root / "old.json")
    versions = {name: json.loads(data)["version"] for name, data in _files(Lake(lake.root)).items()}
    assert versions == {"a.json": 2, "b.json": 2, "c.json": 2}
    assert [p for p in (lake.root / ".staging").iterdir() if p.suffix != ".lock" and p.name != "columns.json"] == []


def test_another_processes_open_transaction_is_left_alone(lake: Lake) -> None:
    with lake.transaction() as tx:
        tx.write_json({}, lake.root / "mine.json")
        Lake(lake.root)
        assert tx.scratch.is_dir()
    assert (lake.root / "mine.json").is_file()


def test_equal_content_is_equal_bytes(lake: Lake, tmp_path: Path) -> None:
    other = Lake(tmp_path / "other")
    trace = Trace({"task_runs": pl.DataFrame([ROW])}, "simulated", "s")
    for each in (lake, other):
        each.save_simulated(trace, 0, pl.DataFrame({"mean_wait_s": [1.5]}), {"engine": "reference"})
    assert _files(lake) == _files(other)


def test_how_a_table_is_cut_into_chunks_does_not_show_in_its_bytes(lake: Lake) -> None:
    """As the number of cores decides on that."""
    rows = pl.DataFrame({"n": range(300_000)})
    with lake.transaction() as tx:
        tx.write_frame(rows, lake.root / "whole.parquet")
        tx.write_frame(pl.concat([rows[:70_001], rows[70_001:]], rechunk=False), lake.root / "cut.parquet")
    assert (lake.root / "whole.parquet").read_bytes() == (lake.root / "cut.parquet").read_bytes()


def test_fewer_replications_leave_no_old_ones(lake: Lake) -> None:
    for replication in range(3):
        lake.save_simulated(
            Trace({"task_runs": pl.DataFrame([ROW])}, "simulated", "s"), replication, pl.DataFrame({"x": [1]}), {}
        )
    lake.drop_replications("s", keep=1)
    assert [p.name for p in (lake.lake / "simulated" / "task_runs" / "scenario=s").glob("*/*.parquet")] == ["task_runs.parquet"]
    assert lake.load_simulated("s").task_runs.height == 1
    with pytest.raises(RequestError, match="replication 2"):
        lake.load_simulated("s", 2)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 101, "sp ace", "semi;colon", "new\nline"])
def test_a_name_from_outside_never_becomes_a_path_out_of_its_folder(lake: Lake, name: str) -> None:
    with pytest.raises(RequestError, match="cannot be the name"):
        safe_name(name, "trace")


def test_a_home_whose_path_means_something_to_parquet_readers_is_refused(tmp_path: Path) -> None:
    for name in ("pool=a", "x[1]", "all*"):
        with pytest.raises(RequestError, match="must not hold"):
            Lake(tmp_path / name)


def test_a_home_that_cannot_be_written_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RequestError, match="--home"):
        Lake(tmp_path / "file")


def test_hashes_tell_the_parts_apart() -> None:
    assert content_hash("ab", "c") != content_hash("a", "bc")


def test_an_empty_table_has_no_file_and_replaces_one_that_has(lake: Lake) -> None:
    edges = pl.DataFrame({"run_id": ["r"], "task_id": ["b"], "parent_task_id": ["a"]})
    for tables in ({"task_edges": edges}, {}):
        trace = Trace({"task_runs": pl.DataFrame([ROW]), **tables}, "simulated", "s")
        lake.save_simulated(trace, 0, pl.DataFrame({"x": [1]}), {})
        assert lake.load_simulated("s").task_edges.height == len(tables)
    assert {p.name for p in lake.lake.rglob("*.parquet")} == {"task_runs.parquet", "summaries.parquet"}

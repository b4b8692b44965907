"""Snapshots: what is pinned does not change, and goes when nobody can be reading it any more."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipesim import snapshots
from pipesim.catalog import publish, snapshot_views
from pipesim.errors import WorkError
from pipesim.lake import Lake
from pipesim.snapshots import snapshot
from pipesim.trace import Trace
from tests.test_trace import ROW

COUNT = "SELECT count(*) FROM synthetic.task_runs"


def _store(lake: Lake, rows: int) -> None:
    lake.save_synthetic(Trace({"task_runs": pl.DataFrame([ROW] * rows)}, "synthetic", "s"), {})


def _published(lake: Lake) -> set[str]:
    return {path.name for path in (lake.root / "snapshots").iterdir() if not path.is_symlink()}


@pytest.mark.parametrize("second_names", [True, False])
def test_a_snapshot_keeps_what_is_replaced_and_removed_meanwhile(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, second_names: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    if not second_names:
        monkeypatch.setattr(os, "link", refuse)
    _store(lake, 1)
    with snapshot(lake) as files, snapshot_views(lake) as con:
        _store(lake, 2)
        assert pl.read_parquet(files / "synthetic" / "s" / "task_runs.parquet").height == 1
        with lake.transaction() as tx:
            tx.remove(lake.synthetic_folder("s") / "task_runs.parquet")
        assert con.sql(COUNT).fetchall() == [(1,)]
        with duckdb.connect(str(publish(lake)), read_only=True) as client:
            assert client.sql(COUNT).fetchall() == [(0,)]
    assert not files.exists()
    assert not [path for path in (lake.root / ".staging").iterdir() if path.is_dir()]


def test_a_snapshot_is_pruned_when_its_grace_is_over_and_no_process_holds_its_catalogue(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    _store(lake, 1)
    publish(lake)
    held_here = duckdb.connect(str(lake.warehouse), read_only=True)
    first = _published(lake)
    _store(lake, 2)
    publish(lake)
    program = (
        f"import duckdb; con = duckdb.connect({str(lake.warehouse)!r}, read_only=True); print('open', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        second = _published(lake) - first
        publish(lake)
        assert len(_published(lake)) == 3, "the grace is not over"
        monkeypatch.setattr(snapshots, "GRACE_S", 0.0)
        publish(lake)
        publish(lake)
        assert len(_published(lake)) == 3
        assert first | second < _published(lake)
        assert held_here.sql(COUNT).fetchall() == [(1,)]
        reader.communicate("\n")
    held_here.close()
    publish(lake)
    assert _published(lake) == {(lake.root / "snapshots" / "current").resolve().name}


def test_a_publication_that_fails_leaves_the_last_one(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    _store(lake, 1)
    publish(lake)
    before = _published(lake)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        with pytest.raises(WorkError, match="No space left"):
            publish(lake)
    assert _published(lake) == before
    with duckdb.connect(str(Path(lake.warehouse)), read_only=True) as con:
        assert con.sql(COUNT).fetchall() == [(1,)]

"""Databases are read as they stand at one instant, without harm to whoever writes them; what cannot be read is told."""

from __future__ import annotations

import gc
import gzip
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipesim.errors import FileError
from pipesim.ingest import find_files, find_source, ingest
from pipesim.ingest.reading import databases
from pipesim.ingest.reading.databases import copy_database
from pipesim.lake import Lake

STORE = Path(__file__).parents[1] / "fixtures" / "mlflow" / "0_9.sql"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An MLflow store, of four runs and three metrics."""
    folder = tmp_path / "odd name #1?%41"
    folder.mkdir()
    return make_database(folder / "mlflow.db", STORE)


@pytest.fixture
def server(store: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes that store, with a write-ahead log."""
    with closing(sqlite3.connect(store)) as con:
        con.execute("PRAGMA journal_mode = WAL")
        con.execute("PRAGMA wal_autocheckpoint = 0")
        yield con


def make_database(path: Path, script: Path) -> Path:
    with closing(sqlite3.connect(path)) as con:
        con.executescript(script.read_text(encoding="utf-8"))
    return path


def _add_run(con: sqlite3.Connection, run_id: str) -> None:
    con.execute(
        "INSERT INTO runs (run_uuid, status, start_time, end_time, experiment_id) VALUES (?, 'FINISHED', 0, 1000, 1)", [run_id]
    )


def _runs(lake: Lake) -> list[str]:
    return sorted(lake.load_observed().pipeline_runs["run_id"])


def test_a_live_server_is_neither_harmed_nor_half_read(lake: Lake, store: Path, server: sqlite3.Connection) -> None:
    _add_run(server, "new")
    server.commit()
    _add_run(server, "uncommitted")
    before = {path.name: path.read_bytes() for path in store.parent.iterdir() if not path.name.endswith("-shm")}
    report = ingest(lake, [store], find_source("mlflow"))
    assert _runs(lake) == ["new", "r1", "r2", "r3"]
    assert report.accounts[0].file == str(store)
    assert before == {path.name: path.read_bytes() for path in store.parent.iterdir() if not path.name.endswith("-shm")}
    server.commit()
    # All that is new is in the write-ahead log, and the database's own bytes are the same.
    assert ingest(lake, [store], find_source("mlflow")).unchanged == []
    assert _runs(lake) == ["new", "r1", "r2", "r3", "uncommitted"]
    server.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert ingest(lake, [store], find_source("mlflow")).unchanged == [str(store)]


def test_what_is_written_during_an_ingest_belongs_to_the_next_one(lake: Lake, store: Path, server: sqlite3.Connection) -> None:
    (file,) = find_files([store])
    source = find_source("mlflow")
    first = source.units(file)
    assert first is not None
    next(first)
    _add_run(server, "new")
    server.commit()
    server.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    raw = [unit.raw for unit in first]
    again = source.units(file)
    assert again is not None
    assert [unit.raw for unit in again][1:] == raw
    assert not any('"new"' in text for text in raw)
    file.insist_unchanged()


def test_nothing_is_left_beside_a_database_at_rest(store: Path, server: sqlite3.Connection, tmp_path: Path) -> None:
    server.close()
    copy = copy_database(store, tmp_path)
    assert [path.name for path in store.parent.iterdir()] == ["mlflow.db"]
    with closing(sqlite3.connect(copy)) as con:
        assert con.execute("PRAGMA journal_mode").fetchall() == [("delete",)]
        assert con.execute("SELECT count(*) FROM runs").fetchall() == [(4,)]


def test_a_server_that_comes_up_meanwhile_is_noticed(store: Path, server: sqlite3.Connection, tmp_path: Path) -> None:
    server.close()
    comes_up: list[sqlite3.Connection] = []
    real = databases._copy

    def copy(source: str, target: Path) -> None:
        real(source, target)
        if not comes_up:
            comes_up.append(sqlite3.connect(store))
            _add_run(comes_up[0], "meanwhile")
            comes_up[0].commit()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(databases, "_copy", copy)
        found = copy_database(store, tmp_path)
    with closing(sqlite3.connect(found)) as con, closing(comes_up[0]):
        assert con.execute("SELECT count(*) FROM runs").fetchall() == [(5,)]


def test_a_copied_write_ahead_log_is_read_and_left_alone(store: Path, server: sqlite3.Connection, tmp_path: Path) -> None:
    _add_run(server, "new")
    server.commit()
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    for ending in ("", "-wal"):
        shutil.copy(f"{store}{ending}", fetched)
    copy = copy_database(fetched / store.name, tmp_path)
    assert sorted(path.name for path in fetched.iterdir()) == ["mlflow.db", "mlflow.db-wal"]
    with closing(sqlite3.connect(copy)) as con:
        assert con.execute("SELECT count(*) FROM runs").fetchall() == [(5,)]


def test_the_copy_goes_with_the_file(store: Path) -> None:
    (file,) = find_files([store])
    path, _ = file.path, file.digest
    assert path != store
    assert path.exists()
    del file
    gc.collect()
    assert not path.parent.exists()


def test_rows_that_stay_bad_are_in_quarantine_once(lake: Lake, store: Path) -> None:
    first = ingest(lake, [store], find_source("mlflow")).accounts[0]
    with closing(sqlite3.connect(store)) as con:
        _add_run(con, "new")
        con.commit()
    second = ingest(lake, [store], find_source("mlflow")).accounts[0]
    assert (first.quarantined, second.quarantined, second.duplicates) == (2, 2, first.valid)
    assert lake.load_observed().pipeline_runs.height == 4
    assert len(list((lake.lake / "quarantine").glob("*.parquet"))) == 1


def _lock(path: Path) -> sqlite3.Connection:
    con = sqlite3.connect(path)
    con.execute("BEGIN EXCLUSIVE")
    return con


def test_a_locked_database_is_told(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "PATIENCE_S", 0.05)
    with closing(_lock(store)), pytest.raises(FileError, match=r"locked for 0\.05 s") as told:
        find_files([store])
    assert told.value.where == str(store)
    assert "backup" in str(told.value.remedy)


def test_a_damaged_database_is_told(store: Path) -> None:
    whole = store.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:4096] + b"\xee" * 4096 + whole[8192:], whole[:100] + b"\0" * 5000):
        store.write_bytes(damaged)
        with pytest.raises(FileError, match="damaged") as told:
            find_files([store])
        assert ".recover" in str(told.value.remedy)


def test_a_transaction_that_was_cut_off_is_told(store: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(store)) as con:
        con.execute("PRAGMA cache_size = 1")
        con.executemany("INSERT INTO params VALUES (?, ?, 'r1')", [(f"k{k}", "v" * 200) for k in range(200)])
        fetched = tmp_path / "fetched"
        fetched.mkdir()
        for ending in ("", "-journal"):
            shutil.copy(f"{store}{ending}", fetched)
        con.rollback()
    with pytest.raises(FileError, match="middle of a transaction") as told:
        find_files([fetched / store.name])
    assert "backup" in str(told.value.remedy)


def test_what_a_table_forbids_is_no_damage(store: Path) -> None:
    with closing(sqlite3.connect(store)) as con:
        con.execute("PRAGMA ignore_check_constraints = ON")
        con.execute("UPDATE runs SET status = 'KILLED' WHERE run_uuid = 'r1'")
        con.commit()
    assert find_files([store])[0].format == "sqlite"


def test_a_compressed_database_is_told(store: Path) -> None:
    packed = store.with_suffix(".db.gz")
    packed.write_bytes(gzip.compress(store.read_bytes()))
    with pytest.raises(FileError, match="compressed"):
        find_files([packed])


def test_a_full_disk_is_told(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: Path) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(databases, "_copy", full)
    with pytest.raises(FileError, match="no room") as told:
        find_files([store])
    assert "TMPDIR" in str(told.value.remedy)


def test_a_database_that_another_may_not_read_is_told(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, folder: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pipesim.ingest.reading.files.copy_database", refused)
    with pytest.raises(FileError, match="Permission denied"):
        find_files([store])

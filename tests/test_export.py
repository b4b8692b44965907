"""`pipesim export`: one file that needs nothing beside it, and that never costs anybody what was there before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest
from filelock import FileLock

from pipesim.catalog import DOCUMENTATION, publish
from pipesim.errors import RequestError
from pipesim.export import export
from pipesim.lake import Lake
from pipesim.trace import Trace
from tests.test_trace import ROW

COUNT = "SELECT count(*) FROM traces.task_runs"
COLUMNS = (
    "SELECT schema_name, table_name, column_name, data_type, comment FROM duckdb_columns() "
    "WHERE database_name = current_database() AND schema_name <> 'main' AND NOT internal ORDER BY ALL"
)


def _store(lake: Lake, rows: int = 3) -> None:
    frame = pl.DataFrame([ROW]).select(pl.all().repeat_by(rows).explode())
    frame = frame.with_columns(run_id=pl.int_range(pl.len()).hash(1).cast(pl.String) + "-" * 60)
    lake.save_simulated(Trace({"task_runs": frame}, "simulated", "what-if"), 0, pl.DataFrame({"x": [1]}), {})
    documentation = json.dumps({"doc": "What it answers.", "columns": {"pools": "Its pools."}})
    with lake.transaction() as tx:
        nested = pl.DataFrame({"pools": [[{"pool": "a", "use": 0.5}]]})
        nested.write_parquet(tx.stage(lake.analytics_file("nested")), metadata={DOCUMENTATION: documentation})


def test_the_file_has_the_catalogues_tables_with_their_comments_and_needs_no_lake(lake: Lake, tmp_path: Path) -> None:
    _store(lake)
    with duckdb.connect(str(publish(lake)), read_only=True) as con:
        expected = con.sql(COLUMNS).fetchall()
        rows = con.sql("FROM traces.task_runs ORDER BY run_id").fetchall()
    done = export(lake, tmp_path / "all.duckdb")
    shutil.rmtree(lake.root)
    assert done.tables["simulated.task_runs"] == 3
    assert done.tables["observed.task_runs"] == 0
    assert done.tables["analytics.nested"] == done.tables["simulated.summaries"] == 1
    assert done.bytes == Path(done.file).stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["all.duckdb"]
    with duckdb.connect(done.file, read_only=True) as con:
        assert con.sql(COLUMNS).fetchall() == expected
        assert con.sql("FROM traces.task_runs ORDER BY run_id").fetchall() == rows
        kinds = con.sql(
            "SELECT DISTINCT table_type = 'VIEW', table_schema = 'traces' FROM information_schema.tables"
        ).fetchall()
        assert sorted(kinds) == [(False, False), (True, True)]
        comment = con.sql("SELECT comment FROM duckdb_tables() WHERE schema_name = 'analytics'")
        assert comment.fetchall() == [("What it answers.",)]
        version = con.sql("SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'all'").fetchall()
        assert version[0][0].startswith("v1.0.0")
    with duckdb.connect() as con:  # from another database, the views still find their own file's tables
        con.execute(f"ATTACH '{done.file}' AS other (READ_ONLY)")
        assert con.sql("SELECT count(*) FROM other.traces.task_runs").fetchall() == [(3,)]


def test_an_earlier_export_is_replaced_under_a_client_that_holds_it(lake: Lake, tmp_path: Path) -> None:
    _store(lake)
    file = tmp_path / "link.duckdb"
    file.symlink_to("all.duckdb")
    export(lake, file)
    program = f"""
import duckdb
con = duckdb.connect({str(file)!r}, read_only=True)
print("open", flush=True)
input()
print(con.sql({COUNT!r}).fetchall(), flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        _store(lake, 5)
        export(lake, file)
        assert reader.communicate("\n")[0] == "[(3,)]\n"
    with duckdb.connect(str(tmp_path / "all.duckdb"), read_only=True) as con:
        assert con.sql(COUNT).fetchall() == [(5,)]
    assert file.is_symlink()


def _foreign_database(path: Path) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE salaries (x INTEGER)")


def _export_with_a_table_of_ones_own(path: Path) -> None:
    export(Lake(path.parent / "other"), path)
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE analytics.notes AS SELECT 1 AS x")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_foreign_database, "not made by `pipesim export`"),
        (_export_with_a_table_of_ones_own, r"analytics\.notes"),
        (lambda path: path.write_text("a thesis\n" * 1000), "cannot be replaced"),
        (lambda path: path.touch(), "cannot be replaced"),
        (lambda path: path.mkdir(), "folder"),
    ],
)
def test_what_no_export_made_is_never_replaced(lake: Lake, tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    file = tmp_path / "precious.duckdb"
    make(file)
    before = file.read_bytes() if file.is_file() else b""
    with pytest.raises(RequestError, match=says) as refused:
        export(lake, file)
    assert refused.value.remedy
    assert not file.is_file() or file.read_bytes() == before
    assert not list(tmp_path.glob(".precious*"))


def test_the_catalogue_itself_and_folders_that_cannot_be_written_are_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="own catalogue"):
        export(lake, lake.warehouse)
    (tmp_path / "file").touch()
    for folder in ("nowhere", "file"):
        with pytest.raises(RequestError, match="no file can be written") as refused:
            export(lake, tmp_path / folder / "x.duckdb")
        assert refused.value.where == str(tmp_path / folder / "x.duckdb")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(lake: Lake, tmp_path: Path) -> None:
    _store(lake, 20_000)
    file = tmp_path / "all.duckdb"
    export(lake, file)
    before = file.read_bytes()
    program = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))  # every write beyond it fails, as on a full disk
from pipesim import cli
sys.argv = ["pipesim", "export", {str(file)!r}, "--home", {str(lake.root)!r}]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert all(word in done.stderr for word in ("all.duckdb", "export failed", "room")), done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.duckdb", "home"]


def test_what_a_killed_export_left_goes_with_the_next_one(lake: Lake, tmp_path: Path) -> None:
    dead, alive = (tmp_path / f".all.duckdb.{name}.exporting" for name in ("dead", "alive"))
    dead.mkdir()
    (dead / "export.duckdb").write_bytes(b"half")
    alive.mkdir()
    with FileLock(alive / "owner.lock"):
        export(lake, tmp_path / "all.duckdb")
        assert not dead.exists()
        assert alive.exists()


@pytest.mark.endurance
def test_more_data_than_memory_is_exported(lake: Lake, tmp_path: Path) -> None:
    _store(lake, 1_000_000)  # over 80 characters a row in `run_id` alone
    assert export(lake, tmp_path / "all.duckdb", memory_limit="80MB").tables["simulated.task_runs"] == 1_000_000

"""The catalogue: views over the lake, swapped under readers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipesim import analytics
from pipesim.catalog import publish, snapshot_views
from pipesim.lake import Lake
from pipesim.quality.storing import save_quality
from pipesim.quality_schema import QUALITY_TABLES
from pipesim.schema import TRACE_TABLES
from pipesim.trace import Trace
from tests.sql.judged import judged
from tests.test_trace import ROW

TRACE = {"task_runs": pl.DataFrame([ROW])}


def _fill(lake: Lake, replication: int = 0) -> None:
    lake.save_synthetic(Trace(TRACE, "synthetic", "s1"), {})
    lake.save_simulated(Trace(TRACE, "simulated", "what-if"), replication, pl.DataFrame({"x": [1]}), {})


def test_every_table_is_there_before_any_row_is(lake: Lake) -> None:
    with duckdb.connect(str(publish(lake)), read_only=True) as con:
        for schema in ("observed", "synthetic", "simulated", "traces"):
            for table in TRACE_TABLES:
                assert con.sql(f"SELECT count(*) FROM {schema}.{table}").fetchall() == [(0,)]
        assert con.sql("SELECT count(*) FROM quarantine.quarantine").fetchall() == [(0,)]
        for table in QUALITY_TABLES:
            assert con.sql(f"SELECT count(*) FROM quality.{table}").fetchall() == [(0,)]


def test_all_origins_stand_under_one_roof(lake: Lake) -> None:
    _fill(lake, replication=3)
    with snapshot_views(lake) as con:
        rows = con.sql("SELECT origin, trace, replication, run_id FROM traces.task_runs ORDER BY ALL").fetchall()
    assert rows == [("simulated", "what-if", 3, "r"), ("synthetic", "s1", 0, "r")]


def test_the_model_that_was_judged_last_is_current_in_each_snapshot(lake: Lake) -> None:
    question = "SELECT DISTINCT model, is_current FROM quality.cells ORDER BY model"
    for model in ("m-new", "m-old"):
        save_quality(lake, judged(model), {})
    with snapshot_views(lake) as con, duckdb.connect(str(publish(lake)), read_only=True) as client:
        save_quality(lake, judged("m-new"), {})
        assert con.sql(question).fetchall() == client.sql(question).fetchall() == [("m-new", False), ("m-old", True)]
    with snapshot_views(lake) as con:
        assert con.sql(question).fetchall() == [("m-new", True), ("m-old", False)]


def test_the_documentation_stands_in_the_catalogue(lake: Lake) -> None:
    with duckdb.connect(str(publish(lake)), read_only=True) as con:
        comment = con.sql(
            "SELECT comment FROM duckdb_columns() WHERE table_name = 'task_runs' AND column_name = 'gpus'"
        ).fetchall()
    assert ("GPUs held; fractions are real.",) in comment


def test_an_analytics_table_says_what_its_file_says(lake: Lake, tmp_path: Path) -> None:
    lines = ("What's one?", "Grain: one row.", "Columns:", '  n (count): the "one"', "  gone (text): no longer returned")
    sql = "\n".join(f"-- {line}" for line in lines) + "\nSELECT 1 AS n"
    (tmp_path / "ones.sql").write_text(sql)
    (tmp_path / "silent.sql").write_text("SELECT 2 AS n")
    analytics.build(lake, tmp_path)
    with duckdb.connect(str(publish(lake)), read_only=True) as con:
        views = con.sql("SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'analytics' ORDER BY 1").fetchall()
        columns = con.sql(
            "SELECT table_name, comment FROM duckdb_columns() WHERE schema_name = 'analytics' ORDER BY 1"
        ).fetchall()
    assert views == [("ones", "\n".join(lines)), ("silent", "")]
    assert columns == [("ones", '(count) the "one"'), ("silent", None)]


@pytest.mark.parametrize("read_only", [True, False])
def test_a_client_of_another_process_holds_the_old_catalogue_open_and_reads_on(lake: Lake, read_only: bool) -> None:
    _fill(lake)
    publish(lake)
    program = f"""
import duckdb
con = duckdb.connect({str(lake.warehouse)!r}, read_only={read_only})
count = lambda: con.sql("SELECT count(*) FROM simulated.task_runs").fetchall()[0][0]
print(count(), flush=True)
input()
print(count(), flush=True)
"""
    reader = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with reader:
        assert reader.stdout is not None
        assert reader.stdin is not None
        assert reader.stdout.readline() == "1\n"
        _fill(lake, replication=1)
        publish(lake)
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "1\n"
    with duckdb.connect(str(lake.warehouse), read_only=True) as con:
        assert con.sql("SELECT count(*) FROM simulated.task_runs").fetchall() == [(2,)]
    assert reader.returncode == 0
    assert not Path(f"{lake.warehouse}.wal").exists()


def test_a_home_with_a_quote_in_its_name_works(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "it's; DROP TABLE x --")
    _fill(lake)
    with duckdb.connect(str(publish(lake)), read_only=True) as con:
        assert con.sql("SELECT count(*) FROM synthetic.task_runs").fetchall() == [(1,)]

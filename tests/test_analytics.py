from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from pipesim import analytics
from pipesim.catalog import snapshot_views
from pipesim.errors import WorkError
from pipesim.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "sql"
    path.mkdir()
    return path


def write(folder: Path, **files: str) -> Path:
    for name, sql in files.items():
        (folder / f"{name}.sql").write_text(sql, encoding="utf-8")
    return folder


def test_an_empty_lake_gives_empty_tables(lake: Lake) -> None:
    rows = analytics.build(lake)
    assert set(rows) == {query.name for query in analytics.queries()}
    # Rates to edit and quantiles of Student's t are of no trace.
    assert {name for name, count in rows.items() if count} == {"carbon_intensity", "resource_rates", "student_t"}
    for name in rows:
        assert pl.Null not in pl.read_parquet(lake.analytics_file(name)).dtypes


def test_a_query_knows_its_upstream_and_its_doc(folder: Path) -> None:
    write(
        folder,
        a="-- What?\n--   grain\n\n-- not this\nWITH runs AS (SELECT 1 AS x FROM traces.pipeline_runs)\n"
        "SELECT x FROM runs WHERE x IN (SELECT y FROM analytics.b) UNION ALL SELECT z FROM simulated.models ORDER BY 1",
        b="SELECT 1 AS y FROM traces.pools",
    )
    b, a = analytics.queries(folder)
    assert (a.name, b.name) == ("a", "b")
    assert a.upstream == ("analytics.b", "simulated.models", "traces.pipeline_runs")
    assert a.needs == ("b",)
    assert a.doc == "What?\n  grain"


def test_a_query_knows_its_columns(folder: Path) -> None:
    doc = """-- What?
-- Grain: one row.
-- Columns:
--   a (GPU x hours): held (by all),
--     by each
--   b_2 (0..1): a share
--   not in the form
--   c: nor this
SELECT 1 AS a, 2 AS b_2
"""
    (query,) = analytics.queries(write(folder, q=doc))
    assert query.columns == (
        analytics.QueryColumn("a", "GPU x hours", "held (by all), by each"),
        analytics.QueryColumn("b_2", "0..1", "a share"),
    )


def test_queries_run_after_those_they_read_and_see_the_fresh_rows(lake: Lake, folder: Path) -> None:
    (folder / "deeper").mkdir()
    write(folder, a="SELECT 2 * n AS n FROM analytics.z ORDER BY n", z="SELECT 1 AS n")
    write(folder / "deeper", m="SELECT 10 * n AS n FROM analytics.a ORDER BY n")
    assert [query.name for query in analytics.queries(folder)] == ["z", "a", "m"]
    analytics.build(lake, folder)
    write(folder, z="SELECT unnest([3, 4]) AS n")
    assert analytics.build(lake, folder) == {"z": 2, "a": 2, "m": 2}
    assert pl.read_parquet(lake.analytics_file("m"))["n"].to_list() == [60, 80]
    manifest = json.loads(lake.analytics_file("m").with_suffix(".json").read_text())
    assert (manifest["rows"], manifest["upstream"]) == (2, ["analytics.a"])


def test_a_table_that_no_file_declares_any_more_goes(lake: Lake, folder: Path) -> None:
    analytics.build(lake, write(folder, old="SELECT 1 AS n", kept="SELECT 1 AS n"))
    (folder / "old.sql").unlink()
    analytics.build(lake, folder)
    assert sorted(file.name for file in (lake.lake / "analytics").iterdir()) == ["kept.json", "kept.parquet"]


def test_build_one_reads_what_is_stored(lake: Lake, folder: Path) -> None:
    z, a = analytics.queries(write(folder, a="SELECT n FROM analytics.z", z="SELECT 1 AS n"))
    with pytest.raises(WorkError, match=r"a\.sql"):
        analytics.build_one(lake, a)
    assert [analytics.build_one(lake, z), analytics.build_one(lake, a)] == [1, 1]


def test_a_wrong_column_is_told_with_its_line_and_nothing_is_stored(lake: Lake, folder: Path) -> None:
    write(folder, good="SELECT 1 AS n", wrong="-- Doc\nSELECT origin,\n  no_such_column\nFROM traces.pools;\n-- end")
    with pytest.raises(WorkError, match="no_such_column") as told:
        analytics.build(lake, folder)
    assert told.value.where == f"{folder / 'wrong.sql'}:3"
    assert not (lake.lake / "analytics").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": "SELECT 1;\nSELECT 2"}, "exactly one SELECT"),
        ({"a": "CREATE TABLE x AS SELECT 1"}, "exactly one SELECT"),
        ({"a": "-- nothing"}, "exactly one SELECT"),
        ({"a": "SELECT (\nFROM traces.pools"}, "not valid SQL"),
        ({"a": "SELECT n FROM task_runs"}, "task_runs without a schema"),
        ({"a": "SELECT n FROM analytics.absent"}, r"analytics\.absent"),
        ({"a": "FROM analytics.b", "b": "FROM analytics.a"}, "circle"),
        ({"Bad-Name": "SELECT 1"}, "cannot be the name of a table"),
    ],
)
def test_a_file_that_is_no_query_is_refused(folder: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(WorkError, match=message) as told:
        analytics.queries(write(folder, **files))
    assert str(folder) in str(told.value)


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    (folder / "deeper").mkdir()
    write(folder / "deeper", a="SELECT 1")
    with pytest.raises(WorkError, match="declares the same table"):
        analytics.queries(write(folder, a="SELECT 1"))


def test_with_upstream_keeps_the_order_and_leaves_out_the_rest(folder: Path, lake: Lake) -> None:
    write(folder, a="SELECT n FROM analytics.z", z="SELECT 1 AS n", other="SELECT 1 AS n")
    known = analytics.queries(folder)
    wanted = analytics.with_upstream(["a"], known)
    assert [query.name for query in wanted] == ["z", "a"]
    with snapshot_views(lake) as con:
        assert [frame["n"].to_list() for _, frame in analytics.materialize(con, wanted)] == [[1], [1]]

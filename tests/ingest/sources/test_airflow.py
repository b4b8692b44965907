"""Airflow's metadata database: databases in the shapes of 1.10, 2.10 and 3.0 come out row by row, broken ones too.

Airflow cannot be installed beside Dagster, so the databases are made from its published tables, not by Airflow.
"""

from __future__ import annotations

import json
import runpy
import sqlite3
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest import find_files, find_source, ingest, recognise_source
from pipesim.ingest.accounts import FileAccount
from pipesim.ingest.sources import Head
from pipesim.lake import Lake

SHAPES = Path(__file__).parents[1] / "fixtures" / "airflow"
SCRIPT = Path(__file__).parents[3] / "docs" / "examples" / "airflow_to_sqlite.py"
ATTEMPT = ("run_id", "task_id", "attempt", "status", "raw_status", "queued_at", "started_at", "ended_at", "duration_s")
FAN, ML = "fan/scheduled__1", "ml/manual__1"


def _make(path: Path, shape: str, *more: str) -> Path:
    with closing(sqlite3.connect(path)) as con:
        con.executescript((SHAPES / f"{shape}.sql").read_text(encoding="utf-8") + ";".join(more))
    return path


def _load(lake: Lake, path: Path) -> FileAccount:
    account = ingest(lake, [path], find_source("airflow")).accounts[0]
    assert account.lines == account.valid + account.duplicates + account.quarantined + account.blank_or_header
    return account


def _rows(lake: Lake, table: str, *columns: str) -> list[tuple[Any, ...]]:
    found = pl.read_parquet(lake.lake / "observed" / table)
    return sorted(found.select(columns).rows(), key=repr)


def _refused(lake: Lake) -> list[tuple[str, str]]:
    found = pl.read_parquet(lake.lake / "quarantine").sort("source_line", "rule")
    return [(raw.split('"')[3], rule) for raw, rule in found.select("raw", "rule").rows()]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_database_of_1_10_comes_out(lake: Lake, tmp_path: Path) -> None:
    account = _load(lake, _make(tmp_path / "airflow.db", "1_10"))
    # Two pools, a serialized DAG, three runs, eight task instances, one of which has no run.
    assert (account.lines, account.valid, account.quarantined, account.blank_or_header) == (14, 12, 1, 1)
    assert _refused(lake) == [("task_instance", "no_such_run")]
    assert lake.load_observed().violations() == []
    first, second, third = "etl/scheduled__2020-05-01T00:00:00+00:00", "etl/backfill_2020-05-02T00:00:00+00:00", "etl/by hand"
    began, end = _at("2020-05-02T00:00:01"), _at("2020-05-02T00:30")
    by_hand, over = _at("2020-05-02T07:00"), _at("2020-05-02T08:00")
    columns = ("run_id", "trigger", "status", "submitted_at", "started_at", "ended_at", "tenant", "user", "time_basis")
    assert _rows(lake, "pipeline_runs", *columns) == [
        (second, "manual", "RUNNING", _at("2020-05-03T00:00:01"), _at("2020-05-03T00:00:01"), None, "data-team", None, "utc"),
        (third, "manual", "FAILED", by_hand, by_hand, over, "data-team", None, "utc"),
        (first, "schedule", "SUCCEEDED", began, began, end, "data-team", None, "utc"),
    ]
    assert {row[0] for row in _rows(lake, "pipeline_runs", "pipeline_name")} == {"etl"}

    def day(clock: str) -> datetime:
        return _at(f"2020-05-02T{clock}")

    skipped, missed = day("00:29:30"), day("07:59:01")
    assert _rows(lake, "task_runs", *ATTEMPT) == [
        # Not counted yet: the second try, of which all but the queueing is still that of the first.
        (second, "extract", 2, "PENDING", "queued", _at("2020-05-03T00:05"), None, None, None),
        (second, "load", 1, "PENDING", "no_status", None, None, None, None),
        (third, "extract", 3, "FAILED", "failed", day("07:00:02"), day("07:00:05"), day("07:59"), 3535.0),
        (third, "load", 1, "SKIPPED", "upstream_failed", None, missed, missed, 0.0),
        (first, "extract", 2, "SUCCEEDED", "success", day("00:09"), day("00:10"), day("00:15"), 300.0),
        (first, "load", 1, "SUCCEEDED", "success", day("00:15:30"), day("00:16"), day("00:29"), 780.0),
        (first, "notify", 1, "SKIPPED", "skipped", None, skipped, skipped, 0.0),
    ]  # fmt: skip
    columns = ("task_id", "task_name", "task_type", "raw_type", "pool", "node_id")
    assert set(_rows(lake, "task_runs", *columns)) == {
        ("extract", "extract", None, "BashOperator", "default_pool", "w1"),
        ("load", "load", None, None, "default_pool", None),
        ("load", "load", None, "PythonOperator", "default_pool", "w2"),
        ("notify", "notify", None, None, "default_pool", None),
    }
    # `gone` is in no run, so what waits for it and what it waits for has no edge to it.
    assert _rows(lake, "task_edges", "run_id", "task_id", "parent_task_id") == [
        (second, "load", "extract"),
        (third, "load", "extract"),
        (first, "load", "extract"),
        (first, "notify", "load"),
    ]
    always = datetime(1970, 1, 1)
    assert _rows(lake, "pools", "pool", "valid_from", "valid_to", "kind", "slots") == [
        ("default_pool", always, None, "slots", 128),
        ("endless", always, None, "slots", None),
    ]


def test_a_database_of_2_10_comes_out(lake: Lake, tmp_path: Path) -> None:
    account = _load(lake, _make(tmp_path / "airflow.db", "2_10"))
    # A pool, a serialized DAG, four runs, three earlier tries, ten task instances.
    assert (account.lines, account.valid, account.quarantined, account.blank_or_header) == (19, 16, 2, 1)
    assert _refused(lake) == [("dag_run", "unknown_trigger"), ("task_instance", "unmapped_status")]
    assert _rows(lake, "pipeline_runs", "run_id", "trigger", "status", "submitted_at", "started_at") == [
        ("fan/backfill__3", "manual", "RUNNING", _at("2024-09-04"), _at("2024-09-04T00:00:01")),
        ("fan/dataset__2", "data", "PENDING", _at("2024-09-03"), None),
        (FAN, "schedule", "RUNNING", _at("2024-09-02"), _at("2024-09-02T00:00:01")),
    ]

    def day(clock: str) -> datetime:
        return _at(f"2024-09-02T{clock}")

    missed = day("00:09")
    assert _rows(lake, "task_runs", *ATTEMPT) == [
        # Cleared, and not scheduled again yet.
        ("fan/backfill__3", "later", 2, "PENDING", "no_status", None, None, None, None),
        (FAN, "dropped", 1, "SKIPPED", "removed", None, None, None, None),
        # Told twice, by the history and by its own row, which is of the same try until the next is scheduled.
        (FAN, "each.clean[0]", 1, "FAILED", "up_for_retry", day("00:02:10"), day("00:03"), day("00:04"), 60.0),
        # It was queued again after its wait: when it was queued first is not known.
        (FAN, "each.clean[1]", 1, "RUNNING", "running", None, day("00:03"), None, None),
        (FAN, "each.train[0]", 1, "FAILED", "failed", day("00:04:10"), day("00:05"), day("00:06"), 60.0),
        (FAN, "each.train[0]", 2, "SKIPPED", "upstream_failed", None, missed, missed, 0.0),
        (FAN, "each.train[1]", 1, "PENDING", "scheduled", None, None, None, None),
        (FAN, "join", 1, "RUNNING", "deferred", day("00:02:30"), day("00:03"), None, None),
        (FAN, "split[0]", 1, "FAILED", "failed", day("00:00:05"), day("00:00:10"), day("00:00:40"), 30.0),
        (FAN, "split[0]", 2, "SUCCEEDED", "success", day("00:00:50"), day("00:01"), day("00:02"), 60.0),
        (FAN, "split[1]", 1, "SUCCEEDED", "success", day("00:00:50"), day("00:01"), day("00:02"), 60.0),
    ]  # fmt: skip
    assert set(_rows(lake, "task_runs", "task_name", "raw_type")) >= {("split", "@task"), ("each.clean", "Sensor")}
    assert _rows(lake, "task_edges", "run_id", "task_id", "parent_task_id") == [
        (FAN, "each.clean[0]", "split[0]"),
        (FAN, "each.clean[0]", "split[1]"),
        (FAN, "each.clean[1]", "split[0]"),
        (FAN, "each.clean[1]", "split[1]"),
        (FAN, "each.train[0]", "each.clean[0]"),
        (FAN, "each.train[1]", "each.clean[1]"),
        (FAN, "join", "each.train[0]"),
        (FAN, "join", "each.train[1]"),
    ]


def test_a_database_of_3_0_comes_out(lake: Lake, tmp_path: Path) -> None:
    account = _load(lake, _make(tmp_path / "airflow.db", "3_0"))
    assert (account.lines, account.valid, account.quarantined, account.blank_or_header) == (9, 7, 0, 2)
    assert _rows(lake, "pipeline_runs", "run_id", "trigger", "user", "tenant", "status") == [
        ("ml/asset__3", "data", None, "science", "SUCCEEDED"),
        (ML, "api", "ada", "science", "SUCCEEDED"),
        ("ml/manual__2", "manual", None, "science", "FAILED"),
    ]
    assert _rows(lake, "task_runs", "run_id", "task_id", "attempt", "queued_at") == [
        # Ready when its parents were done, not when the executor got it.
        (ML, "a", 1, _at("2025-05-01T10:00:02")),
        (ML, "b", 1, _at("2025-05-01T10:20:02")),
        ("ml/manual__2", "a", 1, _at("2025-05-02T10:20:02")),
        ("ml/manual__2", "b", 1, None),
    ]
    # Each task has the dependencies of the version of the DAG that it names, else of the latest one.
    assert _rows(lake, "task_edges", "run_id", "task_id", "parent_task_id") == [(ML, "b", "a"), ("ml/manual__2", "a", "b")]


def test_a_task_that_ends_after_an_ingest_is_completed(lake: Lake, tmp_path: Path) -> None:
    path = _make(tmp_path / "airflow.db", "2_10")
    _load(lake, path)
    with closing(sqlite3.connect(path)) as con:
        con.execute(
            "UPDATE task_instance SET state = 'success', end_date = '2024-09-02 00:08:00.000000' WHERE task_id = 'join'"
        )
        con.commit()
    assert _load(lake, path).rows == {"task_runs": 1}
    join = lake.load_observed().task_runs.filter(pl.col("task_id") == "join")
    assert join.select("status", "duration_s").rows() == [("SUCCEEDED", 300.0)]


def _dag(tasks: object, version: object = 1, **more: object) -> str:
    return json.dumps({"__version": version, "dag": {"dag_id": "etl", "tasks": tasks, **more}})


_CHAIN = [{"task_id": "extract", "_downstream_task_ids": ["load"]}, {"task_id": "load", "_downstream_task_ids": []}]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("[" * 10_000, "not_json"),
        ('{"__version": 1', "not_json"),
        ("{}", "unknown_serialization"),
        ("[1]", "unknown_serialization"),
        (_dag(_CHAIN, 4), "unknown_serialization"),
        (_dag(_CHAIN, [1]), "unknown_serialization"),
        (_dag({}), "not_a_serialized_dag"),
        ('{"__version": 1, "dag": 5}', "not_a_serialized_dag"),
        (_dag([5]), "not_a_serialized_dag"),
        (_dag([{"task_id": 5}]), "not_a_serialized_dag"),
        (_dag([{"task_id": "a", "downstream_task_ids": "b"}]), "not_a_serialized_dag"),
        (_dag([{"task_id": "a", "downstream_task_ids": [["b"]]}]), "not_a_serialized_dag"),
        (b"\xff", "not_json"),
        ("", "no_data"),
        (7, "no_data"),
    ],
)
def test_a_dag_that_cannot_be_read_is_quarantined_and_its_runs_have_no_edges(
    lake: Lake, tmp_path: Path, data: object, rule: str
) -> None:
    path = _make(tmp_path / "airflow.db", "1_10")
    with closing(sqlite3.connect(path)) as con:
        con.execute("UPDATE serialized_dag SET data = ?", [data])
        con.commit()
    assert _load(lake, path).quarantined == 2
    assert _refused(lake)[0] == ("serialized_dag", rule)
    assert not (lake.lake / "observed" / "task_edges").exists()
    assert lake.load_observed().task_runs.height == 7


@pytest.mark.parametrize(
    ("packed", "rule"),
    [
        (zlib.compress(_dag(_CHAIN).encode()), None),
        (zlib.compress(_dag(_CHAIN).encode())[:-5], "not_json"),
        (zlib.compress(b" " * ((1 << 26) + 1)), "not_json"),
        (b"no zlib", "not_json"),
    ],
)
def test_compressed_dags_are_read_within_bounds(lake: Lake, tmp_path: Path, packed: bytes, rule: str | None) -> None:
    shape = "ALTER TABLE serialized_dag ADD COLUMN data_compressed BLOB"
    path = _make(tmp_path / "airflow.db", "1_10", shape)
    with closing(sqlite3.connect(path)) as con:
        con.execute("UPDATE serialized_dag SET data = 'null', data_compressed = ?", [packed])
        con.commit()
    _load(lake, path)
    assert _refused(lake) == ([("serialized_dag", rule)] if rule else []) + [("task_instance", "no_such_run")]
    if rule is None:
        assert {row[1:] for row in _rows(lake, "task_edges", "run_id", "task_id", "parent_task_id")} == {("load", "extract")}


def test_a_dag_with_a_cycle_refuses_its_runs(lake: Lake, tmp_path: Path) -> None:
    path = _make(tmp_path / "airflow.db", "1_10")
    cycle = _dag(
        [{"task_id": "extract", "_downstream_task_ids": ["load"]}, {"task_id": "load", "_downstream_task_ids": ["extract"]}]
    )
    with closing(sqlite3.connect(path)) as con:
        con.execute("UPDATE serialized_dag SET data = ?", [cycle])
        con.commit()
    _load(lake, path)
    assert {rule for _, rule in _refused(lake)} == {"dependency_cycle", "no_such_run"}
    assert not (lake.lake / "observed" / "task_runs").exists()


def _mapped(path: Path, sizes: dict[str, int], tasks: Sequence[dict[str, Any]]) -> Path:
    _make(path, "2_10", "DELETE FROM task_instance", "DELETE FROM task_instance_history")
    rows = [(task, index) for task, size in sizes.items() for index in (range(size) if size else [-1])]
    with closing(sqlite3.connect(path)) as con:
        con.execute("UPDATE serialized_dag SET data = ?", [_dag([{"__type": "operator", "__var": task} for task in tasks])])
        con.executemany(
            "INSERT INTO task_instance (task_id, dag_id, run_id, map_index, state, pool, try_number) "
            "VALUES (?, 'fan', 'scheduled__1', ?, 'scheduled', 'p', 1)",
            rows,
        )
        con.commit()
    return path


def test_dependencies_between_mapped_tasks_are_bounded(lake: Lake, tmp_path: Path) -> None:
    tasks = [{"task_id": "wide", "downstream_task_ids": ["wider", "narrow", "one"]}]
    path = _mapped(tmp_path / "airflow.db", {"wide": 101, "wider": 100, "narrow": 3, "one": 0}, tasks)
    _load(lake, path)
    edges = pl.read_parquet(lake.lake / "observed" / "task_edges")
    waiting = edges.select(pl.col("task_id").str.extract(r"^(\w+)")).to_series().value_counts().rows()
    assert sorted(waiting) == [("narrow", 303), ("one", 101)]  # 10,100 pairs would be too many


def test_hostile_values_are_data_or_quarantined(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "airflow.db"
    names = ["a\0b", "'; DROP TABLE dag_run; --", "../../etc", "<b>", "x\ny", '"', "a/b", "a%2Fb"]
    with closing(sqlite3.connect(path)) as con:
        con.executescript(_LOOSE)
        con.executemany("INSERT INTO dag_run VALUES (?, ?, 'success', 'manual', NULL, NULL)", [(n, n) for n in names])
        con.executemany("INSERT INTO task_instance VALUES (?, ?, ?, -1, 1, 'queued', NULL, NULL)", [(n, n, n) for n in names])
        bad_runs = [(None, "r", "success"), ("d", b"\xff", "success"), ("d", "r", b"\xff"), ("d", "s", "asleep")]
        con.executemany("INSERT INTO dag_run VALUES (?, ?, ?, NULL, NULL, NULL)", bad_runs)
        bad_tasks = [
            ("t", None, 1),
            ("t", "x", 1),
            ("t", -1, "x"),
            ("t", -1, -2),
            (b"\xff", -1, 1),
            ("t", 2**63 - 1, 2**63 - 1),
        ]
        con.executemany("INSERT INTO task_instance VALUES ('d', 'r', ?, ?, ?, 'queued', NULL, NULL)", bad_tasks)
        con.executemany("INSERT INTO task_instance VALUES ('d', 'r', ?, -1, 1, 'running', ?, 5)", [("u", "never"), ("v", 12)])
        con.commit()
    _load(lake, path)
    runs = {row[0] for row in _rows(lake, "pipeline_runs", "run_id")}
    assert runs == {f"{n.replace('%', '%25').replace('/', '%2F')}/{n}" for n in names}
    assert {row[0] for row in _rows(lake, "task_runs", "task_id")} == {*names, "t"}
    assert sorted(rule for _, rule in _refused(lake)) == [
        "attempt_not_an_integer", "map_index_not_an_integer", "negative_try_number", "no_dag_id", "run_id_not_text",
        "started_at_not_an_instant", "started_at_not_an_instant", "state_not_text", "task_id_not_text",
        "try_number_not_an_integer", "unmapped_status",
    ]  # fmt: skip


_LOOSE = """
    CREATE TABLE dag_run (dag_id, run_id, state, run_type, queued_at, start_date);
    CREATE TABLE task_instance (dag_id, run_id, task_id, map_index, try_number, state, start_date, duration);
    CREATE TABLE serialized_dag (dag_id, data, last_updated);
    CREATE TABLE slot_pool (pool, slots);
    CREATE VIEW task_instance_history AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
"""
_VALUES = st.sampled_from(
    [None, "", "d", "r", b"\xff", 0, 1, -1, 2**63 - 1, 1.5, float("inf"), "success", "2026-01-01 00:00:00"]
)
_GRAPH = st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from("abcd"), max_size=3), max_size=3)


@pytest.mark.drawn
@given(
    st.lists(st.tuples(*[_VALUES] * 6), max_size=5),
    st.lists(st.tuples(*[_VALUES] * 8), max_size=8),
    st.lists(st.tuples(*[_VALUES] * 2), max_size=2),
    _GRAPH,
    st.booleans(),
)
def test_whatever_stands_in_the_tables_is_accounted_for(
    runs: list[Any], tasks: list[Any], pools: list[Any], graph: dict[str, list[str]], sound: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, lake = Path(folder) / "drawn.db", Lake(Path(folder) / "home")
        with closing(sqlite3.connect(path)) as con:
            con.executescript(_LOOSE)
            con.executemany("INSERT INTO dag_run VALUES (?, ?, ?, ?, ?, ?)", runs)
            con.executemany("INSERT INTO task_instance VALUES (?, ?, ?, ?, ?, ?, ?, ?)", tasks)
            con.executemany("INSERT INTO slot_pool VALUES (?, ?)", pools)
            data = _dag([{"task_id": task, "downstream_task_ids": below} for task, below in graph.items()])
            con.execute("INSERT INTO serialized_dag VALUES ('d', ?, 1)", [data])
            if sound:
                con.execute("INSERT INTO dag_run VALUES ('d', 'whole', 'running', 'manual', NULL, NULL)")
                whole = [(task,) for task in "abc"]
                con.executemany("INSERT INTO task_instance VALUES ('d', 'whole', ?, -1, 1, 'running', NULL, NULL)", whole)
            con.commit()
        assert _load(lake, path).lines == len(runs) + len(tasks) + len(pools) + 1 + 4 * sound
        assert lake.load_observed().violations() == []


def test_the_order_in_which_rows_were_written_does_not_matter(lake: Lake, tmp_path: Path) -> None:
    path = _make(tmp_path / "airflow.db", "2_10")
    turned = _make(
        tmp_path / "turned.db",
        "2_10",
        *(
            f"CREATE TABLE t AS SELECT * FROM {table}; DELETE FROM {table}; "
            f"INSERT INTO {table} SELECT * FROM t ORDER BY rowid DESC; DROP TABLE t"
            for table in ("task_instance", "task_instance_history", "dag_run")
        ),
    )
    other = Lake(tmp_path / "other")
    _load(lake, path)
    _load(other, turned)
    for table in ("pipeline_runs", "task_runs", "task_edges"):
        columns = [c for c in pl.read_parquet(lake.lake / "observed" / table).columns if not c.startswith(("source", "ingest"))]
        assert _rows(lake, table, *columns) == _rows(other, table, *columns)


@pytest.mark.parametrize("shape", ["1_10", "2_10", "3_0"])
def test_the_script_copies_what_is_read(lake: Lake, tmp_path: Path, shape: str) -> None:
    original, copy = _make(tmp_path / "original.db", shape), tmp_path / "copy.db"
    runpy.run_path(str(SCRIPT))["main"](f"sqlite:///{original}", str(copy))
    other = Lake(tmp_path / "other")
    _load(lake, original)
    _load(other, copy)
    for table in ("pipeline_runs", "task_runs", "task_edges", "pools"):
        assert (lake.lake / "observed" / table).exists() == (other.lake / "observed" / table).exists()
        if (lake.lake / "observed" / table).exists():
            columns = [
                c for c in pl.read_parquet(lake.lake / "observed" / table).columns if c not in ("source_file", "ingest_id")
            ]
            assert _rows(lake, table, *columns) == _rows(other, table, *columns)


def test_the_script_writes_what_another_database_gives_as_airflow_does() -> None:
    written = runpy.run_path(str(SCRIPT))["written"]
    at = datetime(2026, 3, 2, 10, tzinfo=timezone(timedelta(hours=1)))
    given = [at, at.replace(tzinfo=None), {"a": [1]}, UUID(int=10), None, True, memoryview(b"x"), 1.5]
    assert [written(value) for value in given] == [
        "2026-03-02 09:00:00.000000", "2026-03-02 10:00:00.000000", '{"a": [1]}', f"{10:032x}", None, True, b"x", 1.5,
    ]  # fmt: skip


def test_a_database_is_recognised_and_others_are_not(tmp_path: Path) -> None:
    for shape in ("1_10", "2_10", "3_0"):
        source, why = recognise_source(find_files([_make(tmp_path / f"{shape}.db", shape)]))
        assert source.name == "airflow"
        assert "metadata database" in why
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as con:
        con.executescript((SHAPES.parent / "mlflow" / "0_9.sql").read_text(encoding="utf-8"))
    (tmp_path / "log.jsonl").write_text('{"run_id": "r", "pipeline_name": "p"}\n', encoding="utf-8")
    source = find_source("airflow")
    files = find_files([tmp_path / "mlflow.db", tmp_path / "log.jsonl"])
    assert [source.recognise(Head(file)) for file in files] == [None, None]


def test_a_foreign_database_is_refused(lake: Lake, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as con:
        con.executescript((SHAPES.parent / "mlflow" / "0_9.sql").read_text(encoding="utf-8"))
    with pytest.raises(FileError, match="no table dag_run, task_instance") as told:
        ingest(lake, [tmp_path / "mlflow.db"], find_source("airflow"))
    assert "--source" in str(told.value.remedy)

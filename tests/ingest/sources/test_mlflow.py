"""MLflow's store: what its own writer writes comes out row by row, old and broken stores too."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest import find_files, find_source, ingest, recognise_source
from pipesim.ingest.accounts import FileAccount
from pipesim.ingest.sources import Head
from pipesim.lake import Lake

OLD = Path(__file__).parents[1] / "fixtures" / "mlflow" / "0_9.sql"
START_MS = 1_772_442_000_000
START = datetime(2026, 3, 2, 9)
MS = timedelta(milliseconds=1)
_SKLEARN = {"flavors": {"python_function": {}, "sklearn": {}}, "model_size_bytes": 512}
HISTORY = [
    {"flavors": {"python_function": {}, "xgboost": {}}, "utc_time_created": "2026-03-02 08:00:00.000001"},
    {**_SKLEARN, "utc_time_created": "2026-03-02 09:00:05.250000"},
]


@pytest.fixture(scope="module")
def written() -> Iterator[tuple[Path, dict[str, str]]]:
    """A store that MLflow wrote, and the identifiers that it gave, by our names."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in quiet.items():
            patch.setenv(name, value)
        path = Path(folder) / "mlflow.db"
        # The registry looks a logged model up in the store that is the process's own.
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
        yield path, _write(path)


def _write(path: Path) -> dict[str, str]:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput

    client = MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}")
    experiment = client.create_experiment("churn", artifact_location=str(path.parent))
    ids: dict[str, str] = {}

    def run(name: str, status: str | None, **tags: str) -> str:
        told = {"mlflow.user": "ada", **{key.replace("__", "."): value for key, value in tags.items()}}
        ids[name] = run_id = client.create_run(experiment, START_MS, told, name).info.run_id
        if status:
            client.set_terminated(run_id, status, START_MS + 60_500)
        return run_id

    sweep = run("sweep", "FINISHED", mlflow__source__name="/home/ada/sweep.py")
    child = run("child", "FAILED", mlflow__parentRunId=sweep, mlflow__project__entryPoint="fit")
    saved = run("saved", "FINISHED", **{"mlflow.log-model.history": json.dumps(HISTORY)})
    registered, logged, many = run("registered", "KILLED"), run("logged", None), run("many", "FINISHED")
    run("judged", "FINISHED", mlflow__runType="genai_evaluate")
    client.update_run(run("waits", None), status="SCHEDULED")
    for run_id in (child, saved, registered, logged, many):
        client.log_metric(run_id, "accuracy", 0.5, START_MS + 1, step=1)
    client.log_metric(child, "accuracy", 0.75, START_MS + 2, step=2)
    client.log_metric(child, "loss", float("nan"), START_MS + 2, step=2)
    client.log_metric(child, "loss", float("-inf"), START_MS + 3, step=3)
    client.log_metric(child, "system/cpu_utilization_percentage", 80.0, START_MS + 3)
    client.log_param(child, "depth", 3)
    schema = json.dumps({"mlflow_colspec": [{"type": "long", "name": "a"}, {"type": "long", "name": "b"}]})
    customers = Dataset("customers", "d1", "local", '{"uri": "c.csv"}', schema, '{"num_rows": 1000, "num_elements": 2000}')
    client.log_inputs(child, [DatasetInput(customers), DatasetInput(Dataset("images", "d2", "s3", "{}", None, "free text"))])
    client.delete_run(child)
    client.create_registered_model("churn-model")
    client.create_model_version("churn-model", "s3://models/1", registered)
    client.create_model_version("churn-model", "s3://models/2", registered)
    client.delete_model_version("churn-model", "2")
    for name, run_id in (("one", logged), ("two", many), ("three", many)):
        ids[name] = client.create_logged_model(experiment, name, source_run_id=run_id).model_id
    client.log_metric(many, "accuracy", 0.9, START_MS + 5, step=5, model_id=ids["two"])
    client.create_model_version("churn-model", f"models:/{ids['three']}", many)
    client.log_metric(many, "accuracy", 0.95, START_MS + 6, step=6, model_id=ids["three"])
    for part in (client._tracking_client.store, client._get_registry_client().store):
        part.engine.dispose()
    return ids


def _load(lake: Lake, path: Path) -> FileAccount:
    return ingest(lake, [path], find_source("mlflow")).accounts[0]


def _rows(lake: Lake, table: str, *columns: str) -> list[tuple[Any, ...]]:
    found = pl.read_parquet(lake.lake / "observed" / table)
    return sorted(found.select(columns).rows(), key=repr)


def _refused(lake: Lake) -> list[tuple[str, str]]:
    found = pl.read_parquet(lake.lake / "quarantine").sort("source_line", "rule")
    return [(json.loads(raw)["table"], rule) for raw, rule in found.select("raw", "rule").rows()]


def test_what_mlflow_writes_comes_out(lake: Lake, written: tuple[Path, dict[str, str]]) -> None:
    path, ids = written
    account = _load(lake, path)
    name = {value: key for key, value in ids.items()}
    # Two experiments, a registered model, a metric of the machine, and a logged model that is told of as a registered one.
    assert account.blank_or_header == 5
    assert account.rows["pipeline_runs"] == account.rows["task_runs"] == 8
    assert account.quarantined == account.duplicates == 0
    assert account.lines == account.valid + account.blank_or_header
    assert lake.load_observed().violations() == []
    end = START + timedelta(seconds=60.5)
    runs = _rows(
        lake, "pipeline_runs", "run_id", "parent_run_id", "status", "raw_status", "submitted_at", "started_at", "ended_at"
    )
    assert sorted((name[r], name.get(p), *rest) for r, p, *rest in runs) == sorted([
        ("sweep", None, "SUCCEEDED", "FINISHED", START, START, end),
        ("child", "sweep", "FAILED", "FAILED", START, START, end),
        ("saved", None, "SUCCEEDED", "FINISHED", START, START, end),
        ("registered", None, "CANCELLED", "KILLED", START, START, end),
        ("logged", None, "RUNNING", "RUNNING", START, START, None),
        ("many", None, "SUCCEEDED", "FINISHED", START, START, end),
        ("judged", None, "SUCCEEDED", "FINISHED", START, START, end),
        ("waits", None, "PENDING", "SCHEDULED", START, None, None),
    ], key=repr)  # fmt: skip
    assert set(_rows(lake, "pipeline_runs", "pipeline_name", "tenant", "user", "trigger", "time_basis")) == {
        ("churn", "default", "ada", None, "utc")
    }
    tasks = _rows(
        lake, "task_runs", "run_id", "task_id", "attempt", "task_name", "task_type", "raw_type", "framework", "duration_s"
    )
    assert sorted((name[r], *rest) for r, *rest in tasks) == [
        ("child", "run", 1, "fit", None, None, None, 60.5),
        ("judged", "run", 1, "run", "evaluate", "genai_evaluate", None, 60.5),
        ("logged", "run", 1, "run", "train", "train", None, None),
        ("many", "run", 1, "run", "train", "train", None, 60.5),
        ("registered", "run", 1, "run", "train", "train", None, 60.5),
        ("saved", "run", 1, "run", "train", "train", "sklearn", 60.5),
        ("sweep", "run", 1, "sweep.py", None, None, None, 60.5),
        ("waits", "run", 1, "run", None, None, None, None),
    ]
    assert {row[0] for row in _rows(lake, "task_runs", "queued_at")} == {None}


def test_models_and_metrics_find_each_other(lake: Lake, written: tuple[Path, dict[str, str]]) -> None:
    path, ids = written
    _load(lake, path)
    name = {value: key for key, value in ids.items()}
    models = _rows(lake, "models", "model_id", "version", "produced_by_run_id", "framework", "size_bytes")
    assert sorted((m, name.get(v, v), name.get(r), *rest) for m, v, r, *rest in models) == [
        ("churn", "one", "logged", None, None),
        ("churn", "saved", "saved", "sklearn", 512),
        ("churn", "two", "many", None, None),
        ("churn-model", "1", "registered", None, None),
        ("churn-model", "2", None, None, None),
        ("churn-model", "3", "many", None, None),
    ]
    created = {name.get(v, v): at for v, at in _rows(lake, "models", "version", "created_at")}
    assert created["saved"] == datetime(2026, 3, 2, 9, 0, 5, 250_000)
    assert None not in created.values()
    metrics = _rows(lake, "model_metrics", "model_id", "version", "metric", "phase", "step", "measured_at", "value")
    assert sorted(((m, name.get(v, v), *rest) for m, v, *rest in metrics), key=repr) == sorted([
        ("churn", "child", "accuracy", "static", 1, START + MS, 0.5),
        ("churn", "child", "accuracy", "static", 2, START + 2 * MS, 0.75),
        ("churn", "child", "loss", "static", 2, START + 2 * MS, None),
        ("churn", "child", "loss", "static", 3, START + 3 * MS, None),
        ("churn", "saved", "accuracy", "static", 1, START + MS, 0.5),
        ("churn-model", "1", "accuracy", "static", 1, START + MS, 0.5),
        ("churn", "one", "accuracy", "static", 1, START + MS, 0.5),
        # A run with several models does not say of which of them a metric is, unless it names one.
        ("churn", "many", "accuracy", "static", 1, START + MS, 0.5),
        ("churn", "many", "accuracy", "static", 5, START + 5 * MS, 0.9),
        ("churn", "many", "accuracy", "static", 6, START + 6 * MS, 0.95),
        ("churn", "two", "accuracy", "static", 5, START + 5 * MS, 0.9),
        ("churn-model", "3", "accuracy", "static", 6, START + 6 * MS, 0.95),
    ], key=repr)  # fmt: skip
    assert _rows(lake, "data_assets", "asset_id", "version", "namespace", "row_count", "column_count", "size_bytes") == [
        ("customers", "d1", "local", 1000, 2, None),
        ("images", "d2", "s3", None, None, None),
    ]
    read = _rows(lake, "task_io", "run_id", "task_id", "attempt", "direction", "asset_id", "version", "row_count")
    assert read == [
        (ids["child"], "run", 1, "read", asset, digest, None) for asset, digest in (("customers", "d1"), ("images", "d2"))
    ]


def test_ingesting_again_changes_nothing_and_a_run_goes_on(
    lake: Lake, written: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    path, ids = written
    mine = tmp_path / "mine.db"
    mine.write_bytes(path.read_bytes())
    _load(lake, mine)
    before = lake.load_observed()
    with closing(sqlite3.connect(mine)) as con:
        end = [START_MS + 90_000, ids["logged"]]
        con.execute("UPDATE runs SET status = 'FINISHED', end_time = ? WHERE run_uuid = ?", end)
        con.commit()
    account = _load(lake, mine)
    assert account.rows == {"pipeline_runs": 1, "task_runs": 1}
    after = lake.load_observed().task_runs
    assert after.height == before.task_runs.height
    assert after.filter(pl.col("run_id") == ids["logged"])["duration_s"].to_list() == [90.0]


def _make(path: Path, script: str = OLD.read_text(encoding="utf-8")) -> Path:
    with closing(sqlite3.connect(path)) as con:
        con.executescript(script)
    return path


def test_the_first_stores_are_read(lake: Lake, tmp_path: Path) -> None:
    account = _load(lake, _make(tmp_path / "old.db"))
    assert (account.lines, account.valid, account.quarantined, account.blank_or_header) == (9, 5, 2, 2)
    began = datetime(2019, 5, 1)
    assert _rows(lake, "pipeline_runs", "run_id", "pipeline_name", "tenant", "user", "status", "started_at", "ended_at") == [
        ("r1", "churn", None, "ada", "SUCCEEDED", began, began + timedelta(seconds=3600.5)),
        ("r2", "churn", None, "bob", "RUNNING", began, None),
        ("r3", "churn", None, None, "PENDING", None, None),
    ]
    assert _rows(lake, "task_runs", "run_id", "task_name") == [("r1", "train"), ("r2", "fit.py"), ("r3", "run")]
    assert _rows(lake, "model_metrics", "version", "step", "measured_at", "value") == [
        ("r1", 0, began + timedelta(hours=1), 0.9),
        ("r2", 0, began + timedelta(minutes=20), 0.8),
    ]
    assert _refused(lake) == [
        ("runs", "started_at_after_ended_at"),
        ("runs", "submitted_at_after_ended_at"),
        ("metrics", "no_such_run"),
    ]
    assert not (lake.lake / "observed" / "models").exists()


def test_workspaces_lead_the_names_in_them(lake: Lake, tmp_path: Path) -> None:
    extra = """
        ALTER TABLE experiments ADD COLUMN workspace VARCHAR(63) DEFAULT 'default' NOT NULL;
        UPDATE experiments SET workspace = 'blue' WHERE experiment_id = 1;
        CREATE TABLE model_versions (name, version, creation_time, run_id, source, workspace);
        INSERT INTO model_versions VALUES ('m', 1, 1556672400000, 'r1', 's3://m', 'blue');
        INSERT INTO model_versions VALUES ('m', 1, 1556672400000, NULL, 's3://n', 'default');
    """
    _load(lake, _make(tmp_path / "spaces.db", OLD.read_text(encoding="utf-8") + extra))
    assert set(_rows(lake, "pipeline_runs", "pipeline_name", "tenant")) == {("blue/churn", "blue")}
    assert _rows(lake, "models", "model_id", "version", "produced_by_run_id") == [("blue/m", "1", "r1"), ("m", "1", None)]
    assert ("blue/m", "1", 0.9) in _rows(lake, "model_metrics", "model_id", "version", "value")


def test_of_two_values_at_one_place_the_later_written_stays(lake: Lake, tmp_path: Path) -> None:
    extra = "DROP TABLE metrics; CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan);"
    extra += "INSERT INTO metrics VALUES ('k', 2.0, 5, 'r1', 0, 0), ('k', 1.0, 5, 'r1', 0, 0), ('k', 1.0, 5, 'r1', 0, 0)"
    account = _load(lake, _make(tmp_path / "twice.db", OLD.read_text(encoding="utf-8") + extra))
    assert _rows(lake, "model_metrics", "metric", "value") == [("k", 1.0)]
    assert account.duplicates == 1


def test_tables_without_rowid_are_read(lake: Lake, tmp_path: Path) -> None:
    begin, end = OLD.read_text(encoding="utf-8").split("timestamp, run_uuid)\n)")
    script = f"{begin}timestamp, run_uuid)\n) WITHOUT ROWID{end}"
    _load(lake, _make(tmp_path / "norowid.db", script))
    assert _rows(lake, "model_metrics", "version", "value") == [("r1", 0.9), ("r2", 0.8)]


@pytest.mark.parametrize("history", ["[" * 20_000, '[{"flavors": {"\\ud800": {}}}]', "[1", "{}", "[]", "[[]]", "null"])
def test_a_history_that_cannot_be_read_still_tells_of_a_model(lake: Lake, tmp_path: Path, history: str) -> None:
    path = _make(tmp_path / "history.db")
    with closing(sqlite3.connect(path)) as con:
        con.execute("INSERT INTO tags VALUES ('mlflow.log-model.history', ?, 'r1')", [history])
        con.commit()
    _load(lake, path)
    assert _rows(lake, "models", "model_id", "version", "size_bytes", "created_at") == [("churn", "r1", None, None)]
    assert ("r1", "train") in _rows(lake, "task_runs", "run_id", "task_type")


def test_hostile_values_are_data_or_quarantined(lake: Lake, tmp_path: Path) -> None:
    path = _make(tmp_path / "hostile.db", _LOOSE)
    names = ["a\0b", "'; DROP TABLE runs; --", "../../etc", "<script>", "x\ny", '"', "é" * 2000]
    insert = "INSERT INTO runs VALUES (?, 1, ?, ?, 2, ?)"
    with closing(sqlite3.connect(path)) as con:
        con.executemany(insert, [(name, "FINISHED", 1, name) for name in names])
        con.executemany(insert, [(bad, "FINISHED", 1, None) for bad in (None, "", b"\xff\xfe")])
        con.executemany(insert, [("s", bad, 1, None) for bad in ("dancing", None, b"\xff", 7)])
        con.executemany(insert, [("t", "FINISHED", bad, None) for bad in ("noon", b"\xff", 1e300, 10**17, -(10**14))])
        con.executemany("INSERT INTO metrics VALUES ('k', 1.0, 1, 't', ?, 0)", [(1.5,), ("x",)])
        con.execute("INSERT INTO inputs VALUES ('DATASET', 'nowhere', 'RUN', 't')")
        con.execute("INSERT INTO inputs VALUES ('RUN_OUTPUT', 't', 'MODEL_OUTPUT', 'm')")
        con.commit()
    account = _load(lake, path)
    assert [row[0] for row in _rows(lake, "pipeline_runs", "run_id")] == sorted(names, key=lambda name: repr((name,)))
    assert (account.lines, account.valid, account.blank_or_header, account.quarantined) == (24, 7, 2, 15)
    assert {rule for _, rule in _refused(lake)} >= {
        "no_run_uuid", "run_uuid_not_text", "unmapped_status", "status_not_text", "started_at_not_an_instant",
        "step_not_an_integer", "no_such_dataset",
    }  # fmt: skip


_LOOSE = """
    CREATE TABLE experiments (experiment_id, name); INSERT INTO experiments VALUES (1, 'e');
    CREATE TABLE runs (run_uuid, experiment_id, status, start_time, end_time, user_id);
    CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan);
    CREATE TABLE params (key); CREATE TABLE tags (key, value, run_uuid);
    CREATE TABLE inputs (source_type, source_id, destination_type, destination_id);
    CREATE VIEW model_versions AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS version FROM n;
"""
_VALUES = st.sampled_from(
    [None, "", "r1", "r2", b"\xff", b"ok", 0, 1, -1, 2**63 - 1, 1.5, 1e308, float("inf"), "FINISHED", "x\0"]
)


@pytest.mark.drawn
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(*[_VALUES] * 6), max_size=6),
    st.lists(st.tuples(*[_VALUES] * 6), max_size=6),
    st.lists(st.tuples(*[_VALUES] * 4), max_size=3),
)
def test_whatever_stands_in_the_tables_is_accounted_for(runs: list[Any], metrics: list[Any], inputs: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, lake = _make(Path(folder) / "drawn.db", _LOOSE), Lake(Path(folder) / "home")
        with closing(sqlite3.connect(path)) as con:
            con.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", runs)
            con.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", metrics)
            con.executemany("INSERT INTO inputs VALUES (?, ?, ?, ?)", inputs)
            con.commit()
        account = _load(lake, path)
        assert account.lines == 1 + len(runs) + len(metrics) + len(inputs)
        assert account.lines == account.valid + account.duplicates + account.quarantined + account.blank_or_header
        assert lake.load_observed().violations() == []


def test_a_store_is_recognised_and_others_are_not(tmp_path: Path, written: tuple[Path, dict[str, str]]) -> None:
    for path in (written[0], _make(tmp_path / "old.db")):
        source, why = recognise_source(find_files([path]))
        assert source.name == "mlflow"
        assert "tracking store" in why
    other = _make(tmp_path / "other.sqlite", "CREATE TABLE runs (id); CREATE TABLE experiments (id)")
    (tmp_path / "log.jsonl").write_text('{"run_id": "r", "pipeline_name": "p"}\n', encoding="utf-8")
    source = find_source("mlflow")
    assert [source.recognise(Head(file)) for file in find_files([other, tmp_path / "log.jsonl"])] == [None, None]


@pytest.mark.parametrize(
    ("script", "told"), [("CREATE TABLE dag_run (id)", "no table experiments.*tables are dag_run"), ("", "")]
)
def test_a_foreign_file_is_refused(lake: Lake, tmp_path: Path, script: str, told: str) -> None:
    if script:
        path = _make(tmp_path / "foreign.db", script)
    else:
        path, told = tmp_path / "text.csv", "no SQLite database"
        path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(FileError, match=told) as error:
        ingest(lake, [path], find_source("mlflow"))
    assert error.value.where == str(path)
    assert "--source" in str(error.value.remedy)


def test_a_folder_stands_for_its_databases(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "stores"
    folder.mkdir()
    for name in ("a.db", "b.sqlite", "c.sqlite3"):
        _make(folder / name)
    (folder / "notes.txt").write_text("nothing", encoding="utf-8")
    accounts = ingest(lake, [folder], find_source("mlflow")).accounts
    assert len(accounts) == 1  # the three are the same, so they are read once
    assert lake.load_observed().pipeline_runs.height == 3

"""A home folder of an earlier version is given the columns that tables have got since, once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipesim import lake as lake_module
from pipesim.catalog import publish
from pipesim.ingest import find_source, ingest
from pipesim.lake import Lake
from pipesim.schema import MODELS
from pipesim.trace import Trace

NEW = ["deployed_at", "retired_at"]
AT = datetime(2026, 3, 2)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A home with models in all three origins, as it was when these had no instants of deployment."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "models.csv").write_text("model_id,version,created_at,framework\nm,1,2026-03-02T00:00:00Z,torch\n")
    lake = Lake(tmp_path / "ho'me")
    ingest(lake, [logs], find_source("native"))
    trace = {"models": MODELS.conform(pl.DataFrame({"model_id": ["s"], "version": ["1"], "created_at": [AT]}))}
    lake.save_synthetic(Trace(trace, "synthetic", "drawn"), {})
    lake.save_simulated(Trace(trace, "simulated", "what-if"), 0, pl.DataFrame({"scenario": ["what-if"]}), {})
    for file in lake.lake.rglob("models/**/*.parquet"):
        pl.read_parquet(file, hive_partitioning=False).drop(NEW).write_parquet(file)
    for file in lake.lake.rglob("models.parquet"):
        rows = pl.read_parquet(file, hive_partitioning=False)
        rows.drop([name for name in NEW if name in rows.columns]).write_parquet(file)
    (lake.root / ".staging" / "columns.json").unlink()
    return lake.root


def columns(file: Path) -> list[str]:
    return list(pl.read_parquet_schema(file))


def test_missing_columns_are_there_and_null_and_the_rest_is_as_it_was(old: Path) -> None:
    lake = Lake(old)
    files = [*lake.lake.rglob("models/**/*.parquet"), *(lake.lake / "synthetic").rglob("models.parquet")]
    assert len(files) == 3
    assert all(set(NEW) <= set(columns(file)) for file in files)
    assert not any("scenario" in columns(file) for file in files)
    publish(lake)
    with duckdb.connect(str(lake.warehouse), read_only=True) as con:
        rows = con.sql(
            "SELECT origin, model_id, created_at, framework, deployed_at FROM traces.models ORDER BY origin"
        ).fetchall()
    assert rows == [
        ("observed", "m", AT, "torch", None), ("simulated", "s", AT, None, None), ("synthetic", "s", AT, None, None),
    ]  # fmt: skip


def test_what_comes_after_it_can_tell_more(old: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("model_id,version,created_at,deployed_at\nm,1,2026-03-02T00:00:00Z,2026-03-02T01:00:00Z\n")
    lake = Lake(old)
    report = ingest(lake, [more.rename(tmp_path / "models.csv")], find_source("native")).as_dict()
    assert (report["valid"], report["quarantined"]) == (1, 0)
    told = lake.load_observed()["models"].select("version", "framework", "deployed_at").rows()
    assert told == [("1", "torch", datetime(2026, 3, 2, 1))]


def test_it_is_done_once_and_an_interrupted_one_is_done_again(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    before = {file: file.read_bytes() for file in old.rglob("*.parquet")}
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(lake_module, "write_upgraded", fail)
        Lake(old)
    assert {file: file.read_bytes() for file in old.rglob("*.parquet")} == before
    Lake(old)
    monkeypatch.setattr(lake_module, "outdated", fail)
    Lake(old)

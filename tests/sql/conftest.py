from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipesim import analytics, catalog
from pipesim.lake import Lake
from pipesim.quality.storing import save_quality
from pipesim.quality_schema import JUDGED, QUALITY_TABLES
from pipesim.schema import TRACE_TABLES, with_provenance
from pipesim.trace import Trace
from tests.conftest import REPOSITORY
from tests.sql.handmade import CARBON, RATES, STORED, Identity, Tables
from tests.sql.judged import CURRENT, JUDGEMENTS, Judgement, judged

TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in sorted((REPOSITORY / "sql").rglob("*.sql"))}


def in_order() -> list[str]:
    """The names of the files, each after those it reads."""
    return list(TopologicalSorter({name: set(re.findall(r"analytics\.(\w+)", code(name))) for name in TEXTS}).static_order())


def code(name: str) -> str:
    return re.sub(r"--.*", "", TEXTS[name])


def bare_connection(
    stored: dict[Identity, Tables], rates: bool = True, judgements: dict[str, Judgement] | None = None
) -> duckdb.DuckDBPyConnection:
    """DuckDB and nothing else: the traces as plain tables, and each file's text executed as it stands."""
    con = duckdb.connect()
    for schema in ("traces", "quality", "analytics"):
        con.execute(f"CREATE SCHEMA {schema}")
    for name, table in QUALITY_TABLES.items():
        con.execute(f"CREATE TABLE quality.{name} AS {table.empty_select(JUDGED)}")
        for model, told in (judgements or {}).items():
            rows = [[model, model == CURRENT, *(row.get(column.name) for column in table.columns)] for row in told[name]]
            con.executemany(f"INSERT INTO quality.{name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    for name, table in TRACE_TABLES.items():
        columns = ", ".join(f'"{column.name}" {column.type.sql}' for column in table.columns)
        con.execute(f"CREATE TABLE traces.{name} (origin VARCHAR, trace VARCHAR, replication BIGINT, {columns})")
        for identity, tables in stored.items():
            rows = [[*identity, *(row.get(column.name) for column in table.columns)] for row in tables.get(name, [])]
            if rows:
                con.executemany(f"INSERT INTO traces.{name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    for name in in_order():
        con.execute(f"CREATE TABLE analytics.{name} AS {TEXTS[name]}")
        if name == "resource_rates" and rates:
            con.execute("DELETE FROM analytics.resource_rates")
            for (resource, gpu_type), (price, watts, assumed) in RATES.items():
                basis = "assumption" if assumed else "published"
                con.execute(
                    "INSERT INTO analytics.resource_rates VALUES (?, ?, ?, ?, ?, '')", [resource, gpu_type, price, watts, basis]
                )
        if name == "carbon_intensity" and rates:
            con.execute("UPDATE analytics.carbon_intensity SET g_per_kwh = ?", [CARBON])
    return con


@pytest.fixture(scope="session")
def bare() -> Iterator[duckdb.DuckDBPyConnection]:
    with bare_connection(STORED, judgements=JUDGEMENTS) as con:
        yield con


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The same traces in a lake, with its analytics built and its catalogue published."""
    lake = Lake(tmp_path_factory.mktemp("home"))
    for (origin, name, replication), tables in STORED.items():
        frames = {
            table: TRACE_TABLES[table].conform(pl.DataFrame(rows, infer_schema_length=None))
            for table, rows in tables.items()
            if rows
        }
        if origin == "observed":
            with lake.transaction() as tx:
                for table, frame in frames.items():
                    row = frame.with_columns(
                        source=pl.lit("native"), source_file=pl.lit("a.jsonl"), source_line=pl.lit(1), ingest_id=pl.lit("i1")
                    )
                    tx.write_frame(with_provenance(TRACE_TABLES[table]).conform(row), lake.observed_file(table, "i1"))
        elif origin == "synthetic":
            lake.save_synthetic(Trace(frames, "synthetic", name), {})
        else:
            lake.save_simulated(Trace(frames, "simulated", name), replication, pl.DataFrame({"scenario": [name]}), {})
    for model in JUDGEMENTS:
        save_quality(lake, judged(model), {})
    analytics.build(lake)
    catalog.publish(lake)
    return lake


@pytest.fixture
def client(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """A bare DuckDB client on the published catalogue."""
    with duckdb.connect(str(Path(lake.warehouse)), read_only=True) as con:
        yield con

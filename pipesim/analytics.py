"""The analytics tables: every file under `sql/` is one SELECT over the catalogue, and its result one table of `analytics`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipesim import __version__
from pipesim.catalog import DOCUMENTATION, snapshot_views
from pipesim.errors import WorkError
from pipesim.identity import content_hash, file_hash
from pipesim.lake import Lake
from pipesim.shipped import shipped
from pipesim.store import Transaction

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_COLUMN = re.compile(r"  (\w+) \(([^)]+)\): (.+)")


@dataclass(frozen=True)
class QueryColumn:
    """One column of an analytics table as its file documents it.

    Args:
        name: Its name.
        unit: Its unit, range or type, for example `seconds`, `0..1`, `text`.
        doc: What it means.
    """

    name: str
    unit: str
    doc: str


@dataclass(frozen=True)
class Query:
    """One analytics table as it is declared.

    Args:
        name: The table's name in the schema `analytics`: the file's name without `.sql`.
        sql: The text of the file, which runs as it stands.
        doc: The comment with which the file begins: what it answers, its grain, its columns with their units.
        columns: The columns that the comment documents after its line `Columns:`, each as `  name (unit): text`, continued
            on lines that are indented further; none if it documents none.
        upstream: The tables it reads, schema-qualified and sorted, for example `("traces.task_runs",)`.
        file: Where it is declared.
    """

    name: str
    sql: str
    doc: str
    columns: tuple[QueryColumn, ...]
    upstream: tuple[str, ...]
    file: Path

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the other analytics tables it reads."""
        return tuple(table.removeprefix("analytics.") for table in self.upstream if table.startswith("analytics."))


def queries(folder: Path | None = None) -> list[Query]:
    """Return every query under a folder, each after those it reads, otherwise by name.

    Args:
        folder: Where the `.sql` files lie, at any depth; the shipped ones by default.

    Raises:
        WorkError: If a file is not one SELECT over schema-qualified tables, if two have the same name, if one reads an
            analytics table that no file declares, or if some read each other in a circle.
    """
    found: dict[str, Query] = {}
    for file in sorted((folder or shipped("sql")).rglob("*.sql")):
        query = read_query(file)
        if query.name in found:
            raise WorkError(
                f"{found[query.name].file} declares the same table", where=str(file), remedy="rename one of the two"
            )
        found[query.name] = query
    for query in found.values():
        for missing in sorted(set(query.needs) - set(found)):
            raise WorkError(
                f"it reads analytics.{missing}, which no SQL file declares",
                where=str(query.file),
                remedy=f"write {missing}.sql, or correct the name",
            )
    sorter = TopologicalSorter({name: set(query.needs) for name, query in found.items()})
    try:
        order = _by_generation(sorter)
    except CycleError as error:
        raise WorkError(
            f"these analytics tables read each other in a circle: {' <- '.join(error.args[1])}",
            where=str(found[error.args[1][0]].file),
        ) from error
    return [found[name] for name in order]


def read_query(file: Path) -> Query:
    """Return the query that a file declares.

    Raises:
        WorkError: If the file cannot be read, or is not one SELECT over schema-qualified tables.
    """
    if not _NAME.fullmatch(file.stem):
        raise WorkError(
            f"{file.stem!r} cannot be the name of a table",
            where=str(file),
            remedy="name the file in lower-case letters, digits and '_', beginning with a letter",
        )
    try:
        return _parsed(file, file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise WorkError(f"it cannot be read: {error}", where=str(file)) from error


@lru_cache(maxsize=256)  # a process that analyzes often, as the one behind Dagster's UI, reads the same files each time
def _parsed(file: Path, sql: str) -> Query:
    """Return the query that a file of this text declares."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    try:
        statements = [s for s in sqlglot.parse(sql, read="duckdb") if s and not isinstance(s, exp.Semicolon)]
    except sqlglot.errors.SqlglotError as error:
        raise WorkError(f"it is not valid SQL: {_parse_message(error)}", where=_place(file, _parse_line(error))) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise WorkError("it must hold exactly one SELECT", where=str(file), remedy="one file is one analytics table")
    tables = {
        source
        for scope in traverse_scope(statements[0])
        for source in scope.sources.values()
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)
    }
    bare = sorted(table.name for table in tables if not table.db)
    if bare:
        raise WorkError(
            f"it reads {', '.join(bare)} without a schema",
            where=str(file),
            remedy=f"write for example traces.{bare[0]} or analytics.{bare[0]}",
        )
    doc = _leading_comment(sql)
    return Query(file.stem, sql, doc, _documented_columns(doc), tuple(sorted({f"{t.db}.{t.name}" for t in tables})), file)


def run_query(con: duckdb.DuckDBPyConnection, query: Query) -> pl.DataFrame:
    """Return a query's rows, in the order it asks for.

    Args:
        con: A connection with the catalogue's views and the analytics tables that the query reads.
        query: The query.

    Raises:
        WorkError: If DuckDB refuses it; the message has the line in the file.
    """
    try:
        frame: pl.DataFrame = con.sql(query.sql).pl()
    except duckdb.Error as error:
        raise WorkError(f"DuckDB refused the query: {error}", where=_place(query.file, _refused_line(con, query))) from error
    return frame


def materialize(con: duckdb.DuckDBPyConnection, wanted: Iterable[Query]) -> Iterator[tuple[Query, pl.DataFrame]]:
    """Run queries in the given order; each result is a table of the connection's `analytics` for those that follow."""
    for query in wanted:
        frame = run_query(con, query)
        con.register("fresh_rows", frame.to_arrow())
        con.execute(f'DROP VIEW IF EXISTS analytics."{query.name}"')
        con.execute(f'CREATE TABLE analytics."{query.name}" AS FROM fresh_rows')
        con.unregister("fresh_rows")
        yield query, frame


def with_upstream(names: Iterable[str], known: list[Query]) -> list[Query]:
    """Return the named queries and all that they read, directly or not, in the order of `known` (see `queries`)."""
    by_name = {query.name: query for query in known}
    wanted: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in wanted:
            wanted.add(name)
            todo += by_name[name].needs
    return [query for query in known if query.name in wanted]


def build(lake: Lake, folder: Path | None = None) -> dict[str, int]:
    """Compute every analytics table and store them all at once; tables that no file declares any more are removed.

    Args:
        lake: The store.
        folder: Where the `.sql` files lie; the shipped ones by default.

    Returns:
        The number of rows of each table, by name.

    Raises:
        WorkError: If a query is wrong; the lake is then as it was before.
    """
    rows = {}
    inputs = input_manifests(lake)
    with snapshot_views(lake) as con, lake.transaction() as tx:
        for query, frame in materialize(con, queries(folder)):
            _store(tx, lake, query, frame, inputs)
            rows[query.name] = frame.height
        for file in (lake.lake / "analytics").glob("*"):
            if file.suffix in (".parquet", ".json") and file.stem not in rows:
                tx.remove(file)
    return rows


def build_one(lake: Lake, query: Query) -> int:
    """Compute and store one analytics table from the lake as it stands, and return its number of rows.

    Raises:
        WorkError: If the query is wrong, or reads an analytics table that was not built yet; the lake is then as before.
    """
    with snapshot_views(lake) as con, lake.transaction() as tx:
        frame = run_query(con, query)
        _store(tx, lake, query, frame, input_manifests(lake))
    return frame.height


def _store(tx: Transaction, lake: Lake, query: Query, frame: pl.DataFrame, inputs: dict[str, str]) -> None:
    target = lake.analytics_file(query.name)
    # The documentation travels with the rows, so that the catalogue never says of one version what holds for another.
    said = {"doc": query.doc, "columns": {c.name: f"({c.unit}) {c.doc}" for c in query.columns if c.name in frame.columns}}
    frame.write_parquet(tx.stage(target), compression="zstd", compression_level=1, metadata={DOCUMENTATION: json.dumps(said)})
    manifest: dict[str, Any] = {
        "kind": "analytics",
        "name": query.name,
        "sql": content_hash(query.sql),
        "upstream": list(query.upstream),
        "inputs": inputs,
        "rows": frame.height,
        "pipesim": __version__,
    }
    tx.write_json(manifest, target.with_suffix(".json"))


def input_manifests(lake: Lake) -> dict[str, str]:
    """Return the hashes of the manifests of every trace in the lake and of the current quality, which say what each is of."""
    lake.bring_simulated()
    manifests = [
        *(lake.lake / "observed" / "manifests").glob("*.json"),
        *(lake.lake / "synthetic").glob("*/manifest.json"),
        *(lake.lake / "simulated" / "manifests").glob("*/*/manifest.json"),
        *(lake.lake / "quality").glob(f"{lake.current(lake.lake / 'quality')}/manifest.json"),
    ]
    return {str(path.relative_to(lake.lake)): file_hash(path) for path in sorted(manifests)}


def _by_generation(sorter: TopologicalSorter[str]) -> list[str]:
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def _leading_comment(sql: str) -> str:
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" ").rstrip())
    return "\n".join(lines)


def _documented_columns(doc: str) -> tuple[QueryColumn, ...]:
    _, _, listed = doc.partition("\nColumns:\n")
    columns: list[QueryColumn] = []
    for line in listed.splitlines():
        if declared := _COLUMN.fullmatch(line):
            columns.append(QueryColumn(*declared.groups()))
        elif columns and line.startswith("    "):
            columns[-1] = replace(columns[-1], doc=f"{columns[-1].doc} {line.strip()}")
    return tuple(columns)


def _parse_message(error: Exception) -> str:
    details = getattr(error, "errors", None)
    return str(details[0]["description"]) if details else str(error).splitlines()[0]


def _parse_line(error: Exception) -> int | None:
    details = getattr(error, "errors", None)
    return int(details[0]["line"]) if details else None


def _refused_line(con: duckdb.DuckDBPyConnection, query: Query) -> int | None:
    # DuckDB gives the line only when it executes, and counts from the statement's first word: EXPLAIN stands on the first line.
    try:
        con.execute("EXPLAIN " + query.sql).fetchall()
    except duckdb.Error as error:
        line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
        return int(line[1]) if line else None
    return None


def _place(file: Path, line: int | None) -> str:
    return f"{file}:{line}" if line else str(file)

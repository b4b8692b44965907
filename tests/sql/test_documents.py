"""What the files say about themselves, and what is stored of them."""

from __future__ import annotations

import re

import duckdb
import polars as pl
import pytest

from pipesim.analytics import Query, queries
from tests.sql.test_figures import BY_TRACE, IDENTITY, KEYS

SHIPPED = queries()
each = pytest.mark.parametrize("query", SHIPPED, ids=lambda query: query.name)


@each
def test_the_documented_columns_are_those_returned(query: Query, bare: duckdb.DuckDBPyConnection) -> None:
    assert [column.name for column in query.columns] == bare.sql(query.sql).columns
    listed = query.doc.split("\nColumns:\n")[1].splitlines()
    assert len(query.columns) == sum(not line.startswith("    ") for line in listed), (
        "every line declares or continues a column"
    )


@each
def test_the_comment_asks_a_question_and_says_the_grain(query: Query) -> None:
    assert re.match(r"[A-Z][^\n]*\?", query.doc)
    assert "\nGrain: one row a" in query.doc


@each
def test_the_stored_table_is_what_the_file_says_in_a_total_order(query: Query, client: duckdb.DuckDBPyConnection) -> None:
    fresh = client.sql(query.sql).pl()
    assert pl.Null not in fresh.dtypes
    assert client.sql(f"FROM analytics.{query.name}").pl().equals(fresh)
    assert fresh.equals(fresh.sort(KEYS[query.name], nulls_last=True))


@pytest.mark.parametrize("name", BY_TRACE)
def test_rows_read_the_same_wherever_they_are_stored(name: str, client: duckdb.DuckDBPyConnection) -> None:
    rows = client.sql(f"FROM analytics.{name}").pl()
    same = [
        rows.filter(origin=origin, trace=trace, replication=0).drop(IDENTITY)
        for origin, trace in (("observed", "observed"), ("synthetic", "syn-1"), ("simulated", "fifo"))
    ]
    assert same[0].height > 0
    assert same[0].equals(same[1])
    assert same[0].equals(same[2])


@each
def test_the_catalogue_carries_the_same_text(query: Query, client: duckdb.DuckDBPyConnection) -> None:
    said = client.execute("SELECT comment FROM duckdb_views() WHERE schema_name = 'analytics' AND view_name = ?", [query.name])
    assert said.fetchall() == [(query.doc,)]
    columns = client.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = 'analytics' AND table_name = ? "
        "ORDER BY column_index",
        [query.name],
    )
    assert columns.fetchall() == [(column.name, f"({column.unit}) {column.doc}") for column in query.columns]

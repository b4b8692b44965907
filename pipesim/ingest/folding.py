"""Folding of events: all that a log says of one key becomes one row, whatever the order, the repetition and the file.

Events are ordered by (terminal last, event time, state, file, line); the last non-NULL value of each column wins. What the lake
already holds of a key takes part as an event, so that a late event completes a row, and a known one changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipesim.catalog import quote, quote_name
from pipesim.ingest.staging import Staging
from pipesim.ingest.statements import rule_reason
from pipesim.lake import Lake
from pipesim.schema import TERMINAL_STATUSES, TRACE_TABLES, Column, Table, Type, with_provenance

#: What a task's row says where its log does not.
_DURATION = "CASE WHEN ended_at >= started_at THEN (epoch_us(ended_at) - epoch_us(started_at)) / 1e6 END"
_CENSORED = "(status NOT IN ('SUCCEEDED', 'SKIPPED', 'UNKNOWN'))"
_TERMINAL = ", ".join(quote(status) for status in TERMINAL_STATUSES)


@dataclass(frozen=True)
class Folded:
    """What folding left of one table, as temporary tables in the staging connection.

    `final_<table>` holds one whole row a key with `file_no` and `line` of the event that completed it; `repeated_<table>` the
    lines that said nothing new; `superseded_<table>` the keys whose rows in the lake must give way.
    """

    table: str
    superseded: int


def fold(staging: Staging, lake: Lake, table: Table) -> Folded:
    """Fold a table's staged rows among themselves and with the lake's, and complete the result."""
    con = staging.con
    key = ", ".join(quote_name(k) for k in table.key)
    name = table.name
    if earlier := staging.finals.get(name):
        con.execute(f"DROP {earlier} final_{name}")
    columns = ", ".join(quote_name(c.name) for c in table.columns)
    single = f"SELECT {columns}, file_no, line FROM staged_{name}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE repeated_{name} (file_no INTEGER, line BIGINT)")
    con.execute(f"CREATE OR REPLACE TEMP TABLE superseded_{name} AS SELECT {key} FROM staged_{name} WHERE false")
    if not staging.count(f"staged_{name}"):  # as most tables are in most logs
        staging.finals[name] = "VIEW"
        con.execute(f"CREATE TEMP VIEW final_{name} AS {single}")
        return Folded(name, 0)
    _load_existing(con, lake, table)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE again AS SELECT {key} FROM "
        f"(SELECT {key} FROM staged_{name} UNION ALL SELECT {key} FROM existing) GROUP BY ALL HAVING count(*) > 1"
    )
    # Where no key repeats, which is most logs, the rows are the staged ones and need no copy.
    staging.finals[name] = kind = "TABLE" if staging.count("again") else "VIEW"
    rows = single
    if kind == "TABLE":
        _fold_repeated(con, table, summed=name in staging.summed)
        rows = f"{single} ANTI JOIN again USING ({key}) UNION ALL SELECT {columns}, file_no, line FROM folded WHERE changed"
        con.execute(f"INSERT INTO superseded_{name} SELECT {key} FROM folded WHERE changed AND known")
    con.execute(f"CREATE TEMP {kind} final_{name} AS SELECT * REPLACE ({_completed(con, table)}) FROM ({rows})")
    return Folded(name, staging.count(f"superseded_{name}"))


def reject_bad_rows(staging: Staging, table: Table) -> None:
    """Refuse the lines of every row that breaks a rule now that it is whole."""
    if not staging.count(f"staged_{table.name}"):
        return
    # Rows that were not folded were held to the other rules one by one already.
    rules = [rule for rule in table.rules if rule.whole or staging.finals[table.name] == "TABLE"]
    if not rules:
        return
    good = " AND ".join(f"(({rule.sql}) IS NOT FALSE)" for rule in rules)
    reasons = ", ".join(rule_reason(table, rule) for rule in rules)
    key = ", ".join(quote_name(k) for k in table.key)
    con = staging.con
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE broken AS SELECT {key}, unnest([{reasons}]) AS reason "
        f"FROM final_{table.name} WHERE NOT ({good})"
    )
    con.execute(
        f"INSERT INTO rejected SELECT file_no, line, reason.stage, reason.rule, reason.detail, NULL FROM broken "
        f"JOIN staged_{table.name} USING ({key}) WHERE reason IS NOT NULL"
    )


def _load_existing(con: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> None:
    """Fetch the lake's rows of the keys that are staged."""
    folder = lake.lake / "observed" / table.name
    key = ", ".join(quote_name(k) for k in table.key)
    full = with_provenance(table)
    if any(folder.glob("*.parquet")):
        source = f"SELECT * FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true)"
        query = f"SELECT * {_as_given(table)} FROM ({source}) SEMI JOIN staged_{table.name} USING ({key})"
    else:
        query = full.empty_select()
    con.execute(f"CREATE OR REPLACE TEMP TABLE existing AS {query}")


def _as_given(table: Table) -> str:
    """Return a REPLACE clause that takes back what `_completed` derived, so that new events can change it."""
    if table.name != "task_runs":
        return ""
    return (
        f"REPLACE (CASE WHEN duration_s IS DISTINCT FROM {_DURATION} THEN duration_s END AS duration_s, "
        f"CASE WHEN is_censored IS DISTINCT FROM {_CENSORED} THEN is_censored END AS is_censored)"
    )


def _fold_repeated(con: duckdb.DuckDBPyConnection, table: Table, *, summed: bool) -> None:
    name = table.name
    key = ", ".join(quote_name(k) for k in table.key)
    columns = [c.name for c in table.columns]
    listed = ", ".join(quote_name(c) for c in columns)
    instants = ", ".join(quote_name(c.name) for c in table.columns if c.type is Type.INSTANT and c.name not in table.key)
    at = f"coalesce(event_at, greatest({instants}))" if instants else "event_at"
    rank = f"CASE WHEN status IN ({_TERMINAL}) THEN 1 ELSE 0 END" if "status" in columns else "0"
    # Events of the same instant come in the order of a task's life.
    stage = "CASE status WHEN 'PENDING' THEN 0 WHEN 'RUNNING' THEN 1 ELSE 2 END" if "status" in columns else "0"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE events AS "
        f"SELECT *, row_number() OVER (ORDER BY {rank}, {at} NULLS FIRST, {stage}, file_no, line) AS ord "
        f"FROM (SELECT {listed}, file_no, line, line_hash, event_at FROM staged_{name} SEMI JOIN again USING ({key}) "
        f"UNION ALL SELECT {listed}, -1, 0, NULL, NULL FROM existing)"
    )
    if "status" in columns:
        _reject_conflicts(con, table, key)
    con.execute(
        f"INSERT INTO repeated_{name} SELECT file_no, line FROM events WHERE file_no >= 0 "
        f"QUALIFY row_number() OVER (PARTITION BY {key}, line_hash ORDER BY file_no, line) > 1"
    )
    values = ", ".join(f"{_folded(c, summed=summed)} AS {quote_name(c.name)}" for c in table.columns if c.name not in table.key)
    known = ", ".join(f"existing.{quote_name(c)} AS {quote_name('known ' + c)}" for c in columns if c not in table.key)
    # A terminal row stays as it was when only the log's end moved on.
    compared = [c for c in columns if c not in table.key and c != "observed_until"]
    same = " AND ".join(f"{_whole(c)} IS NOT DISTINCT FROM {_whole(c, 'known ')}" for c in compared) or "true"
    if "observed_until" in columns:
        same += f' AND (observed_until IS NOT DISTINCT FROM "known observed_until" OR status IN ({_TERMINAL}))'
    comma = ", " if values else ""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE folded AS SELECT *, known AND ({same}) IS FALSE OR NOT known AS changed FROM ("
        f"SELECT f.*{', ' if known else ''}{known}, existing.ingest_id IS NOT NULL AS known FROM ("
        f"SELECT {key}{comma}{values}, arg_max(file_no, ord) FILTER (WHERE file_no >= 0) AS file_no, "
        f"arg_max(line, ord) FILTER (WHERE file_no >= 0) AS line "
        f"FROM events GROUP BY {key}) f LEFT JOIN existing USING ({key}))"
    )
    con.execute(
        f"INSERT INTO repeated_{name} SELECT file_no, line FROM events SEMI JOIN (SELECT {key} FROM folded WHERE NOT changed) "
        f"USING ({key}) WHERE file_no >= 0 AND (file_no, line) NOT IN (SELECT (file_no, line) FROM repeated_{name})"
    )


def _whole(name: str, of: str = "") -> str:
    """Return SQL for a column's value once `_completed` has derived what is missing, as far as other columns are the same."""
    derived = {"duration_s": _DURATION, "is_censored": _CENSORED}.get(name)
    column = quote_name(of + name)
    return f"coalesce({column}, {derived})" if derived else column


def _folded(column: Column, *, summed: bool) -> str:
    """Return SQL for a column's value over the events of a key: the last one, or the sum of those that are new."""
    if summed and column.type in (Type.INTEGER, Type.NUMBER):
        return f"CAST(sum({quote_name(column.name)}) FILTER (WHERE file_no >= 0) AS {column.type.sql})"
    return f"arg_max({quote_name(column.name)}, ord)"


def _reject_conflicts(con: duckdb.DuckDBPyConnection, table: Table, key: str) -> None:
    """Refuse the events of a key that ended in two different ways: which one is true cannot be known."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE conflicts AS "
        f"SELECT {key}, string_agg(DISTINCT status, ' and ' ORDER BY status) AS states "
        f"FROM events WHERE status IN ({_TERMINAL}) GROUP BY {key} HAVING count(DISTINCT status) > 1"
    )
    con.execute(
        f"INSERT INTO rejected SELECT file_no, line, 'rule', 'conflicting_terminal_states', 'ended as ' || states, NULL "
        f"FROM events JOIN conflicts USING ({key}) WHERE file_no >= 0"
    )
    con.execute(f"DELETE FROM events WHERE EXISTS (SELECT 1 FROM conflicts WHERE {_equal(table, 'events', 'conflicts')})")
    staged = f"staged_{table.name}"
    con.execute(f"DELETE FROM {staged} WHERE EXISTS (SELECT 1 FROM conflicts WHERE {_equal(table, staged, 'conflicts')})")


def _equal(table: Table, left: str, right: str) -> str:
    return " AND ".join(f"{left}.{quote_name(k)} = {right}.{quote_name(k)}" for k in table.key)


def _completed(con: duckdb.DuckDBPyConnection, table: Table) -> str:
    """Return the columns that follow from others of a whole row, for a REPLACE clause."""
    if table.name == "task_runs":
        return f"coalesce(duration_s, {_DURATION}) AS duration_s, coalesce(is_censored, {_CENSORED}) AS is_censored"
    if table.name == "pipeline_runs":
        until = con.execute(f"SELECT max(latest) FROM ({_all_instants()})").fetchall()[0][0]
        basis = "relative" if until is None else "assumed_zone"
        return (
            f"coalesce(observed_until, TIMESTAMP '{until or '1970-01-01'}') AS observed_until, "
            f"coalesce(time_basis, '{basis}') AS time_basis"
        )
    first = quote_name(table.columns[0].name)
    return f"{first} AS {first}"


def _all_instants() -> str:
    """Return a SELECT of the last instant that each instant column of each staged table holds."""
    parts = [
        f"SELECT max({quote_name(column)}) AS latest FROM staged_{t.name}"
        for t in TRACE_TABLES.values()
        for column in ["event_at", *(c.name for c in t.columns if c.type is Type.INSTANT and c.name != "valid_to")]
    ]
    return " UNION ALL ".join(parts)

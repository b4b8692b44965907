"""Expressions of a mapping file: one value from a row's fields, in the SQL of Polars.

An expression sees the fields of a CSV or JSON record as text and those of Parquet as what they are; it looks at one row at a
time and at nothing but that row, so that a mapping that came from somewhere else can neither read files nor mix rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import polars as pl

from pipesim.errors import RequestError

#: What Polars raises for a value that an expression cannot work on.
_ROW_ERRORS = (pl.exceptions.PolarsError, OverflowError)


def expression_fields(sql: str) -> tuple[str, ...]:
    """Return the fields that an expression reads, in alphabetical order.

    Raises:
        RequestError: If it is no expression over the fields of one row.
    """
    return tuple(sorted(set(_parsed(sql).meta.root_names())))


@lru_cache(maxsize=1024)
def _parsed(sql: str) -> pl.Expr:
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise RequestError(f"{sql!r} is no SQL expression") from error
    refused = {
        exp.Query: "a query",
        exp.Table: "a table",
        exp.AggFunc: "an aggregate over rows",
        exp.Window: "a window over rows",
        exp.Star: "all columns",
    }
    for kind, what in refused.items():
        if tree.find(kind):
            raise RequestError(f"{sql!r} holds {what}, where only the fields of one row may stand")
    try:
        return pl.sql_expr(sql)
    except _ROW_ERRORS as error:
        raise RequestError(f"Polars cannot read {sql!r}: {error}") from error


def evaluate(frame: pl.DataFrame, wanted: Mapping[str, str]) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    """Add columns that expressions give.

    Args:
        frame: Rows with the fields that the expressions read.
        wanted: The expression for the name of each new column.

    Returns:
        The rows that all expressions can be worked out for, with the new columns; and the positions of the other rows in
        `frame`, ascending, each with the reason.

    Raises:
        RequestError: If an expression is none, or cannot be worked out whatever the values, as when it adds texts up.
    """
    parsed = [_parsed(sql).alias(name) for name, sql in wanted.items()]
    try:
        _work_out(frame.clear(), parsed)
    except _ROW_ERRORS as error:
        raise RequestError(
            f"an expression does not suit its fields: {_first_line(error)}",
            remedy="the fields of CSV and JSON are text: write for example CAST(field AS DOUBLE)",
        ) from error
    bad: list[tuple[int, str]] = []
    good = _halve(frame, parsed, 0, bad)
    return pl.concat(good, how="vertical_relaxed") if good else _work_out(frame.clear(), parsed), bad


def _halve(frame: pl.DataFrame, parsed: list[pl.Expr], first: int, bad: list[tuple[int, str]]) -> list[pl.DataFrame]:
    """Work out what can be; where rows fail, look for them in each half, as Polars does not say which they are."""
    try:
        return [_work_out(frame, parsed)]
    except _ROW_ERRORS as error:
        if frame.height == 1:
            bad.append((first, _first_line(error)))
            return []
    middle = frame.height // 2
    return [*_halve(frame[:middle], parsed, first, bad), *_halve(frame[middle:], parsed, first + middle, bad)]


def _work_out(frame: pl.DataFrame, parsed: list[pl.Expr]) -> pl.DataFrame:
    return frame.with_columns(parsed).with_columns(pl.selectors.by_dtype(pl.Null).cast(pl.String))


def _first_line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]

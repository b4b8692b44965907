"""What the UI shows of a step, in Dagster's terms: previews, column schemas, figures, versions."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl

import pipesim
from pipesim.analytics import QueryColumn
from pipesim.checks.verdict import markdown
from pipesim.identity import content_hash, file_hash
from pipesim.schema import Table

OWNERS = ("team:platform-analytics",)
_PREVIEW_ROWS = 10
_PREVIEW_CHARACTERS = 60


def code_version(*parts: str) -> str:
    """Return the hash of files of the package `pipesim`; a folder stands for the Python files in it."""
    package = Path(pipesim.__file__).parent
    paths = [package / part for part in parts]
    files = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    return content_hash(*map(file_hash, files))


def preview(rows: pl.DataFrame | duckdb.DuckDBPyRelation) -> dg.MarkdownMetadataValue:
    """Return the first rows as a table."""
    first = rows.head(_PREVIEW_ROWS) if isinstance(rows, pl.DataFrame) else rows.limit(_PREVIEW_ROWS).pl()
    style = pl.Config(
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_cols=-1,
        tbl_rows=_PREVIEW_ROWS,
        tbl_width_chars=-1,
        fmt_str_lengths=_PREVIEW_CHARACTERS,
    )
    with style:
        return dg.MetadataValue.md(str(first))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """Return rows as a table; what stands in a cell is shown as text, whatever it holds."""
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    return dg.MetadataValue.md(markdown(pl.DataFrame(cells, schema=dict.fromkeys(heads, pl.String), orient="row")))


def counts(rows: Mapping[str, int], heading: str) -> dg.MarkdownMetadataValue:
    """Return named numbers as a table."""
    lines = [f"| {heading} | rows |", "|---|---:|", *(f"| {name} | {number:,} |" for name, number in rows.items())]
    return dg.MetadataValue.md("\n".join(lines))


def figure(png: bytes) -> dg.MarkdownMetadataValue:
    """Return a picture that needs no file."""
    return dg.MetadataValue.md(f"![figure](data:image/png;base64,{base64.b64encode(png).decode()})")


def relation_schema(relation: duckdb.DuckDBPyRelation, columns: Iterable[QueryColumn]) -> dg.TableSchema:
    """Return the columns of an analytics table, with what its SQL says of each."""
    docs = {column.name: f"{column.doc} ({column.unit})" if column.unit else column.doc for column in columns}
    kinds = zip(relation.columns, relation.types, strict=True)
    return dg.TableSchema([dg.TableColumn(name, str(kind), docs.get(name)) for name, kind in kinds])


def table_schema(table: Table, identity: Mapping[str, str]) -> dg.TableSchema:
    """Return the documented columns of a canonical table, after those that tell the traces apart."""
    own = [dg.TableColumn(c.name, c.type.sql, c.doc, dg.TableColumnConstraints(nullable=c.nullable)) for c in table.columns]
    return dg.TableSchema([*(dg.TableColumn(name, sql, "Tells the traces apart.") for name, sql in identity.items()), *own])

"""The declarations and what derives from them."""

from __future__ import annotations

import duckdb
import polars as pl
import pytest

from pipesim.schema import QUARANTINE, TASK_RUNS, TRACE_TABLES, with_provenance
from pipesim.schema_page import markdown
from tests.conftest import REPOSITORY


def test_the_documentation_page_is_the_one_that_the_declarations_give() -> None:
    assert (REPOSITORY / "docs" / "data-model.md").read_text(encoding="utf-8") == markdown()


@pytest.mark.parametrize("table", [*TRACE_TABLES.values(), QUARANTINE, with_provenance(TASK_RUNS)], ids=lambda t: t.name)
def test_frames_and_sql_have_the_same_columns_and_types(table) -> None:
    with duckdb.connect() as con:
        from_sql = con.sql(table.empty_select()).pl()
    assert from_sql.schema == table.polars_schema == table.empty().schema


def test_keys_are_columns_and_never_null() -> None:
    for table in TRACE_TABLES.values():
        assert all(not table.by_name[k].nullable for k in table.key)
        assert len({r.name for r in table.rules}) == len(table.rules)


def test_conform_fills_casts_and_orders() -> None:
    frame = TASK_RUNS.conform(pl.DataFrame({"attempt": [1], "run_id": ["r"], "gpus": [2]}))
    assert frame.schema == TASK_RUNS.polars_schema
    assert frame["gpus"].to_list() == [2.0]
    assert frame["pool"].null_count() == 1
    with pytest.raises(pl.exceptions.InvalidOperationError):
        TASK_RUNS.conform(pl.DataFrame({"attempt": ["one"]}))

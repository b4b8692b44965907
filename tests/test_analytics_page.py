"""The page of analytics tables is the one that the SQL files give."""

from __future__ import annotations

from pipesim.analytics import queries
from pipesim.analytics_page import page
from tests.conftest import REPOSITORY


def test_the_page_is_the_one_that_the_files_give() -> None:
    assert (REPOSITORY / "docs" / "analytics-tables.md").read_text(encoding="utf-8") == page(), (
        "run: python -m pipesim.analytics_page > docs/analytics-tables.md"
    )


def test_it_has_every_table_with_every_column() -> None:
    sections = dict(part.split("\n", 1) for part in page().split("\n## ")[1:])
    assert sections.keys() == {query.name for query in queries()}
    for query in queries():
        assert [line for line in sections[query.name].splitlines() if line.startswith("Grain: ")] != []
        for column in query.columns:
            assert f"| `{column.name}` | " in sections[query.name]

"""The page of published traces is the one that the mappings give."""

from __future__ import annotations

from pathlib import Path

from pipesim.ingest.mapping.model import PROFILES
from pipesim.ingest.mapping.page import page

PAGE = Path(__file__).parents[3] / "docs" / "sources" / "published-traces.md"


def test_the_page_is_the_one_that_the_mappings_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m pipesim.ingest.mapping.page > docs/sources/published-traces.md"
    )


def test_it_says_of_every_profile_what_it_reads_and_what_stays_null() -> None:
    text = page()
    for path in PROFILES.glob("*.yaml"):
        part = text.split(f"\n## {path.stem}\n")[1].split("\n## ")[0]
        assert "| `submitted_at` |" in part or "| `queued_at` |" in part
        assert "Stays NULL: " in part

"""The site that mkdocs builds: no broken link, nothing from another host, and the same to read as on a page of Markdown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.conftest import REPOSITORY
from tests.docs.blocks import DOCS, PAGES

#: What both renderers must find as often as each other: a list that one takes for a paragraph cannot be read there.
STRUCTURE = ("h1", "h2", "h3", "li", "ol", "pre", "table", "td", "ul")


class Tags(HTMLParser):
    """The tags of a page: how often each begins, and what each loads by itself."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.count: Counter[str] = Counter()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] += 1
        given = dict(attrs)
        if tag != "a" and given.get("rel") != "canonical":
            self.loads += [address for key in ("src", "srcset", "href", "data") if (address := given.get(key))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as strictly as can be."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_there_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix(".md").as_posix(): path for path in site.rglob("*.html")}
    assert pages.keys() == {path.relative_to(DOCS).as_posix() for path in PAGES} | {"404.md"}
    for name, path in pages.items():
        html = path.read_text(encoding="utf-8")
        assert [address for address in Tags(html).loads if re.match(r"(?:[a-z]+:)?//", address)] == [], name
        assert 'class="mermaid"' not in html  # which would be drawn by a script from elsewhere
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)]*", text) == [], sheet.name


def test_the_search_finds_what_the_pages_say(site: Path) -> None:
    entries = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    assert any(entry["location"].startswith("scenario-file.html#") and "backfill" in entry["text"] for entry in entries)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_reads_the_same_on_the_site_as_in_the_repository(page: Path, site: Path) -> None:
    html = (site / page.relative_to(DOCS).with_suffix(".html")).read_text(encoding="utf-8")
    article = html.split('<article class="md-content__inner md-typeset">')[1].split("</article>")[0]
    plain = MarkdownIt("commonmark").enable("table").render(page.read_text(encoding="utf-8"))
    found, meant = Tags(article).count, Tags(plain).count
    assert {tag: found[tag] for tag in STRUCTURE} == {tag: meant[tag] for tag in STRUCTURE}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_page_begins_with_what_it_is_for(page: Path) -> None:
    title, empty, first = page.read_text(encoding="utf-8").splitlines()[:3]
    assert re.match(r"# \w", title)
    assert empty == ""
    assert re.match(r"[\w`\[][^#|]{20}", first), first

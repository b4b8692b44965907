"""The catalogue: what ships is sound and stands in the documentation as it is, and mistakes are told with their place."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipesim.errors import ConfigError, RequestError
from pipesim.ingest.datasets import Dataset, datasets, find_dataset
from pipesim.ingest.datasets.catalogue import is_loopback, may_fetch, parse_catalogue
from pipesim.ingest.sources import source_names
from tests.conftest import REPOSITORY

DATASETS = {dataset.name: dataset for dataset in datasets()}
ENTRY = """\
datasets:
  - name: one
    title: A log
    page: https://example.org
    licence: CC BY 4.0
    citation: Somebody, 2026
    source: native
    read: [a.csv]
    files: [{name: a.csv, url: "https://example.org/a.csv"}]
"""


def documented_row(dataset: Dataset) -> str:
    """The line of the table in docs/datasets.md."""
    sizes = [file.bytes or file.about_bytes for file in dataset.files]
    about = "" if all(file.bytes for file in dataset.files) else "about "
    size = f"{about}{sum(filter(None, sizes)) / 1e6:.1f} MB" if all(sizes) else "not published"
    told = {"the publisher" if file.told_by is None else file.told_by for file in dataset.files if file.sha256}
    without = [file.name for file in dataset.files if file.sha256 is None]
    checksums = ", ".join(sorted(told, reverse=True)) or "none"
    checksums += f"; none of {', '.join(without)}" if told and without else ""
    cells = (f"`{dataset.name}`", dataset.title, dataset.licence, size, checksums, f"`{dataset.source}`")
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("name", DATASETS)
def test_a_shipped_entry_is_ingested_by_a_source_and_documented(name: str) -> None:
    dataset = DATASETS[name]
    assert find_dataset(name) == dataset
    assert dataset.source in source_names()
    assert all(file.url.startswith("https://") for file in dataset.files)
    documentation = (REPOSITORY / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert documented_row(dataset) in documentation.splitlines()
    words = shlex.split(dataset.ingest_command(Path("a b")))
    assert words == ["pipesim", "ingest", *(f"a b/{read}" for read in dataset.read), "--source", dataset.source]
    assert dataset.as_dict()["files"][0]["url"] == dataset.files[0].url


def test_the_documentation_lists_nothing_else() -> None:
    documentation = (REPOSITORY / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z0-9-]+)` \| [A-Z]", documentation, re.MULTILINE) == list(DATASETS)


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(RequestError, match=r"'pai'.*\n.*pai-2020, openb-2023"):
        find_dataset("pai")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("name: a.csv", "name: ../a.csv", "no relative path"),
        ("name: a.csv", "name: /a.csv", "no relative path"),
        ("name: a.csv", "name: .a.csv", "no relative path"),
        ("name: a.csv", "name: MANIFEST", "needs for itself"),
        ("name: a.csv", "name: a.csv.part", "needs for itself"),
        ("https://example.org/a.csv", "http://example.org/a.csv", "neither https"),
        ("https://example.org/a.csv", "file:///a.csv", "neither https"),
        ("read: [a.csv]", "read: [b.csv]", r"b\.csv is none of its files"),
        ("read: [a.csv]", "read: []", "at least 1 item"),
        ("}]", "}, {name: a.csv, url: 'https://example.org'}]", r"a\.csv stands twice"),
        ("}]", ", sha256: 12}]", "valid string"),
        ("}]", ", told_by: 'https://example.org'}]", "told_by is of a checksum"),
        ("}]", ", members: [{name: b.csv}]}]", "members are of"),
        ("    licence: CC BY 4.0\n", "", r"licence: Field required"),
        ("title:", "titel:", "titel: Extra inputs"),
    ],
)
def test_mistakes_are_told_with_their_place(old: str, new: str, told: str) -> None:
    assert old in ENTRY
    with pytest.raises(ConfigError, match=told) as refused:
        parse_catalogue(ENTRY.replace(old, new), "some.yaml")
    assert "some.yaml" in str(refused.value)
    assert "datasets.0" in str(refused.value)


def test_names_are_unique() -> None:
    (one,) = parse_catalogue(ENTRY, "some.yaml")
    assert one.name == "one"
    with pytest.raises(ConfigError, match="one stands twice"):
        parse_catalogue(ENTRY + ENTRY.removeprefix("datasets:\n"), "some.yaml")


def test_only_https_and_addresses_of_this_machine_are_fetched_from() -> None:
    for url in ("https://example.org/x", "http://127.0.0.1:8000/x", "http://[::1]/x", "http://127.9.9.9/x"):
        assert may_fetch(url), url
    for url in ("http://example.org", "http://localhost/x", "http://127.0.0.1.example.org/", "ftp://127.0.0.1/", "https:///x"):
        assert not may_fetch(url), url
    assert not may_fetch("http://user@example.org:1@127.0.0.1.nip.io/")
    assert not is_loopback("http://0.0.0.0/")

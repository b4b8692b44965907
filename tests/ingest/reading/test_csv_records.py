"""Tables as CSV: whatever way a batch takes, it gives the same records and accounts for every line."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.ingest import find_files
from pipesim.ingest.reading import csv_records, tabular
from pipesim.ingest.reading.tabular import find_form, read_records, stream_records
from pipesim.lake import connect

_FIELD = st.text(st.sampled_from("ab1. \t\"\v\xa0\ufeffé'-"), max_size=4)
_LINE = st.lists(_FIELD, min_size=2, max_size=2) | st.lists(_FIELD, min_size=1, max_size=4)


def _read(paths: list[Path], plain: bool) -> tuple[list[tuple[object, ...]], Counter[int], Counter[int], set[tuple[int, str]]]:
    """Return the records, the lines and those that are none by intention of each file, and the refused places."""
    with connect() as con:
        files = dict(enumerate(find_files(paths)))
        forms = {number: find_form(con, file, None) for number, file in files.items()}
        batches, rest = [], None
        if plain and (streamed := stream_records(con, files, forms)):
            stream, records = streamed
            rows = con.execute(records.select(records.fields)).fetchall()
            batches.append((rows, stream.lines, stream.aside, records.bad))
            rest = stream.rest()
        for records in read_records(con, files, forms, rest=rest):
            rows = con.execute(records.select(records.fields)).fetchall()
            batches.append((rows, records.lines, records.blank_or_header, records.bad))
    lines, aside = Counter[int](), Counter[int]()
    for _, of, blank, _ in batches:
        lines, aside = lines + of, aside + blank
    bad = {(line.place, line.rule) for *_, refused in batches for _, line in refused}
    return sorted(row for rows, *_ in batches for row in rows), lines, aside, bad


@pytest.mark.drawn
@settings(deadline=None)
@given(
    st.lists(st.lists(_LINE, max_size=5), min_size=1, max_size=2),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([8, 1 << 20]),
)
def test_the_cheap_way_gives_what_the_careful_one_gives(
    tables: list[list[list[str]]], delimiter: str, end: str, batch_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "STREAM_BYTES", batch_bytes)
        patch.setattr(tabular, "_CSV_BYTES", batch_bytes)
        paths = [Path(folder) / f"{n}.csv" for n in range(len(tables))]
        for path, rows in zip(paths, tables, strict=True):
            path.write_text(end.join(map(delimiter.join, [["x", "y"], *rows])), encoding="utf-8", newline="")
        cheap = _read(paths, plain=True)
        patch.setattr(csv_records, "split_plain", lambda *_: None)
        assert cheap == _read(paths, plain=False)
        rows, lines, aside, bad = cheap
        for number, path in enumerate(paths):
            text = path.read_bytes()
            assert lines[number] == text.count(b"\n") + (not text.endswith(b"\n"))
        assert lines.total() == len(rows) + aside.total() + len(bad)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("x,y\n1,2\n3,4\n", True),
        ("x,y\n,2\n3,\n", True),
        ("x,y\n1,2\n3,4", True),
        ("x,y\na b,2\n", True),
        ("x,y\n1,2,3\n4\n", False),  # as many delimiters as there should be, on the wrong lines
        ("x,y\n1\n2,3,4\n", False),
        ("x,y\n1, 2\n", False),
        ("x,y\n1,2 \n", False),
        ('x,y\n"1",2\n', False),
        ("x,y\n\n1,2\n", False),
        ("x,y\n1,é\n", False),
        ("x,y\r\n1,2\r\n", False),
        ("\nx,y\n1,2\n", False),
    ],
)
def test_only_plain_lines_take_the_cheap_way(tmp_path: Path, text: str, plain: bool) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8", newline="")
    with connect() as con:
        files = dict(enumerate(find_files([path])))
        streamed = stream_records(con, files, {0: find_form(con, files[0], None)})
        assert (streamed is not None) == plain


def test_a_byte_order_mark_in_a_field_is_text(tmp_path: Path) -> None:
    """Found by a fuzzer: a line that is but a byte order mark was no CSV to the parser."""
    path = tmp_path / "t.csv"
    path.write_text("A\n\ufeff\n", encoding="utf-8")
    assert [row[2] for row in _read([path], plain=True)[0]] == ["\ufeff"]

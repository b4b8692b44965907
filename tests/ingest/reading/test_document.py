"""Documents: read as they are, or refused with the place of what is wrong, within bounds of size and depth."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest.reading import document
from pipesim.ingest.reading.document import load_documents
from pipesim.ingest.reading.files import LogFile, find_files
from pipesim.ingest.reading.json_text import MAX_DEPTH, BrokenDocumentError, parse_json
from pipesim.ingest.reading.yaml_text import parse_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**9), 10**9).map(lambda n: n / 8) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


def _file(path: Path, data: bytes) -> LogFile:
    path.write_bytes(data)
    (file,) = find_files([path])
    return file


@given(st.lists(JSON, max_size=3), st.booleans(), st.sampled_from([None, 2]))
@settings(max_examples=60, deadline=None)
def test_json_is_read_as_it_is_one_document_after_another(values: list[object], ascii_only: bool, indent: int | None) -> None:
    text = "\n".join(json.dumps(value, ensure_ascii=ascii_only, indent=indent) for value in values)
    assert parse_json(f" {text} ") == values


@given(st.dictionaries(TEXT, JSON, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_yaml_is_read_as_the_json_that_it_stands_for(value: dict[str, object]) -> None:
    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    def quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        # The writer goes by YAML 1.1, to which 0E0 is no number and needs no quotes.
        style = "'" if text[:1] in tuple("+-.0123456789") else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Plain.add_representer(str, quoted)
    written = yaml.dump(value, Dumper=Plain, allow_unicode=True)
    assert parse_yaml(written) == [value]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_document_is_refused_with_a_place_inside_it(data: st.DataObject) -> None:
    text = json.dumps({"a": [1, {"b": 'c\\"é\n'}, None], "d": 1.5e3}, indent=1)
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 5)) :]
    for parse in (parse_json, parse_yaml):
        error = None
        try:
            parse(damaged)
        except BrokenDocumentError as caught:
            error = caught
        if error:
            assert 1 <= error.line <= len(damaged.splitlines()) + 1
            assert 1 <= error.column <= len(damaged) + 1


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('{"a": 1,\n "b": }', 2, 7, "expecting value"),
        ('{"a": 1', 1, 8, "expecting ',' delimiter"),
        ('{"a":\n {"b": 1, "c": {"b": 2},\n "\\u0062": 3}}', 3, 2, 'the key "\\u0062" stands twice in one object'),
        ('["x", "\\ud83d\\ude00", "\\\\ud800",\n "\\ud800"]', 2, 3, "\\ud800 is half a character"),
        (f'["{"9" * 5000}",\n {"9" * 5000}]', 2, 2, "the number has over 4300 digits"),
        ("[1,\n" + "[" * 10_000, 2, MAX_DEPTH, f"it is nested deeper than {MAX_DEPTH} levels"),
        ('{"a": "\x00"}', 1, 8, "invalid control character at"),
    ],
)
def test_what_is_wrong_with_json_is_named_with_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(BrokenDocumentError) as caught:
        parse_json(text)
    assert (caught.value.line, caught.value.column, caught.value.message) == (line, column, message)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: ]", 2, 4, None),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' stands twice in one mapping"),
        ("a: &x [1]\nb: *x\n", 2, 4, "it has an alias (*name)"),
        ("a: !!python/object:os.system 1\n", 1, 4, "it has the tag tag:yaml.org,2002:python/object:os.system"),
        ("? [1]\n: 2\n", 1, 3, "a key is no text"),
        ("a: " + "[" * 10_000, 1, MAX_DEPTH + 3, f"it is nested deeper than {MAX_DEPTH} levels"),
        ("a: é\nb: é\x00\n", 2, 5, None),
    ],
)
def test_what_is_wrong_with_yaml_is_named_with_its_place(text: str, line: int, column: int, message: str | None) -> None:
    with pytest.raises(BrokenDocumentError) as caught:
        parse_yaml(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert message is None or caught.value.message == message


def test_yaml_has_the_types_of_json_and_no_others() -> None:
    said = "a: 2026-03-02T01:00:00Z\nb: no\nc: 0o17\nd: 1:30\ne: '5'\nf: ~\ng: 5\nh: 1e3\ni: True\nj: !!str 7\nk: .inf\n1: x\n"
    (found,) = parse_yaml(said)
    assert found == {
        "a": "2026-03-02T01:00:00Z", "b": "no", "c": "0o17", "d": "1:30", "e": "5", "f": None, "g": 5, "h": 1000.0, "i": True,
        "j": "7", "k": ".inf", "1": "x",
    }  # fmt: skip
    assert parse_yaml("a: 1\n---\n- 2\n") == [{"a": 1}, [2]]


def test_brackets_in_text_are_not_depth_wherever_a_block_of_the_check_ends() -> None:
    deep = "[" * 500
    for shift in range(4):
        text = json.dumps(["x" * ((1 << 20) - 4 + shift) + '\\"' * 5 + deep, deep])
        assert parse_json(text) == [json.loads(text)]


def test_a_file_is_told_from_its_name_and_place(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"broken.json:2:7: expecting value") as caught:
        load_documents(_file(tmp_path / "broken.json", b'{"a": 1,\n "b": }'))
    assert caught.value.remedy
    with pytest.raises(FileError, match=r"broken.yaml:1:5"):
        load_documents(_file(tmp_path / "broken.yaml", b"a: [}"))
    with pytest.raises(FileError, match=r"latin.json:2:3: this is no UTF-8"):
        load_documents(_file(tmp_path / "latin.json", b'[\n "\xe9"]'))
    assert load_documents(_file(tmp_path / "bom.json", b"\xef\xbb\xbf [1]")) == [[1]]


def test_size_is_bounded_once_decompressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = _file(tmp_path / "bomb.json.gz", gzip.compress(b"[" + b" " * (8 << 20) + b"]"))
    assert load_documents(bomb) == [[]]
    monkeypatch.setattr(document, "MAX_BYTES", 4 << 20)
    with pytest.raises(FileError, match=r"bomb.json.gz: the document is larger than 4 MiB, decompressed"):
        load_documents(bomb)
    with pytest.raises(FileError, match="larger than 4 MiB"):
        load_documents(_file(tmp_path / "plain.json", b"[" + b" " * (5 << 20) + b"]"))
    monkeypatch.setattr(document, "MAX_YAML_BYTES", 1 << 20)
    with pytest.raises(FileError, match="the YAML is larger than 1 MiB"):
        load_documents(_file(tmp_path / "large.yaml", b"a: " + b"x" * (2 << 20)))


def test_compressed_data_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="damaged or cut short"):
        load_documents(_file(tmp_path / "cut.json.gz", gzip.compress(json.dumps(list(range(99_999))).encode())[:-100]))

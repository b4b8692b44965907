"""Files that are whole documents: JSON or YAML, bounded in size and depth, with the line and column of what is broken.

What Python's readers would let pass is refused here, as it would change or lose what a log says: a key that stands twice in an
object, half a surrogate pair, a number beyond all sense. YAML is read as its core schema: an instant stays text, as in JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np

from pipesim.errors import FileError
from pipesim.ingest.files import LogFile, open_decompressed

#: A larger document would take several times its size of memory; logs of that size are split or written as JSON lines.
MAX_BYTES = 1 << 30
#: YAML takes some fifty times as long as JSON to read.
MAX_YAML_BYTES = 64 << 20
#: Deeper than any document of a known format, shallow enough for every recursive reader.
MAX_DEPTH = 200

_BLOCK = 1 << 20
_QUOTE, _OPEN, _CLOSE = 1, 2, 3
_KINDS = np.zeros(256, np.int8)
_KINDS[ord('"')] = _QUOTE
_KINDS[[ord("{"), ord("[")]] = _OPEN
_KINDS[[ord("}"), ord("]")]] = _CLOSE

_BLANK = re.compile(r"[ \t\r\n]*")
_ESCAPE_END = re.compile(r"\\*.?", re.DOTALL)
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")\s*(:?)|[{}\[\]]', re.DOTALL)
_LONG_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(\d{4301,})', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_HALF_PAIR = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


class BrokenDocumentError(ValueError):
    """A text that is no such document.

    Args:
        message: What is wrong, in one sentence without a full stop.
        line: Where, from 1.
        column: Where in the line, from 1, in characters.
    """

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


def load_documents(file: LogFile) -> list[object]:
    """Return the documents of a file, as dicts, lists, texts, numbers, booleans and None.

    A text that begins with a brace or a bracket is JSON, one document or several in a row; any other is YAML.

    Raises:
        FileError: If the file is too large, no text, or no such document.
    """
    text = read_text(file)
    is_json = text[_end_of_blank(text, 0) :][:1] in ("{", "[")
    if not is_json and len(text) > MAX_YAML_BYTES:
        raise FileError(
            f"the YAML is larger than {MAX_YAML_BYTES >> 20} MiB", where=file.name, remedy="write it as JSON: -o json"
        )
    try:
        if is_json:
            return parse_json(text)
        from pipesim.ingest.sources.yaml_events import parse_yaml

        return parse_yaml(text)
    except BrokenDocumentError as error:
        raise FileError(
            error.message,
            where=f"{file.name}:{error.line}:{error.column}",
            remedy=f"write the {'JSON' if is_json else 'YAML'} again; nothing of it was ingested",
        ) from error


def read_text(file: LogFile) -> str:
    """Return the text of a file, decompressed and without its byte order mark.

    Raises:
        FileError: If it is larger than `MAX_BYTES`, binary or no UTF-8.
    """
    if file.format in ("parquet", "sqlite"):
        raise FileError(f"this is {file.format}, no JSON or YAML", where=file.name, remedy="name its format with --source")
    size = _decompressed_size(file)
    if size > MAX_BYTES:
        raise FileError(
            f"the document is larger than {MAX_BYTES >> 20} MiB, decompressed",
            where=file.name,
            remedy="write it as several files",
        )
    room = np.empty(size, np.uint8)
    with open_decompressed(file.path) as read_into:
        data = room[: read_into(room)].tobytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        raise FileError("this is no UTF-8", where=f"{file.name}:{line}:{column}", remedy="convert it to UTF-8") from error


def parse_json(text: str) -> list[object]:
    """Return the JSON documents that stand in a text one after another.

    Raises:
        BrokenDocumentError: If anything in it is no JSON, deeper than `MAX_DEPTH`, or would be lost in reading.
    """
    _insist_shallow(text)
    _insist_whole_characters(text)
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    documents: list[object] = []
    at = _end_of_blank(text, 0)
    while at < len(text):
        begin = at
        try:
            found, at = decoder.raw_decode(text, begin)
        except json.JSONDecodeError as error:
            raise _broken(error.msg[:1].lower() + error.msg[1:], text, error.pos) from error
        except _RepeatedKeyError as error:
            key, at = _repeated_key(text, begin)
            raise _broken(f"the key {key} stands twice in one object", text, at) from error
        except ValueError as error:
            at = next(found.start(1) for found in _LONG_NUMBER.finditer(text, begin) if found[1])
            raise _broken("the number has over 4300 digits", text, at) from error
        documents.append(found)
        at = _end_of_blank(text, at)
    return documents


class _RepeatedKeyError(Exception):
    """An object has a key twice."""


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedKeyError
    return found


def _repeated_key(text: str, begin: int) -> tuple[str, int]:
    """Return the first key that stands a second time in its object, as it is written, and where."""
    seen: list[set[str]] = []
    for token in _TOKEN.finditer(text, begin):
        if token[0] in "{[":
            seen.append(set())
        elif token[0] in "}]":
            seen.pop()
        elif token[2]:
            key = json.loads(token[1])
            if key in seen[-1]:
                return token[1], token.start()
            seen[-1].add(key)
    raise AssertionError("the reader saw a key twice")


def _broken(message: str, text: str, at: int) -> BrokenDocumentError:
    return BrokenDocumentError(message, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))


def _end_of_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _insist_shallow(text: str) -> None:
    """Refuse what is nested too deep, before a recursive reader meets it."""
    at, depth, quotes = 0, 0, 0
    while at < len(text):
        end = at + _BLOCK
        if text[end - 1 : end] == "\\" and (escape := _ESCAPE_END.match(text, end)):
            end = escape.end()  # so that no escape is cut in two
        # The same length and no character that means anything, so that places stay what they are.
        block = text[at:end].replace("\\\\", "  ").replace('\\"', "  ")
        kinds = _KINDS[np.frombuffer(block.encode("latin-1", "replace"), np.uint8)]
        marks = np.flatnonzero(kinds)
        kinds = kinds[marks]
        quoted = (quotes + np.cumsum(kinds == _QUOTE)) % 2 == 1
        levels = depth + np.cumsum(np.where(quoted, 0, (kinds == _OPEN).astype(np.int64) - (kinds == _CLOSE)))
        if len(levels):
            if levels.max() > MAX_DEPTH:
                raise _broken(
                    f"it is nested deeper than {MAX_DEPTH} levels", text, at + int(marks[np.argmax(levels > MAX_DEPTH)])
                )
            depth, quotes = int(levels[-1]), int(quoted[-1])
        at = end


def _insist_whole_characters(text: str) -> None:
    if _SURROGATE.search(text):
        for found in _HALF_PAIR.finditer(text):
            if found[1]:
                raise _broken(f"{found[1]} is half a character", text, found.start())


def _decompressed_size(file: LogFile) -> int:
    """Return a file's size once decompressed, or one that is too large; none of it is kept."""
    if file.size > MAX_BYTES:
        return file.size
    size, room = 0, np.empty(_BLOCK, np.uint8)
    with open_decompressed(file.path) as read_into:
        while size <= MAX_BYTES and (got := read_into(room)):
            size += got
    return size

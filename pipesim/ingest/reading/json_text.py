"""JSON documents, bounded in depth, with the line and column of what is broken.

What Python's reader would let pass is refused here, as it would change or lose what a log says: a key that stands twice in an
object, half a surrogate pair, a number beyond all sense.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import numpy as np

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

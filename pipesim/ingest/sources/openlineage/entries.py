"""The entries of an OpenLineage log, however its events are written: a line each, or as JSON documents.

A client's file transport writes a line an event, or a file an event, perhaps indented; a server's interface answers with an
object that holds them in the array `events`. Files that are put together may hold one such document after the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np

from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile, open_decompressed
from pipesim.ingest.reading.lines import read_lines
from pipesim.ingest.reading.unit import Unit, line_units
from pipesim.ingest.sources.openlineage.events import Event, UnreadableError, read_event

#: Documents are read whole, and take many times their size in memory.
MAX_DOCUMENT_BYTES = 64 << 20
#: The rule that an entry breaks in which an object has a key twice.
REPEATED_KEY = "repeated_key"
#: How many lines may be damaged before the first whole one.
_TRIED = 100
_BLANK = re.compile(r"[\s,]*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class Entry(Unit):
    """An entry with what it says, unless it is blank or has a problem."""

    event: Event | None = None


def read_entries(file: LogFile, ambiguous: Container[int] | None = None) -> Iterator[Entry | Unit]:
    """Yield every entry of a file, in order, numbered by lines or, in documents, by themselves.

    Args:
        file: The file.
        ambiguous: The numbers of the entries that had a `REPEATED_KEY` when the file was read before: looking for such takes
            time.

    Raises:
        FileError: If the file is no text, or holds documents of more than `MAX_DOCUMENT_BYTES`.
    """
    if file.format in ("parquet", "sqlite"):
        raise FileError(
            f"this is a {file.format} file, not one of OpenLineage events",
            where=file.name,
            remedy="name its own source with --source (see `pipesim sources`)",
        )
    return line_units(file, partial(_entry, ambiguous)) if _has_lines(file) else _documents(_whole_text(file))


def _has_lines(file: LogFile) -> bool:
    """Whether each line is to be a value of its own."""
    batch = next(read_lines(file))
    bad = {line.place - batch.first: line.raw for line in batch.bad}
    lines = (line for n in range(len(batch)) if (line := (bad.get(n) or batch.text[n].as_py()).strip()))
    first = next(lines, "")
    value = _parsed(first)
    if isinstance(value, dict):
        return _wrapped(value) is None
    if isinstance(value, list):
        return False
    # A value that goes on for lines, unless others are events by themselves: then the first one is damaged. Of an array with
    # one event a line, one of them may stand there without a comma.
    looked = [_parsed(line) for line in islice(lines, _TRIED)]
    whole = sum(isinstance(value, dict) and "eventTime" in value for value in looked)
    return not first.startswith(("{", "[")) or whole > first.startswith("[")


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _whole_text(file: LogFile) -> str:
    """Return the file as text; bytes that are none become an escape that no JSON has."""
    room = np.empty(min(MAX_DOCUMENT_BYTES, max(1 << 16, file.size * 2)), np.uint8)
    parts: list[bytes] = []
    size = 0
    with open_decompressed(file.path) as read_into:
        while got := read_into(room):
            parts.append(room[:got].tobytes())
            size += got
            if size > MAX_DOCUMENT_BYTES:
                raise FileError(
                    f"its JSON goes on for lines and is of more than {MAX_DOCUMENT_BYTES >> 20} MiB",
                    where=file.name,
                    remedy="write each event on a line of its own: jq -c '.[]?' FILE > events.jsonl",
                )
    return b"".join(parts).decode("utf-8-sig", errors="backslashreplace")


def _documents(text: str) -> Iterator[Entry]:
    """Yield the events of JSON documents that follow each other; behind damage, where the next one begins is not known."""
    decoder = json.JSONDecoder(object_pairs_hook=_unambiguous)
    number, place, inside = 0, _after_blank(text, 0), False
    while place < len(text):
        if text[place] in "[]" and inside == (text[place] == "]"):
            place, inside = _after_blank(text, place + 1), not inside
            continue
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            # Documents that are put together begin at the beginning of a line, and what is inside of them does not.
            end = text.find("\n{", place + 1) if not inside else -1
            end = end if end >= 0 else len(text)
            number += 1
            yield Entry(number, _shown(text[place:end]), problem=_not_json(error))
            place, inside = _after_blank(text, end), False
            continue
        if isinstance(value, dict) and (events := _wrapped(value)) is not None:
            for event in events:
                number += 1
                yield _checked(number, json.dumps(event), event)
        else:
            number += 1
            yield _checked(number, _shown(text[place:end]), value)
        place = _after_blank(text, end)
    if inside:
        yield Entry(number + 1, "", problem=("not_json", "the array has no end: the file was cut short"))


def _after_blank(text: str, place: int) -> int:
    found = _BLANK.match(text, place)
    return found.end() if found else place


def _wrapped(value: dict[str, object]) -> list[object] | None:
    """Return the events of a server's answer, or None where a value is not such a one."""
    events = value.get("events")
    return events if isinstance(events, list) and "eventTime" not in value else None


def _entry(ambiguous: Container[int] | None, number: int, text: str) -> Entry:
    hook = _unambiguous if ambiguous is None or number in ambiguous else None
    try:
        value = json.loads(text, object_pairs_hook=hook)
    except (ValueError, RecursionError) as error:
        return Entry(number, text, problem=_not_json(error))
    return _checked(number, text, value)


def _checked(number: int, raw: str, value: object) -> Entry:
    try:
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
        return Entry(number, raw, event=read_event(value))
    except UnreadableError as error:
        return Entry(number, raw, problem=(error.rule, error.detail), stage=_stage(error.rule))
    except UnicodeEncodeError:
        return Entry(number, raw, problem=("not_text", "half of a surrogate pair, which no text can hold"))


def _stage(rule: str) -> str:
    return "rule" if rule == "unmapped_status" else "parse"


def _shown(raw: str) -> str:
    return raw.replace("\0", "\\x00")


class _AmbiguousError(ValueError):
    """An object has a key twice."""


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _AmbiguousError(next(name for name in names if names.count(name) > 1))
    return found


def _not_json(error: ValueError | RecursionError) -> tuple[str, str]:
    if isinstance(error, _AmbiguousError):
        return REPEATED_KEY, f"an object has {str(error)[:200]!r} twice"
    return "not_json", "nested too deep" if isinstance(error, RecursionError) else str(error)[:200]

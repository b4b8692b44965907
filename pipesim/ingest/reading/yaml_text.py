"""YAML as its core schema (YAML 1.2, section 10.3), built from the parser's events: no recursion, no aliases, no tags.

The events tell where each value stands. Aliases are refused because a few lines of them can stand for more than memory holds,
and tags because they ask for types that JSON has not; the writers of logs use neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from pipesim.ingest.reading.json_text import MAX_DEPTH, BrokenDocumentError

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,4300}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# YAML 1.1, section 5.1: all other characters must be escaped.
_NOT_ALLOWED = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass
class _Open:
    """A mapping or sequence whose end has not come yet."""

    items: list[object] | dict[str, object]
    key: str | None = None

    def take(self, value: object, event: yaml.Event) -> None:
        """Add a value, or the key of the next one."""
        if isinstance(self.items, list):
            self.items.append(value)
        elif self.key is not None:
            self.items[self.key] = value
            self.key = None
        elif not isinstance(event, yaml.ScalarEvent):
            raise _broken("a key is no text", event)
        elif event.value in self.items:
            raise _broken(f"the key {event.value!r} stands twice in one mapping", event)
        else:
            self.key = event.value


def parse_yaml(text: str) -> list[object]:
    """Return the documents of a YAML stream.

    Raises:
        BrokenDocumentError: If it is no YAML, deeper than `MAX_DEPTH`, or has an alias, a tag or a key twice.
    """
    documents: list[object] = []
    stack = [_Open(documents)]
    for event in _events(text):
        if isinstance(event, yaml.AliasEvent):
            raise _broken("it has an alias (*name)", event)
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            stack.pop()
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent, yaml.ScalarEvent)):
            if event.tag not in _TAGS:
                raise _broken(f"it has the tag {event.tag}", event)
            if isinstance(event, yaml.ScalarEvent):
                stack[-1].take(_scalar(event), event)
                continue
            if len(stack) > MAX_DEPTH:
                raise _broken(f"it is nested deeper than {MAX_DEPTH} levels", event)
            opened = _Open({} if isinstance(event, yaml.MappingStartEvent) else [])
            stack[-1].take(opened.items, event)
            stack.append(opened)
    return documents


def _events(text: str) -> Iterator[yaml.Event]:
    # The reader written in C, where the library was built with it, is ten times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark or error.context_mark)
        raise BrokenDocumentError(error.problem or "it is no YAML", *place) from error
    except yaml.reader.ReaderError as error:
        # The reader in C counts bytes, the one in Python characters.
        bad = _NOT_ALLOWED.search(text)
        at = bad.start() if bad else len(text)
        place = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        raise BrokenDocumentError(f"YAML does not allow a character ({error.reason})", *place) from error


def _scalar(event: yaml.ScalarEvent) -> object:
    written: str = event.value
    if not written.isascii() and any("\ud800" <= character <= "\udfff" for character in written):
        raise _broken("it has half a character", event)
    if not event.implicit[0] or event.tag is not None:
        return written
    if written in _NULL:
        return None
    if written in _BOOLEAN:
        return _BOOLEAN[written]
    if _INTEGER.fullmatch(written):
        return int(written)
    return float(written) if _NUMBER.fullmatch(written) else written


def _broken(message: str, event: yaml.Event) -> BrokenDocumentError:
    return BrokenDocumentError(message, *_place(event.start_mark))


def _place(mark: Any) -> tuple[int, int]:  # two unrelated classes, of the reader in C and of the one in Python
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)

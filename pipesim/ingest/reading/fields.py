"""Reading the fields of a document's entries, whose types nobody vouches for: a wrong type is named, never cast."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pipesim.ingest.reading.lines import RAW_CHARACTERS
from pipesim.ingest.reading.unit import Unit

#: An entry of a document.
Entry = Mapping[str, object]

_WORDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}
_NOTHING: Entry = {}
_WRITER = json.JSONEncoder(ensure_ascii=False, check_circular=False)


class UnfitError(ValueError):
    """An entry that cannot be what it should be.

    Args:
        rule: The name of the rule that it breaks.
        detail: What is wrong, in one sentence.
    """

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


def text(entry: Entry, key: str) -> str | None:
    """Return a field that is text, or None where it is missing or null."""
    found = entry.get(key)
    if found is None or isinstance(found, str):
        return found
    raise _wrong(key, found, "text")


def number(entry: Entry, key: str) -> int | float | str | None:
    """Return a field that is a number, or the text of one, which is read where all other numbers are; NaN is none."""
    found = entry.get(key)
    if found is None or found != found:
        return None
    if isinstance(found, (int, float, str)) and not isinstance(found, bool):
        return found
    raise _wrong(key, found, "a number")


def boolean(entry: Entry, key: str) -> bool | None:
    """Return a field that is true or false."""
    found = entry.get(key)
    if found is None or isinstance(found, bool):
        return found
    raise _wrong(key, found, "a boolean")


def mapping(entry: Entry, key: str) -> Entry:
    """Return a field that is an object, an empty one where it is missing or null."""
    found = entry.get(key)
    if found is None:
        return _NOTHING
    return as_mapping(found, key)


def sequence(entry: Entry, key: str) -> list[object]:
    """Return a field that is a list, an empty one where it is missing or null."""
    found = entry.get(key)
    if found is None:
        return []
    if isinstance(found, list):
        return found
    raise _wrong(key, found, "a list")


def texts(entry: Entry, key: str) -> list[str]:
    """Return a field that is a list of texts, each once."""
    found = sequence(entry, key)
    for item in found:
        if not isinstance(item, str):
            raise _wrong(f"{key}[]", item, "text")
    return list(dict.fromkeys(found))  # type: ignore[arg-type]


def mappings(entry: Entry, key: str) -> list[Entry]:
    """Return a field that is a list of objects."""
    return [as_mapping(item, f"{key}[]") for item in sequence(entry, key)]


def as_mapping(value: object, key: str) -> Entry:
    """Return a value that is an object; `key` says where it stands."""
    if isinstance(value, dict):
        return value
    raise _wrong(key, value, "an object")


def written(entry: object) -> str:
    """Return an entry as JSON in one line, cut where the quarantine would cut it."""
    return _WRITER.encode(entry)[:RAW_CHARACTERS]


def unfit_unit(number: int, entry: object, error: UnfitError) -> Unit:
    """Return the unit of an entry that cannot be read."""
    return Unit(number, written(entry), problem=(error.rule, error.detail))


def _wrong(key: str, found: object, wanted: str) -> UnfitError:
    return UnfitError("wrong_type", f"{key} is {_WORDS[type(found)]}, not {wanted}")

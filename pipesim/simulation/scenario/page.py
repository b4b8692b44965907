"""The page of documentation that the parts of a scenario amount to: `python -m pipesim.simulation.scenario.page`."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipesim.simulation.scenario import Scenario
from pipesim.simulation.scenario.examples import EXAMPLES
from pipesim.simulation.scenario.part import LARGEST, Part

_ARGUMENT = re.compile(r"    (\w+): (.*)")
_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
_TYPES = {"number": "number", "integer": "whole number", "boolean": "`true` or `false`", "string": "text"}

_BEGINNING = """\
# Scenario file

Every key of a scenario file: what may stand there, what holds without it, and what it means. [Scenarios](scenarios.md) shows
how to write one, [Simulation](simulation.md) has the rules that it is simulated by.

Generated from `pipesim/simulation/scenario/` by `python -m pipesim.simulation.scenario.page`; a test keeps the two the same.

Units are in the names of keys; MB and GB are 10^6 and 10^9 bytes. Where no upper bound is told,
10^9 is the most. Unknown keys are refused, and all mistakes of a file are told at once, each with its dotted path. Any key but
`name` and `description` can be [swept](experiments.md#sweeps), and may be written as a dotted path at the top of the file."""


class Section(NamedTuple):
    """A part of a scenario where it stands in the file: its heading, its class, and its JSON schema."""

    title: str
    part: type[Part]
    schema: dict[str, Any]

    @property
    def link(self) -> str:
        """The anchor that GitHub and the site give to the heading."""
        return "#" + re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")


def page() -> str:
    """Return the page as Markdown."""
    found = sections()
    titles = {section.part.__name__: section for section in found}
    lines = [_BEGINNING]
    for section in found:
        lines += ["", f"{'##' if section.title.count('.') < 1 else '###'} {section.title}", "", said_of(section.part)[0]]
        lines += ["", "| key | type | bounds | default | meaning |", "|---|---|---|---|---|"]
        lines += _rows(section, titles)
        if example := EXAMPLES.get(section.part.__name__):
            lines += ["", "```yaml", example.strip("\n"), "```"]
    return "\n".join(lines) + "\n"


def sections() -> list[Section]:
    """Return every part that a scenario may have, once, each before those within it."""
    schema = Scenario.model_json_schema()
    parts = {part.__name__: part for part in _subclasses(Part)}
    found = [Section("The file", Scenario, schema)]

    def walk(path: str, of: dict[str, Any]) -> None:
        for key, value in of["properties"].items():
            names = list(_references(value))
            for name in names:
                if any(section.part is parts[name] for section in found):
                    continue
                here = f"{path}.{key}".lstrip(".")
                kind = schema["$defs"][name]["properties"].get("kind", {}).get("const")
                found.append(Section(f"{here} of kind {kind}" if kind else here, parts[name], schema["$defs"][name]))
                walk(here, schema["$defs"][name])

    walk("", schema)
    return found


def said_of(part: type[Part]) -> tuple[str, dict[str, str]]:
    """Return what the docstring of a part says of it, and of each of its keys."""
    text, _, listed = inspect.cleandoc(part.__doc__ or "").partition("\n\nArgs:\n")
    keys: dict[str, str] = {}
    for line in listed.partition("\n\n")[0].splitlines():
        if declared := _ARGUMENT.fullmatch(line):
            keys[declared[1]] = declared[2]
        else:
            keys[list(keys)[-1]] += f" {line.strip()}"
    return text, keys


def _rows(section: Section, titles: dict[str, Section]) -> Iterator[str]:
    meaning = said_of(section.part)[1]
    for key, value in section.schema["properties"].items():
        types, bounds = _type(value, titles), _bounds(value)
        is_named_by_file = (section.part, key) == (Scenario, "name")
        default = "the file's name" if is_named_by_file else _default(section, key)
        yield f"| `{key}` | {types} | {bounds} | {default} | {meaning[key]} |".replace("  ", " ")


def _type(value: dict[str, Any], titles: dict[str, Section]) -> str:
    if "$ref" in value:
        section = titles[_name(value)]
        return f"[{section.title}]({section.link})"
    if choices := value.get("anyOf", value.get("oneOf")):
        return " or ".join(dict.fromkeys(_type(choice, titles) for choice in choices if choice.get("type") != "null"))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if value["type"] == "array":
        return f"list of {_type(value['items'], titles)}"
    return _TYPES[value["type"]]


def _bounds(value: dict[str, Any]) -> str:
    if choices := value.get("anyOf", value.get("oneOf")):
        return ", ".join(dict.fromkeys(filter(None, map(_bounds, choices))))
    said = [f"{word} {_number(value[key])}" for key, word in _BOUNDS.items() if value.get(key, LARGEST) != LARGEST]
    return ", ".join(said + ["not empty"] * ("minItems" in value or "minLength" in value))


def _number(value: float) -> str:
    whole = int(value)
    if abs(whole) >= 2**31 and whole & (abs(whole) - 1) == 0:
        return f"{'-' * (whole < 0)}2^{abs(whole).bit_length() - 1}"
    return f"{value:,g}" if abs(value) < 1e6 else f"{whole:,}"


def _default(section: Section, key: str) -> str:
    if key in section.schema.get("required", ()):
        return "needed"
    given = section.schema["properties"][key]["default"]
    if isinstance(given, dict):  # a part in which everything is as it is by default
        given = given.get("kind")
    if given is None or given == []:
        return ""
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    return f"`{_number(given) if is_number else json.dumps(given).strip(chr(34))}`"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield _name(value)
        for key, inner in value.items():
            if key != "discriminator":
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _subclasses(part: type[Part]) -> Iterator[type[Part]]:
    for found in part.__subclasses__():
        yield found
        yield from _subclasses(found)


if __name__ == "__main__":
    print(page(), end="")

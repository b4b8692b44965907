"""Reading a scenario from a YAML file, with every mistake at its dotted path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipesim.errors import ConfigError, FileError
from pipesim.simulation.scenario import Scenario
from pipesim.yaml_text import parse_yaml

_KINDS = ("replay", "synthetic")
# Mistakes whose text quotes the value already, or has none to quote.
_SELF_EXPLAINING = ("unknown_key", "across_keys", "name", "order", "task_types", "expression", "warmup")


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file; a file without `name` is called by its own name.

    Raises:
        FileError: If there is no such file, or it is no text.
        ConfigError: If it is no YAML, or for all mistakes in it, each with its dotted path.
    """
    return scenario_of(read_document(path), str(path))


def read_document(path: Path) -> dict[str, Any]:
    """Read what a scenario file holds, with its `name`, unchecked.

    Raises:
        FileError: If there is no such file, or it is no text.
        ConfigError: If it is no YAML, or no mapping.
    """
    return document_of(read_text(path), path)


def document_of(text: str, path: Path) -> dict[str, Any]:
    """Return what a scenario file of a text holds, with its `name`, unchecked.

    Raises:
        ConfigError: If it is no YAML, or no mapping.
    """
    document = parse_yaml(text, str(path))
    if not isinstance(document, dict):
        what = "the file is empty" if document is None else f"a mapping is needed, this is a {type(document).__name__}"
        raise ConfigError(str(path), [("", f"{what}; begin with `name:`, `workload:` and `platform:`")])
    document.setdefault("name", path.stem)
    return document


def scenario_of(document: dict[str, Any], source: str) -> Scenario:
    """Return the scenario that a mapping describes; `source` names it in errors.

    Raises:
        ConfigError: For all mistakes in it, each with its dotted path.
    """
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        raise ConfigError(source, [_problem(e) for e in error.errors()]) from error


def read_text(path: Path) -> str:
    """Read a scenario file.

    Raises:
        FileError: If there is no such file, or it is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise FileError("there is no such scenario file", where=str(path), remedy="check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        remedy = "give the path of a YAML file in UTF-8"
        raise FileError(f"the scenario file cannot be read ({error})", where=str(path), remedy=remedy) from error


def _problem(error: Any) -> tuple[str, str]:
    loc, text = error["loc"], error["msg"]
    if loc[:1] == ("workload",) and len(loc) > 1 and loc[1] in _KINDS:
        loc = (loc[0], *loc[2:])  # pydantic names the chosen kind of workload as if it were a key
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        loc, text = (*loc, "kind"), f"say which kind of workload: {' or '.join(_KINDS)}"
    elif error["type"] not in _SELF_EXPLAINING and isinstance(error["input"], (str, int, float)):
        text = f"{text} (not {error['input']!r})"
    return ".".join(str(part) for part in loc), text[:1].lower() + text[1:]

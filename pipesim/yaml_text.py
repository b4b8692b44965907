"""Reading YAML that people write: a mistake is reported with its line, and no key may stand twice."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from pipesim.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """The safe loader, which would let the last of two equal keys win in silence, made to refuse the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} stands here twice", key.start_mark)
            if isinstance(key.value, str):
                seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def parse_yaml(text: str, place: str) -> Any:
    """Read YAML in which no key stands twice; `place` names it in errors.

    Raises:
        ConfigError: If it is no such YAML.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{place}{line}", [("", f"this is no valid YAML: {error.problem}")]) from error
    except yaml.YAMLError as error:
        raise ConfigError(place, [("", f"this is no valid YAML: {error}")]) from error
    except RecursionError as error:
        raise ConfigError(place, [("", "this is nested too deeply")]) from error

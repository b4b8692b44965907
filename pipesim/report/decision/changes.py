"""What changed: the keys in which a scenario differs from another, with what they had and have."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipesim.report.parts import Change

#: Keys of a scenario that change nothing that is simulated.
_IDLE = ("name", "description", "replications")
_LONGEST = 160
_POOLS = "platform.pools"


def changes(old: Mapping[str, Any], new: Mapping[str, Any], first: Sequence[str] = ()) -> list[Change]:
    """Return in what a scenario differs from another.

    Keys are dotted paths in which an item of a list goes by its name, else by its number, as in sweeps. A pool, or any other
    part, that only one of the two has is told as a whole.

    Args:
        old: The scenario that the other is held against, as plain values.
        new: The scenario.
        first: Keys that are told before all others, as those of a sweep.
    """
    found = list(_differences(_without(old, _IDLE), _without(new, _IDLE), ""))
    places = {key: place for place, key in enumerate(first)}
    return sorted(found, key=lambda change: places.get(change.key, len(places)))


def origins(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return in what two replications differ beside their scenarios: what work was drawn from, and by which version.

    Args:
        old: The manifest of the one.
        new: The manifest of the other.
    """
    titles = {"model": "workload model", "ingests": "log"}
    theirs, ours = old.get("workload") or {}, new.get("workload") or {}
    found = [(title, theirs.get(key), ours.get(key)) for key, title in titles.items() if theirs.get(key) and ours.get(key)]
    found.append(("version of pipesim", old.get("pipesim"), new.get("pipesim")))
    return [Change(title, str(before), str(after)) for title, before, after in found if before != after]


def told(value: Any) -> str:
    """Return a value of a scenario as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return f"{value:.12g}"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{path} {told(leaf)}" for path, leaf in _leaves(value, "")) or "as by default"
    return json.dumps(value, ensure_ascii=False)


def _differences(old: Any, new: Any, path: str) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _of_parts(old, new, path)
    elif _named(old) and _named(new) and (old or new):
        theirs, ours = ({item["name"]: _without(item, ("name",)) for item in side} for side in (old, new))
        yield from _of_parts(theirs, ours, path)
        both = [[name for name in side if name in theirs and name in ours] for side in (theirs, ours)]
        if both[0] != both[1]:
            yield Change(f"{path}, in order", ", ".join(both[0]), ", ".join(both[1]))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and all(map(_is_part, [*old, *new])):
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, _joined(path, str(place)))
    else:
        yield Change(path, _short(told(old)), _short(told(new)))


def _of_parts(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Change]:
    for key in dict.fromkeys([*new, *old]):
        inner = _joined(path, key)
        if key in old and key in new:
            yield from _differences(old[key], new[key], inner)
        else:
            title = f"pool {key}" if path == _POOLS else inner
            yield Change(title, *(_short(told(side[key])) if key in side else "" for side in (old, new)))


def _leaves(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, _joined(path, key))
        else:
            yield _joined(path, key), inner


def _without(value: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: inner for key, inner in value.items() if key not in keys}


def _named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) and isinstance(item.get("name"), str) for item in value)


def _is_part(value: Any) -> bool:
    return isinstance(value, Mapping)


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "\u2026"

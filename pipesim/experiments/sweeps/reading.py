"""Reading a scenario file that may sweep some of its keys: what is swept is found and checked, the scenarios are not built."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipesim.errors import ConfigError, RequestError
from pipesim.experiments.sweeps.sweep import Axis, Problem, Step, Sweep
from pipesim.identity import safe_name
from pipesim.simulation.scenario.file import read_document

_MARK, _TOGETHER = "sweep", "zip"
_RANGE = ("from", "to", "step")
#: No axis has more values; a finer one is a slip of the pen.
_MOST_VALUES = 1_000_000


def load_sweep(path: Path) -> Sweep:
    """Read a scenario file that may stand for several scenarios.

    Raises:
        FileError: If there is no such file, or it is no text.
        ConfigError: If it is no YAML, or for all mistakes in what is swept; the scenarios themselves are checked by `variants`.
    """
    return sweep_of(read_document(path), str(path))


def sweep_of(content: dict[str, Any], source: str) -> Sweep:
    """Return what the content of a scenario file stands for; `source` names it in errors.

    Raises:
        ConfigError: For all mistakes in what is swept; the scenarios themselves are checked by `variants`.
    """
    problems: list[Problem] = []
    content = _resolved(content, problems)
    axes: list[Axis] = []
    _find(content, (), "", axes, problems)
    for word in {axis.together for axis in axes if axis.together}:
        lengths = {axis.path: len(axis.values) for axis in axes if axis.together == word}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{path} has {n}" for path, n in lengths.items())
            problems.append((next(iter(lengths)), f"what goes side by side under {word!r} needs as many values each: {listed}"))
    if any(axis.steps[:1] in (("name",), ("description",)) for axis in axes):
        problems.append(("name", "the scenarios of a sweep are named after their values; sweep another key"))
    elif axes:
        try:
            safe_name(str(content["name"]), "sweep")
        except RequestError as error:
            problems.append(("name", f"{error.message}; {error.remedy}"))
    if problems:
        raise ConfigError(source, problems)
    return Sweep(source, str(content["name"]), tuple(_labelled(axes)), content)


def _resolved(content: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Return the content with what stands at dotted paths put in its place."""
    plain = {key: value for key, value in content.items() if not (isinstance(key, str) and "." in key)}
    for path, value in content.items():
        if path in plain:
            continue
        steps = _steps(plain, path)
        if steps is None:
            problems.append((path, "there is no such place in the file: name a list's item by its `name` or its number"))
        elif _is_there(plain, steps):
            problems.append((path, "this is said twice, here and where it belongs; leave out one of them"))
        else:
            _put(plain, steps, value)
    return plain


def _steps(content: Any, path: str) -> tuple[Step, ...] | None:
    """Return the way to a dotted path; keys that are not there yet count as there, items of lists do not."""
    if isinstance(content, list):
        for place, item in enumerate(content):
            for name in (str(item["name"]) if isinstance(item, dict) and "name" in item else None, str(place)):
                if name is not None and path.startswith(f"{name}."):
                    inside = _steps(item, path[len(name) + 1 :])
                    return None if inside is None else (place, *inside)
        return None
    if not isinstance(content, dict):
        return None
    key, _, rest = path.partition(".")
    if not rest:
        return (key,)
    further = _steps(content.get(key, {}), rest)
    return None if further is None else (key, *further)


def _is_there(content: Any, steps: tuple[Step, ...]) -> bool:
    for step in steps:
        if isinstance(content, dict) and step not in content:
            return False
        content = content[step]
    return True


def _put(content: Any, steps: tuple[Step, ...], value: Any) -> None:
    for step, following in pairwise(steps):
        if isinstance(content, dict) and step not in content:
            content[step] = [] if isinstance(following, int) else {}
        content = content[step]
    content[steps[-1]] = value


def _find(content: Any, steps: tuple[Step, ...], path: str, axes: list[Axis], problems: list[Problem]) -> None:
    """Collect the keys that take several values, in the order of the file."""
    if isinstance(content, dict) and _MARK in content:
        values = _values(content, path, problems)
        together = content.get(_TOGETHER)
        axes.append(Axis(path, steps, values, None if together is None else str(together), ""))
        return
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for step, inner in items:
        named = isinstance(step, int) and isinstance(inner, dict) and isinstance(inner.get("name"), str)
        shown = inner["name"] if named else str(step)
        _find(inner, (*steps, step), f"{path}.{shown}" if path else shown, axes, problems)


def _values(content: dict[str, Any], path: str, problems: list[Problem]) -> tuple[Any, ...]:
    """Return the values that a marked key takes; none where something is wrong with them."""
    given = content[_MARK]
    if unknown := set(content) - {_MARK, _TOGETHER}:
        problems.append((path, f"beside `sweep` only `zip` may stand, not {', '.join(sorted(map(str, unknown)))}"))
    if isinstance(given, list):
        if not given:
            problems.append((path, "the sweep is empty; list at least one value"))
        problems += [(path, f"{value!r} stands twice in the sweep") for value in _repeated(given)]
        return tuple(given)
    if isinstance(given, dict):
        return _range(given, path, problems)
    problems.append((path, "give a list of values, or `{from: ..., to: ..., step: ...}`"))
    return ()


def _repeated(given: list[Any]) -> list[Any]:
    """Return the first value that stands twice in a list, if one does."""
    words: set[Any] = set()
    others: list[Any] = []  # lists and mappings, of which there are few
    for value in given:
        if value in (words if isinstance(value, Hashable) else others):
            return [value]
        if isinstance(value, Hashable):
            words.add(value)
        else:
            others.append(value)
    return []


def _range(given: dict[str, Any], path: str, problems: list[Problem]) -> tuple[float, ...]:
    numbers = [given.get(key) for key in _RANGE]
    if set(given) != set(_RANGE) or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        problems.append((path, "a range needs the numbers `from`, `to` and `step`, and nothing else"))
        return ()
    first, last, step = (float(given[key]) for key in _RANGE)
    if not all(map(math.isfinite, (first, last, step))) or step == 0 or (last - first) / step < 0:
        problems.append((path, f"from {first:g} to {last:g} one never comes in steps of {step:g}"))
        return ()
    count = math.floor((last - first) / step + 1e-9) + 1
    if count > _MOST_VALUES:
        problems.append((path, f"these are {count:,} values, where {_MOST_VALUES:,} are the most"))
        return ()
    # Decimal fractions add up to what people would write.
    values = [round(first + i * step, 12) for i in range(count)]
    whole = all(isinstance(n, int) for n in numbers)
    return tuple(int(value) if whole else value for value in values)


def _labelled(axes: Sequence[Axis]) -> Iterator[Axis]:
    """Yield the axes with the shortest ends of their paths that tell them apart."""
    for axis in axes:
        parts = axis.path.split(".")
        others = [other.path.split(".") for other in axes if other is not axis]
        length = next(n for n in range(1, len(parts) + 1) if n == len(parts) or all(o[-n:] != parts[-n:] for o in others))
        yield Axis(axis.path, axis.steps, axis.values, axis.together, "-".join(parts[-length:]))

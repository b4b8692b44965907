"""Sweeps: one scenario file that stands for many, with several values at some of its keys.

A key's value may be `{sweep: [a, b, c]}` or `{sweep: {from: 200, to: 600, step: 50}}`. The values of several such keys are
crossed, each with each; those with the same word under `zip` go side by side instead. A key of the file may be a dotted path,
`platform.pools.training.gpus`, in which an item of a list goes by its `name` or its number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import polars as pl

from pipesim.errors import ConfigError
from pipesim.lake import content_hash
from pipesim.schema import SWEEPS
from pipesim.simulation import Scenario
from pipesim.simulation.scenario.file import read_document, scenario_of

#: A key or a place in a list.
Step = str | int
Problem = tuple[str, str]

_MARK, _TOGETHER = "sweep", "zip"
_RANGE = ("from", "to", "step")
#: No axis has more values; a finer one is a slip of the pen.
_MOST_VALUES = 1_000_000
_LONGEST_NAME = 100
#: Of a configuration with many mistakes as many are told.
_TOLD = 20


@dataclass(frozen=True)
class Axis:
    """A key that takes several values.

    Args:
        path: Its dotted path, as people read it.
        steps: The same as keys and places in lists.
        values: What it takes, in this order.
        together: The word by which it goes side by side with others, if any.
        label: What stands for it in names.
    """

    path: str
    steps: tuple[Step, ...]
    values: tuple[Any, ...]
    together: str | None
    label: str


@dataclass(frozen=True)
class Variant:
    """One scenario of a sweep.

    Args:
        scenario: The scenario.
        values: What it has at the keys that the sweep varies, by their dotted paths; none where the file sweeps nothing.
    """

    scenario: Scenario
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Sweep:
    """A scenario file and what it stands for.

    Args:
        source: The file.
        name: The name that is common to all of its scenarios.
        axes: The keys that take several values; none in a file of one scenario.
    """

    source: str
    name: str
    axes: tuple[Axis, ...]
    _content: Mapping[str, Any]

    @property
    def size(self) -> int:
        """How many scenarios there are."""
        return math.prod(len(group[0].values) for group in self._groups())

    def variants(self) -> list[Variant]:
        """Return all scenarios, the last key varying fastest.

        Raises:
            ConfigError: For all mistakes in any of them, each once, with how many scenarios it concerns.
        """
        found: list[Variant] = []
        wrong: dict[Problem, int] = {}
        names: set[str] = set()
        for values in self._points():
            content = deepcopy(dict(self._content))
            for axis, value in values:
                _put(content, axis.steps, value)
            if self.axes:
                content["name"] = self._name_of(values, names)
            try:
                found.append(Variant(scenario_of(content, self.source), {axis.path: value for axis, value in values}))
            except ConfigError as error:
                for problem in error.problems:
                    wrong[problem] = wrong.get(problem, 0) + 1
        if wrong:
            raise ConfigError(self.source, _told(wrong, self.size))
        return found

    def first(self) -> Variant:
        """Return the first scenario.

        Raises:
            ConfigError: For all mistakes in it.
        """
        return replace(self, axes=tuple(replace(axis, values=axis.values[:1]) for axis in self.axes)).variants()[0]

    def _groups(self) -> list[list[Axis]]:
        """Return the keys that go side by side, each group in its place."""
        groups: dict[object, list[Axis]] = {}
        for axis in self.axes:
            groups.setdefault(axis.together or axis.steps, []).append(axis)
        return list(groups.values())

    def _points(self) -> Iterator[list[tuple[Axis, Any]]]:
        groups = self._groups()
        for place in product(*(range(len(group[0].values)) for group in groups)):
            yield [(axis, axis.values[i]) for group, i in zip(groups, place, strict=True) for axis in group]

    def _name_of(self, values: Sequence[tuple[Axis, Any]], taken: set[str]) -> str:
        parts = [f"{axis.label}-{_word(axis, value)}" for axis, value in values]
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join([self.name, *parts]))
        if len(name) > _LONGEST_NAME or name in taken:
            end = content_hash(repr([(axis.path, value) for axis, value in values]))[:8]
            name = f"{name[: _LONGEST_NAME - 9]}-{end}"
        taken.add(name)
        return name


def sweep_rows(sweep: Sweep, variants: Sequence[Variant]) -> pl.DataFrame:
    """Return what the scenarios of a sweep have at its keys, as the table `sweeps`."""
    places = {axis.path: axis.values for axis in sweep.axes}
    rows = [
        (sweep.name, variant.scenario.name, key, places[key].index(value), _told_value(value), _number(value))
        for variant in variants
        for key, value in variant.values.items()
    ]
    return pl.DataFrame(rows, schema=SWEEPS.polars_schema, orient="row")


def _told_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def load_sweep(path: Path) -> Sweep:
    """Read a scenario file that may stand for several scenarios.

    Raises:
        FileError: If there is no such file, or it is no text.
        ConfigError: If it is no YAML, or for all mistakes in what is swept; the scenarios themselves are checked by `variants`.
    """
    content = read_document(path)
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
    if problems:
        raise ConfigError(str(path), problems)
    return Sweep(str(path), str(content["name"]), tuple(_labelled(axes)), content)


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
        repeated = [value for place, value in enumerate(given) if value in given[:place]]
        if repeated:
            problems.append((path, f"{repeated[0]!r} stands twice in the sweep"))
        return tuple(given)
    if isinstance(given, dict):
        return _range(given, path, problems)
    problems.append((path, "give a list of values, or `{from: ..., to: ..., step: ...}`"))
    return ()


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


def _word(axis: Axis, value: Any) -> str:
    """Return what stands for a value in a name: itself, or its place where it is more than a word or a number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:.12g}"
    return value if isinstance(value, str) and value else str(1 + axis.values.index(value))


def _told(wrong: Mapping[Problem, int], size: int) -> list[Problem]:
    """Return the mistakes, each once, the ones of most scenarios first."""
    ordered = sorted(wrong.items(), key=lambda item: -item[1])
    told = [(path, text if n == size else f"{text} (in {n:,} of {size:,} scenarios)") for (path, text), n in ordered[:_TOLD]]
    return [*told, *([("", f"and {len(ordered) - _TOLD:,} more mistakes")] if len(ordered) > _TOLD else [])]

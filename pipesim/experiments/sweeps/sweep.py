"""What a scenario file stands for: the keys that it sweeps, and the scenarios that come of their values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from pipesim.errors import ConfigError, RequestError
from pipesim.identity import content_hash
from pipesim.simulation import Scenario
from pipesim.simulation.scenario.file import scenario_of
from pipesim.streams import stream

#: A key or a place in a list.
Step = str | int
Problem = tuple[str, str]

#: More runs than this are simulated only by those who have been told how long it takes.
MANY_RUNS = 10_000
#: Up to this many scenarios each is checked, at some 30 microseconds; of more, a sample.
CHECKED_EACH = 100_000
#: Of a larger sweep as many are drawn, beside those in which each value stands once: what is wrong in one of 1,000 is found.
_DRAWN = 10_000
#: Of a longer range, as many values between its ends are checked.
_EVENLY = 1_000
_LONGEST_NAME = 100
_HASH = 8
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


@dataclass(frozen=True, eq=False)
class Sweep:
    """A scenario file and what it stands for; its scenarios are numbered from 0, the last key varying fastest.

    Args:
        source: The file.
        name: The name that is common to all of its scenarios.
        axes: The keys that take several values; none in a file of one scenario.
    """

    source: str
    name: str
    axes: tuple[Axis, ...]
    _content: Mapping[str, Any] = field(repr=False)

    @cached_property
    def size(self) -> int:
        """How many scenarios there are."""
        return math.prod(len(group[0].values) for group in self._groups)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all scenarios, which differ, by their numbers."""
        if not self.axes:
            return (self.name,)
        found: dict[str, None] = {}
        for number, words in enumerate(product(*self._words)):
            name = "-".join([self.name, *words])
            found[self._hashed(name, number) if len(name) > _LONGEST_NAME or name in found else name] = None
        return tuple(found)

    @property
    def most_replications(self) -> int:
        """How many replications the scenario that has most of them asks for, as far as it can be read."""
        return max(self._replications)

    def runs(self, replications: int | None = None) -> int:
        """Return how many runs all scenarios are, without checking them.

        Args:
            replications: How often each is run; by default as often as it says.
        """
        asked = self._replications
        return self.size * replications if replications else self.size // len(asked) * sum(asked)

    def variants(self) -> list[Variant]:
        """Return all scenarios.

        Raises:
            ConfigError: For all mistakes in any of them, each once, with how many scenarios it concerns.
        """
        return list(self._sound(enumerate(self.names)))

    def variant(self, name: str) -> Variant:
        """Return the scenario of a name; no other one is built.

        Raises:
            RequestError: If there is none of that name.
            ConfigError: For all mistakes in it.
        """
        if name not in self:
            first = ", ".join(self.names[:_TOLD])
            more = ", ..." if self.size > _TOLD else ""
            raise RequestError(f"there is no scenario {name!r}", where=self.source, remedy=f"there are {first}{more}")
        return self._build(self._numbers[name], name)

    def first(self) -> Variant:
        """Return the first scenario.

        Raises:
            ConfigError: For all mistakes in it.
        """
        if not self.axes:
            return self._build(0, self.name)
        name = "-".join([self.name, *(_word(axis, place) for axis, place in self.point(0))])
        return self._build(0, self._hashed(name, 0) if len(name) > _LONGEST_NAME else name)

    def check(self) -> None:
        """Look for mistakes, in each scenario up to `CHECKED_EACH`, else in a sample that has what any one value makes wrong.

        In the sample, each value of each key stands at least once, but of long ranges only the ends and some between, as
        numbers are bounded from below and above; and there are thousands drawn at random, for what values make wrong together.

        Raises:
            ConfigError: For all mistakes that were found, each once, with how many scenarios it concerns.
        """
        numbers = range(self.size) if self.size <= CHECKED_EACH else self._sample()
        for _ in self._sound((number, self.name) for number in numbers):
            pass

    def point(self, number: int) -> list[tuple[Axis, int]]:
        """Return the keys with the places of their values in the scenario of a number."""
        places = zip(self._groups, self._places(number), strict=True)
        return [(axis, place) for group, place in places for axis in group]

    def __contains__(self, name: object) -> bool:
        """Tell whether one of the scenarios is called so."""
        return name in self._numbers

    @cached_property
    def _groups(self) -> list[list[Axis]]:
        """The keys that go side by side, each group in its place."""
        groups: dict[object, list[Axis]] = {}
        for axis in self.axes:
            groups.setdefault(axis.together or axis.steps, []).append(axis)
        return list(groups.values())

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def _replications(self) -> list[int]:
        swept = [axis.values for axis in self.axes if axis.steps == ("replications",)]
        given = swept[0] if swept else (self._content.get("replications", 1),)
        return [n if isinstance(n, int) and n > 0 else 1 for n in given]

    @cached_property
    def _words(self) -> list[list[str]]:
        """What stands for each group of values in names."""
        return [
            ["-".join(_word(axis, place) for axis in group) for place in range(len(group[0].values))] for group in self._groups
        ]

    def _places(self, number: int) -> list[int]:
        """Return for each group the place of the values that a scenario has."""
        found = []
        for group in reversed(self._groups):
            number, place = divmod(number, len(group[0].values))
            found.append(place)
        return found[::-1]

    def _build(self, number: int, name: str) -> Variant:
        # What a file of one scenario has as its name is yet to be checked.
        content: Any = {**self._content, "name": name} if self.axes else dict(self._content)
        values: dict[str, Any] = {}
        for axis, place in self.point(number):
            values[axis.path] = axis.values[place]
            content = _with(content, axis.steps, axis.values[place])
        return Variant(scenario_of(content, self.source), values)

    def _hashed(self, name: str, number: int) -> str:
        values = [(axis.path, axis.values[place]) for axis, place in self.point(number)]
        return f"{name[: _LONGEST_NAME - _HASH - 1]}-{content_hash(repr(values))[:_HASH]}"

    def _sound(self, numbered: Iterable[tuple[int, str]]) -> Iterator[Variant]:
        """Yield the scenarios of these numbers and names; when all are built, raise what was wrong with any of them."""
        wrong: dict[Problem, int] = {}
        checked = 0
        for number, name in numbered:
            checked += 1
            try:
                yield self._build(number, name)
            except ConfigError as error:
                for problem in error.problems:
                    wrong[problem] = wrong.get(problem, 0) + 1
        if wrong:
            raise ConfigError(self.source, _told(wrong, checked, self.size))

    def _sample(self) -> list[int]:
        """Return scenarios in which each value stands, and some drawn at random."""
        each = [_worth_checking(group) for group in self._groups]
        covering = set()
        for turn in range(max(map(len, each))):
            number = 0
            for group, places in zip(self._groups, each, strict=True):
                number = number * len(group[0].values) + places[turn % len(places)]
            covering.add(number)
        drawn = stream(0, "scenarios of a sweep that are checked").integers(self.size, size=_DRAWN)
        return sorted(covering | {int(number) for number in drawn})


def may_be_of(name: str, sweep: str) -> bool:
    """Tell whether a scenario may be one of a sweep, by their names alone; one that is of it always may."""
    return name.startswith(f"{sweep}-"[: _LONGEST_NAME - _HASH - 1])


def _worth_checking(group: Sequence[Axis]) -> Sequence[int]:
    """Return the places of the values to check of keys that go side by side: all, but of long ranges of numbers."""
    length = len(group[0].values)
    if length <= CHECKED_EACH or not all(_are_numbers(axis.values) for axis in group):
        return range(length)
    ends = {pick(range(length), key=axis.values.__getitem__) for axis in group for pick in (min, max)}
    return sorted(ends | {int(place) for place in np.linspace(0, length - 1, _EVENLY)})


def _are_numbers(values: Sequence[Any]) -> bool:
    """Tell whether values are numbers of one kind, which a key takes from a least one to a greatest one."""
    return len({type(value) for value in values}) == 1 and type(values[0]) in (int, float) and all(map(math.isfinite, values))


def _with(content: Any, steps: tuple[Step, ...], value: Any) -> Any:
    """Return content that has a value at a place; what does not lie on the way there is shared, not copied."""
    if not steps:
        return value
    copied = content.copy()
    copied[steps[0]] = _with(content[steps[0]], steps[1:], value)
    return copied


def _word(axis: Axis, place: int) -> str:
    """Return what stands for a value in names: its key and itself, or its place if it is more than a word or a number."""
    value = axis.values[place]
    if isinstance(value, bool):
        shown = "yes" if value else "no"
    elif isinstance(value, int | float):
        shown = f"{value:.12g}"
    else:
        shown = value if isinstance(value, str) and value else str(1 + place)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{axis.label}-{shown}")


def _told(wrong: Mapping[Problem, int], checked: int, size: int) -> list[Problem]:
    """Return the mistakes, each once, the ones of most scenarios first."""
    of = f"of {size:,} scenarios" if checked == size else f"of the {checked:,} scenarios that were checked of {size:,}"
    ordered = sorted(wrong.items(), key=lambda item: -item[1])
    told = [(path, text if n == checked else f"{text} (in {n:,} {of})") for (path, text), n in ordered[:_TOLD]]
    return [*told, *([("", f"and {len(ordered) - _TOLD:,} more mistakes")] if len(ordered) > _TOLD else [])]

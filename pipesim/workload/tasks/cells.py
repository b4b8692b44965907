"""Cells of tasks: (task type, framework, size, tenant) and their parents, divided only where a test tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipesim.words import count
from pipesim.workload.laws.choice import MIN_ROWS
from pipesim.workload.laws.closed_forms import Floats
from pipesim.workload.laws.judging import same_law
from pipesim.workload.tasks.told import Leaf, Told

Streams = Callable[..., np.random.Generator]
Level = Literal["tenant", "size", "framework", "type", "all"]
Key = Leaf
#: Each level with the number of columns of `LEAF` that its key has, the finest first.
LEVELS: tuple[tuple[Level, int], ...] = (("tenant", 4), ("size", 3), ("framework", 2), ("type", 1), ("all", 0))

_SIGNIFICANCE = 0.01
_TESTED_ROWS = 5_000


@dataclass
class Cell:
    """A set of tasks, being settled.

    Attributes:
        begin: Its rows are those from here to `end` of the sorted rows.
        exact: How many of them are exact.
        uses: The cell whose law is drawn from, perhaps a parent that uses another in turn.
        pooled: The cells whose rows are fitted together as this one's law, itself among them.
        split: Whether a test told parts of it apart.
    """

    level: Level
    key: Key
    begin: int
    end: int
    exact: int
    parent: int | None
    uses: int
    reason: str = "it has nothing to be compared with"
    pooled: list[int] = field(default_factory=list)
    split: bool = False

    @property
    def name(self) -> str:
        """The cell's name in messages and in the names of random streams."""
        return "/".join(part or "-" for part in self.key) or "all"


@dataclass(frozen=True)
class Rows:
    """Durations in the order of their cells, so that the rows of every cell lie together; ascending within the finest."""

    seconds: Floats
    censored: NDArray[np.bool_]

    def of(self, cells: Sequence[Cell]) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the rows of some cells."""
        parts = [slice(c.begin, c.end) for c in cells]
        if len(parts) == 1:
            return self.seconds[parts[0]], self.censored[parts[0]]
        return np.concatenate([self.seconds[p] for p in parts]), np.concatenate([self.censored[p] for p in parts])


def arrange(told: Told) -> tuple[list[Cell], Rows]:
    """Return every cell of the attempts, the finest first, and the rows that tell of durations.

    A tenant is a cell of its own only where at least 50 rows are exact.
    """
    keys = told.leaves
    ends = np.cumsum(np.bincount(told.leaf, minlength=len(keys)))
    by_leaf = np.argsort(told.leaf, kind="stable")
    rows = Rows(told.seconds[by_leaf], told.censored[by_leaf])
    for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        seconds, censored = rows.seconds[begin:end], rows.censored[begin:end]
        order = np.lexsort((censored, seconds))
        seconds[:], censored[:] = seconds[order], censored[order]
    exact_before = np.concatenate([[0], np.cumsum(~rows.censored)])
    cells: list[Cell] = []
    place: dict[tuple[Level, Key], int] = {}
    for level, width in LEVELS:
        begin = 0
        for i, key in enumerate(keys):
            if i + 1 < len(keys) and keys[i + 1][:width] == key[:width]:
                continue
            end = int(ends[i])
            exact = int(exact_before[end] - exact_before[begin])
            if level != "tenant" or (key[-1] is not None and exact >= MIN_ROWS):
                place[level, key[:width]] = len(cells)
                cells.append(Cell(level, key[:width], begin, end, exact, None, len(cells)))
            begin = end
    above = {level: LEVELS[i + 1] for i, (level, _) in enumerate(LEVELS[:-1])}
    for cell in cells:
        if cell.level != "all":
            level, width = above[cell.level]
            cell.parent = place[level, cell.key[:width]]
    return cells, rows


def settle(cells: list[Cell], rows: Rows, streams: Streams) -> None:
    """Decide which cell's law each cell uses.

    Beginning with tenants, the cells of one parent are grouped where a test cannot tell them apart. If all are one group they
    use the parent, else each group has a law of its own. Sizes and frameworks are grouped likewise, those that were divided
    further excepted. A cell with fewer than 50 exact rows uses its parent.
    """
    parts: dict[int, list[int]] = {}
    for i, cell in enumerate(cells):
        if cell.parent is not None:
            parts.setdefault(cell.parent, []).append(i)
    for level in ("size", "framework", "type"):
        for i, parent in enumerate(cells):
            if parent.level == level:
                _divide(i, parts.get(i, []), cells, rows, streams)
    for i, cell in enumerate(cells):
        cell.pooled = cell.pooled or [i]
        if cell.split:
            cell.reason = "a test tells its parts apart; it serves those of too few rows, and unknown ones"
        if cell.level == "type" and cell.exact < MIN_ROWS and cell.parent is not None:
            cell.uses, cell.reason = cell.parent, _few(cell)
    for cell in reversed(cells):  # parents come after their parts
        while cells[cell.uses].uses != cell.uses:
            cell.uses = cells[cell.uses].uses


def _divide(parent: int, parts: list[int], cells: list[Cell], rows: Rows, streams: Streams) -> None:
    """Group the parts of a cell."""
    able = sorted((i for i in parts if cells[i].exact >= MIN_ROWS), key=lambda i: (-cells[i].exact, i))
    for i in parts:
        if cells[i].exact < MIN_ROWS:
            cells[i].uses, cells[i].reason = parent, _few(cells[i])
    whole = [i for i in able if not cells[i].split]
    rng = streams("fit", "durations", "cells", cells[parent].name)
    samples = {i: _sample(_exact(rows, cells[i]), rng) for i in whole}
    rest = _rest(cells[parent], [cells[i] for i in able], rows)
    if len(rest) >= MIN_ROWS and whole:
        samples[parent] = _sample(rest, rng)
    groups = _groups(samples)
    cells[parent].split = len(groups) > 1 or len(whole) < len(able)
    for group in groups:
        members = [i for i in group if i != parent]
        for i in members:
            if not cells[parent].split:
                cells[i].uses, cells[i].reason = parent, _alike(cells[i], cells[parent])
            else:
                cells[i].uses, cells[i].reason = members[0], _told_apart([cells[j].name for j in members if j != i])
        if members and cells[parent].split:
            cells[members[0]].pooled = members


def _groups(samples: dict[int, Floats]) -> list[list[int]]:
    """Return groups of samples that a test cannot tell from the first of their group, in the order in which they are given.

    The two-sample Kolmogorov-Smirnov test at .01, divided by the number of pairs (Bonferroni).
    """
    groups: list[list[int]] = []
    level = _SIGNIFICANCE / max(1, len(samples) * (len(samples) - 1) // 2)
    for i, sample in samples.items():
        chances = [same_law(samples[group[0]], sample) for group in groups]
        best = int(np.argmax(chances)) if chances else 0
        if chances and chances[best] >= level:
            groups[best].append(i)
        else:
            groups.append([i])
    return groups


def _sample(values: Floats, rng: np.random.Generator) -> Floats:
    return np.sort(values if len(values) <= _TESTED_ROWS else rng.choice(values, _TESTED_ROWS, replace=False))


def _exact(rows: Rows, cell: Cell) -> Floats:
    seconds, censored = rows.of([cell])
    return seconds[~censored]


def _rest(parent: Cell, able: list[Cell], rows: Rows) -> Floats:
    """Return the exact rows of a cell that are in none of some parts."""
    other = np.ones(parent.end - parent.begin, dtype=bool)
    for cell in able:
        other[cell.begin - parent.begin : cell.end - parent.begin] = False
    seconds, censored = rows.of([parent])
    return seconds[other & ~censored]


def _few(cell: Cell) -> str:
    return f"{count(cell.exact, 'exact row')}, fewer than {MIN_ROWS}: its parent serves"


def _alike(cell: Cell, parent: Cell) -> str:
    if cell.exact == parent.exact:
        return "it has all rows of its parent"
    return "a test cannot tell the parts of its parent apart"


def _told_apart(alike: list[str]) -> str:
    if not alike:
        return "a test tells it from its siblings"
    more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
    return f"a test tells it from its other siblings, but not from {alike[0]}{more}"

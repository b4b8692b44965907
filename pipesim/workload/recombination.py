"""Unseen shapes: new DAGs from the beginning of one shape and the end of another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product

from pipesim.workload.shapes import Label, Shape, canonical

#: Shapes of a pool, the most frequent first, that are taken apart.
MAX_PARENTS = 32
#: Pairs of a beginning and an end of a pool that are tried, the likeliest first.
_MAX_TRIED = 512
#: Recombined shapes of a pool that are kept, the likeliest first.
MAX_PER_POOL = 32


@dataclass(frozen=True)
class Piece:
    """A piece of a shape: the labels of its tasks, the cut's first, and its edges."""

    labels: tuple[Label, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Cut:
    """A task that separates a shape: every other one comes before or after it, and no edge passes it by.

    Attributes:
        head: What comes before the task, with the task.
        tail: The task, with what comes after it.
    """

    label: Label
    head: Piece
    tail: Piece


def cuts(shape: Shape) -> list[Cut]:
    """Return the tasks at which a shape can be cut, by position."""
    n = len(shape.tasks)
    above, below = [0] * n, [0] * n  # sets of positions, a bit each
    for child, parent in sorted(shape.edges):
        above[child] |= above[parent] | 1 << parent
    for child, parent in sorted(shape.edges, key=lambda edge: -edge[1]):
        below[parent] |= below[child] | 1 << child
    found = []
    for at, task in enumerate(shape.tasks):
        if above[at].bit_count() + below[at].bit_count() < n - 1:
            continue
        if any(above[at] >> parent & 1 and below[at] >> child & 1 for child, parent in shape.edges):
            continue
        head, tail = (_piece(shape, [at, *(i for i in range(n) if side >> i & 1)]) for side in (above[at], below[at]))
        found.append(Cut(task.label, head, tail))
    return found


def _piece(shape: Shape, tasks: Sequence[int]) -> Piece:
    place = {old: new for new, old in enumerate(tasks)}
    edges = tuple((place[child], place[parent]) for child, parent in shape.edges if child in place and parent in place)
    return Piece(tuple(shape.tasks[i].label for i in tasks), edges)


class Rules:
    """What every recombined shape has to respect, learnt from all shapes of a log.

    It is none of them; no label comes before another that it followed wherever the two were on one path; no label is
    repeated more often than in one of them; and its frameworks have been together in one of them.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._keys = {shape.key for shape in shapes}
        self._most: Counter[Label] = Counter()
        self._frameworks = {_frameworks(shape) for shape in shapes}
        self._index: dict[Label, int] = {}
        self._before: list[int] = []  # of each label, the set of those that came before it, a bit each
        for shape in shapes:
            self._most |= Counter(task.label for task in shape.tasks)
            self._learn(shape)

    def _learn(self, shape: Shape) -> None:
        own = []
        for task in shape.tasks:
            own.append(self._index.setdefault(task.label, len(self._before)))
            if own[-1] == len(self._before):
                self._before.append(0)
        above = [0] * len(own)
        for child, parent in sorted(shape.edges):
            above[child] |= above[parent] | 1 << own[parent]
        for label, labels in zip(own, above, strict=True):
            self._before[label] |= labels

    def allow(self, shape: Shape, before: Sequence[Label], after: Sequence[Label]) -> bool:
        """Return whether a shape may be made in which the first labels, of one parent, come before the others."""
        counts = Counter(task.label for task in shape.tasks)
        if shape.key in self._keys or not counts <= self._most:
            return False
        if not any(_frameworks(shape) <= together for together in self._frameworks):
            return False
        first, last = ({self._index[label] for label in labels} for labels in (before, after))
        return not any(self._before[a] >> b & 1 and not self._before[b] >> a & 1 for a in first for b in last)


def _frameworks(shape: Shape) -> frozenset[str]:
    return frozenset(task.framework for task in shape.tasks if task.framework is not None)


def recombine(shapes: Sequence[Shape], runs: Mapping[int, int], rules: Rules) -> list[tuple[Shape, float]]:
    """Return shapes that no run had, from two of a pool that did, with their shares; these add up to 1 if there are any.

    Two shapes are cut at tasks that are the same in both; what comes before the one is joined with what comes after the other.
    A new shape is as likely as drawing its parents independently, over all the ways to make it.

    Args:
        shapes: All shapes of the log.
        runs: How many runs of the pool have which.
        rules: What they have to respect.
    """
    parents = sorted(runs, key=lambda i: (-runs[i], i))[:MAX_PARENTS]
    number: dict[Piece, int] = {}

    def numbered(part: Piece) -> int:
        return number.setdefault(part, len(number))

    heads_and_tails = {i: [(c.label, numbered(c.head), numbered(c.tail)) for c in cuts(shapes[i])] for i in parents}
    seen = {(head, tail) for own in heads_and_tails.values() for _, head, tail in own}
    ways: dict[tuple[int, int], float] = defaultdict(float)
    for i, j in permutations(parents, 2):
        for (one, head, _), (other, _, tail) in product(heads_and_tails[i], heads_and_tails[j]):
            if one == other and (head, tail) not in seen:
                ways[head, tail] += runs[i] * runs[j]
    parts = list(number)
    made: dict[str, tuple[Shape, float]] = {}
    for (head, tail), weight in sorted(ways.items(), key=lambda way: -way[1])[:_MAX_TRIED]:
        joined = _join(parts[head], parts[tail])
        if rules.allow(joined, parts[head].labels[1:], parts[tail].labels[1:]):
            made[joined.key] = joined, weight + (made[joined.key][1] if joined.key in made else 0.0)
    kept = sorted(made.items(), key=lambda item: (-item[1][1], item[0]))[:MAX_PER_POOL]
    total = sum(weight for _, (_, weight) in kept)
    return [(shape, weight / total) for _, (shape, weight) in kept]


def _join(head: Piece, tail: Piece) -> Shape:
    """Return the shape in which the tasks where two parts were cut are one."""
    shift = len(head.labels) - 1
    place = [0, *range(shift + 1, shift + len(tail.labels))]
    edges = {*head.edges, *((place[child], place[parent]) for child, parent in tail.edges)}
    return canonical(head.labels + tail.labels[1:], edges)

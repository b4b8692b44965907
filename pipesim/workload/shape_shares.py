"""How often each pipeline has which shape: its own frequencies, those of similar pipelines, and shapes not seen yet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_

from pipesim.words import count
from pipesim.workload.recombination import Rules, recombine
from pipesim.workload.shapes import Label, Shape

#: From so many runs on, a pipeline's own frequencies say enough.
ENOUGH_RUNS = 10
#: The most runs that the law of similar pipelines may count for, and what it counts for if no pipeline of the log can tell.
_MOST_BORROWED, _USUALLY_BORROWED = 10.0, 1.0
#: Only the most frequent shapes of similar pipelines are borrowed.
_MAX_BORROWED_SHAPES = 32
#: No more than this share of a pipeline's runs have a shape that it has not shown.
MAX_UNSEEN = 0.05
#: Recombined shapes of a model, in all.
MAX_RECOMBINED = 256
#: Pools that are searched for them.
_MAX_POOLS = 128


@dataclass
class Pool:
    """How many runs of one pipeline, or of several similar ones, had which shape."""

    runs: Counter[int] = field(default_factory=Counter)

    @cached_property
    def total(self) -> int:
        """All runs."""
        return self.runs.total()

    @cached_property
    def unseen(self) -> float:
        """The probability that the next run has a shape that none had (Good, 1953): shapes seen once over runs, 5 % at most."""
        return min(MAX_UNSEEN, sum(count == 1 for count in self.runs.values()) / self.total)

    @cached_property
    def shares(self) -> dict[int, float]:
        """The shares of the most frequent shapes."""
        kept = sorted(self.runs, key=lambda shape: (-self.runs[shape], shape))[:_MAX_BORROWED_SHAPES]
        total = sum(self.runs[shape] for shape in kept)
        return {shape: self.runs[shape] / total for shape in kept}


def share_shapes(own: Sequence[Pool], shapes: Sequence[Shape]) -> tuple[list[dict[int, float]], list[Shape], list[str]]:
    """Return how many of each pipeline's runs are to be expected with which shape, the recombined shapes, and notes.

    A pipeline with fewer than ten runs has the posterior mean of a Dirichlet law around the shares of similar pipelines. Part
    of the runs, by the estimate of Good and Turing, goes to shapes that the pipeline, or those similar to it, have not shown.

    Args:
        own: The runs of each pipeline.
        shapes: The shapes of the log. The recombined ones are numbered from its length on.
    """
    thin = [p for p, pool in enumerate(own) if pool.total < ENOUGH_RUNS]
    pools, expected, notes = list(own), [{s: float(c) for s, c in pool.runs.items()} for pool in own], []
    if thin:
        similar = similar_pipelines(own, shapes)
        strength = concentration(own, similar)
        borrowers = [p for p in thin if similar[p].total > own[p].total] if strength > 0 else []
        for p in borrowers:
            pools[p] = similar[p]
            scale = own[p].total / (own[p].total + strength)
            borrowed = {s: scale * strength * share for s, share in similar[p].shares.items()}
            expected[p] = {s: scale * own[p].runs[s] + borrowed.get(s, 0.0) for s in own[p].runs | similar[p].shares}
        if borrowers:
            notes.append(
                f"structure: {count(len(borrowers), 'pipeline has', 'pipelines have')} under {ENOUGH_RUNS} runs; the shapes of "
                f"similar pipelines count for {strength:.2g} runs of each"
            )
    unseen = _unseen(own, pools, shapes)
    for p, recombined in unseen.shares.items():
        mass = pools[p].unseen
        expected[p] = {s: (1 - mass) * runs for s, runs in expected[p].items()}
        expected[p] |= {s: mass * own[p].total * share for s, share in recombined.items()}
    if unseen.shapes:
        total = sum(pools[p].unseen * own[p].total for p in unseen.shares)
        share = total / sum(pool.total for pool in own)
        notes.append(
            f"structure: {share:.2%} of the runs get {count(len(unseen.shapes), 'recombined shape')} that no run of the log has"
        )
    return expected, unseen.shapes, notes


def similar_pipelines(own: Sequence[Pool], shapes: Sequence[Shape]) -> list[Pool]:
    """Return for each pipeline the runs of all pipelines, itself included, whose tasks have the same set of labels.

    Where there is no other, and the pipeline has few runs, these are all runs that have no label which the pipeline has not.
    """
    bit: dict[Label, int] = {}
    of_shape = [_union(1 << bit.setdefault(task.label, len(bit)) for task in shape.tasks) for shape in shapes]
    of_pipeline = [_union(of_shape[s] for s in pool.runs) for pool in own]
    members = Counter(of_pipeline)
    similar: dict[int, Pool] = defaultdict(Pool)
    by_labels: dict[int, Counter[int]] = defaultdict(Counter)
    for labels, pool in zip(of_pipeline, own, strict=True):
        similar[labels].runs.update(pool.runs)
        for s, times in pool.runs.items():
            by_labels[of_shape[s]][s] += times
    alone = [labels for labels, times in members.items() if times == 1 and similar[labels].runs.total() < ENOUGH_RUNS]
    for labels in alone:
        similar[labels] = Pool()
        for others, runs in by_labels.items():
            if others | labels == labels:
                similar[labels].runs.update(runs)
    return [similar[labels] for labels in of_pipeline]


def _union(sets: Iterable[int]) -> int:
    """Return the union of sets of labels, each label a bit."""
    return reduce(or_, sets, 0)


def concentration(own: Sequence[Pool], similar: Sequence[Pool]) -> float:
    """Return how many runs the law of similar pipelines counts for: the concentration of the Dirichlet law around it.

    By the method of moments. Two runs of a pipeline have the same shape with probability b + (1 - b) / (1 + concentration), b
    being the probability for a run of it and one of another, similar pipeline. If pipelines always have one shape each, it
    is 0.
    """
    within, between = [], []
    for pool, others in zip(own, similar, strict=True):
        n, rest = pool.total, others.total - pool.total
        if n > 1 and rest:
            within.append(sum(c * (c - 1) for c in pool.runs.values()) / (n * (n - 1)))
            between.append(sum(c * (others.runs[s] - c) for s, c in pool.runs.items()) / (n * rest))
    if not within:
        return _USUALLY_BORROWED
    apart = sum(between) / len(between)
    if apart >= 1:
        return 0.0
    alike = (sum(within) / len(within) - apart) / (1 - apart)
    return min((1 - alike) / alike, _MOST_BORROWED) if alike > 0 else _MOST_BORROWED


@dataclass
class _Unseen:
    """The recombined shapes, and for each pipeline that has some, their shares among its unseen ones."""

    shapes: list[Shape] = field(default_factory=list)
    shares: dict[int, dict[int, float]] = field(default_factory=dict)


def _unseen(own: Sequence[Pool], pools: Sequence[Pool], shapes: Sequence[Shape]) -> _Unseen:
    """Recombine the shapes of each pool, those with the most unseen runs first, until there are enough."""
    users: dict[int, list[int]] = defaultdict(list)
    for p, pool in enumerate(pools):
        if len(pool.runs) > 1 and pool.unseen > 0:
            users[id(pool)].append(p)
    ordered = sorted(users.values(), key=lambda of: (-pools[of[0]].unseen * sum(own[p].total for p in of), of[0]))
    found = _Unseen()
    number: dict[str, int] = {}
    rules = Rules(shapes if ordered else ())
    for pipelines in ordered[:_MAX_POOLS]:
        made = recombine(shapes, pools[pipelines[0]].runs, rules)
        new = [shape for shape, _ in made if shape.key not in number][: MAX_RECOMBINED - len(found.shapes)]
        number |= {shape.key: len(shapes) + len(found.shapes) + i for i, shape in enumerate(new)}
        found.shapes += new
        shares = {number[shape.key]: share for shape, share in made if shape.key in number}
        if shares:
            total = sum(shares.values())
            found.shares |= {p: {s: share / total for s, share in shares.items()} for p in pipelines}
        if len(found.shapes) == MAX_RECOMBINED:
            break
    return found

"""Pools and nodes of the reference engine: what is free, where an attempt would run, and what waits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipesim.simulation.engine import BEST_FIT, DIMENSIONS, FIRST_FIT, PACK, SimulationInput

#: Order key, queued at, task, attempt: the order of service, as tasks are numbered by run. Under fair share the key stands for
#: the tenant's share and is looked up when it is needed.
Entry = tuple[float, int, int, int]
#: What an attempt holds of a node: the node, and how much of each dimension.
Piece = tuple["Node", list[int]]

#: A demand that is split over nodes is split into whole GPUs, cores and slots, and into bytes.
UNITS = tuple(DIMENSIONS.values())
#: Packing by memory alone splits by gigabytes.
_GIGABYTE = 10**9


@dataclass(frozen=True)
class Ask:
    """What the attempts of a demand class ask for."""

    number: int
    pool: int
    demand: tuple[tuple[int, int], ...]  # dimension and amount of what is asked for at all
    amounts: list[int]  # the same for each dimension
    share: float
    priority: int
    tenant: int
    kind: int
    parts: int


@dataclass
class Node:
    """A machine."""

    number: int
    capacity: list[int]
    kind: int
    free: list[int]
    enabled: bool = True
    works: bool = True
    busy: int = 0  # attempts that run here

    @property
    def usable(self) -> bool:
        """Whether attempts may start on it."""
        return self.enabled and self.works

    def holds(self, amounts: list[int], kind: int) -> bool:
        """Whether it has room for so much, for a task that needs a model of GPU."""
        suits = kind < 0 or self.kind in (-1, kind)
        return suits and self.usable and all(f >= a for f, a in zip(self.free, amounts, strict=True))


@dataclass
class Held:
    """A running attempt: since when, until when it is believed to, and on which nodes."""

    ask: Ask
    started: int
    expected_end: int
    pieces: list[Piece]


@dataclass
class Pool:
    """What is free of each resource, what runs, and the lines of attempts that wait, each a heap that is not empty."""

    number: int
    declared: list[int]
    declared_size: int
    lead: int
    free: list[int]
    nodes: list[Node] | None = None
    placement: int = -1  # -1: a pool without nodes of its own, which is one that changes its size
    amount: list[int] = field(default_factory=list)  # provisioned
    lines: dict[int, list[Entry]] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)  # demand of all that waits
    running: dict[int, Held] = field(default_factory=dict)
    changed: bool = False
    capacity: list[int] = field(default_factory=list)  # of a pool without nodes of its own, at present

    def __post_init__(self) -> None:
        self.capacity = list(self.declared)

    def fits(self, ask: Ask) -> bool:
        """Whether the pool has enough in all."""
        return all(self.free[dimension] >= amount for dimension, amount in ask.demand)

    def place(self, ask: Ask) -> list[Piece] | None:
        """Return where an attempt would run now, or None."""
        if not self.fits(ask):
            return None
        if self.nodes is None:
            return []
        if ask.parts > 1:
            return self._place_parts(ask)
        node = self._choose(ask.amounts, ask.kind, ())
        if node is not None:
            return [(node, ask.amounts)]
        return self._pack(ask) if self.placement == PACK else None

    def _choose(self, amounts: list[int], kind: int, taken: tuple[Node, ...]) -> Node | None:
        """Return the node that the placement prefers of those with room."""
        having = [node for node in self.nodes or () if node not in taken and node.holds(amounts, kind)]
        if not having:
            return None
        if self.placement in (FIRST_FIT, -1):
            return having[0]
        sign = 1 if self.placement in (BEST_FIT, PACK) else -1
        return min(having, key=lambda node: (sign * node.free[self.lead], node.number))

    def _place_parts(self, ask: Ask) -> list[Piece] | None:
        """Split what is larger than every node into equal parts, the last of which may be smaller."""
        if self.placement == PACK:
            return self._pack(ask)
        pieces: list[Piece] = []
        for part in parts_of(ask.amounts, ask.parts):
            node = self._choose(part, ask.kind, tuple(node for node, _ in pieces))
            if node is None:
                return None
            pieces.append((node, part))
        return pieces

    def _pack(self, ask: Ask) -> list[Piece] | None:
        """Take as much as there is of the nodes with the most room, one after the other."""
        unit = max(UNITS[self.lead], _GIGABYTE if UNITS[self.lead] == 1 else 1)
        units, odd = divmod(ask.amounts[self.lead], unit)
        if odd or not units:
            return None
        each = [-(-amount // units) for amount in ask.amounts]
        rest, left, pieces = list(ask.amounts), units, []
        for node in sorted(self.nodes or (), key=lambda node: (-node.free[self.lead], node.number)):
            if not node.holds([0] * len(each), ask.kind):
                continue
            room = min([left, *(max(f, 0) // e for f, e in zip(node.free, each, strict=True) if e)])
            if room:
                piece = [min(e * room, r) for e, r in zip(each, rest, strict=True)]
                rest = [r - p for r, p in zip(rest, piece, strict=True)]
                left -= room
                pieces.append((node, piece))
            if not left:
                return pieces
        return None

    def take(self, ask: Ask, pieces: list[Piece]) -> None:
        """Give resources away."""
        self._move(ask, pieces, -1)

    def give_back(self, ask: Ask, pieces: list[Piece]) -> None:
        """Have resources back; what lies on a node that is not to be used is not free."""
        self._move(ask, pieces, 1)

    def _move(self, ask: Ask, pieces: list[Piece], sign: int) -> None:
        if self.nodes is None:
            for dimension, amount in ask.demand:
                self.free[dimension] += sign * amount
        for node, amounts in pieces:
            node.busy -= sign
            node.free = [f + sign * a for f, a in zip(node.free, amounts, strict=True)]
            if node.usable:
                self.free = [f + sign * a for f, a in zip(self.free, amounts, strict=True)]

    def switch(self, node: Node, *, enabled: bool | None = None, works: bool | None = None) -> None:
        """Let a node be used, or not."""
        before = node.usable
        node.enabled = node.enabled if enabled is None else enabled
        node.works = node.works if works is None else works
        if node.usable != before:
            sign = 1 if node.usable else -1
            self.free = [f + sign * n for f, n in zip(self.free, node.free, strict=True)]

    def resize(self, size: int) -> None:
        """Have another size, in thousandths: nodes from the first on, or so much of each resource as is in proportion."""
        if self.placement >= 0:
            for place, node in enumerate(self.nodes or ()):
                self.switch(node, enabled=place < size // 1000)
            return
        for dimension, declared in enumerate(self.declared):
            capacity = int(np.rint(declared * (size / self.declared_size)))
            more = capacity - self.capacity[dimension]
            self.capacity[dimension] = capacity
            if self.nodes is not None:
                self.nodes[0].free[dimension] += more
            if self.nodes is None or self.nodes[0].usable:
                self.free[dimension] += more

    def provisioned(self) -> list[int]:
        """What there is; a node counts until it is empty."""
        if self.placement < 0:
            return list(self.capacity)
        there = [node.capacity for node in self.nodes or () if node.enabled or node.busy]
        return [sum(amounts) for amounts in zip([0] * len(self.declared), *there, strict=True)]


def parts_of(amounts: list[int], parts: int) -> list[list[int]]:
    """Split a demand into so many parts of whole units; what is left for the last may be less."""
    each = [-(-amount // (parts * unit)) * unit for amount, unit in zip(amounts, UNITS, strict=False)]
    rest, found = list(amounts), []
    for _ in range(parts):
        part = [min(e, r) for e, r in zip(each, rest, strict=True)]
        rest = [r - p for r, p in zip(rest, part, strict=True)]
        found.append(part)
    return found


def asks_of(given: SimulationInput) -> list[Ask]:
    """Return what each demand class asks for."""
    classes = len(given.class_pool)
    priority = [0] * classes if given.class_priority is None else given.class_priority.tolist()
    tenant = [-1] * classes if given.tenants is None else given.tenants.of_class.tolist()
    kind = [-1] * classes if given.nodes is None else given.nodes.class_kind.tolist()
    parts = [1] * classes if given.nodes is None else given.nodes.class_parts.tolist()
    found = []
    for k, (pool, row, share) in enumerate(
        zip(given.class_pool.tolist(), given.class_demand.tolist(), given.class_shares().tolist(), strict=True)
    ):
        demand = tuple((d, n) for d, n in enumerate(row) if n)
        found.append(Ask(k, pool, demand, row, share, priority[k], tenant[k], kind[k], parts[k]))
    return found


def pools_of(given: SimulationInput) -> list[Pool]:
    """Return the pools as they are at the beginning."""
    leading, nodes = given.leading(), given.nodes
    sizes = given.sizes().tolist()
    found = []
    for p, row in enumerate(given.capacity.tolist()):
        pool = Pool(p, row, sizes[p], leading[p], list(row), waiting=[0] * len(row))
        if nodes is not None:
            first, last = nodes.first[p], nodes.first[p + 1]
            rows, kinds = nodes.capacity[first:last].tolist(), nodes.kind[first:last].tolist()
            pool.placement = int(nodes.placement[p])
            # What an autoscaler may add is not there at the beginning.
            there = len(rows) if pool.placement < 0 else sizes[p] // 1000
            pool.nodes = [
                Node(int(first) + i, row, k, list(row), i < there) for i, (row, k) in enumerate(zip(rows, kinds, strict=True))
            ]
        pool.amount = pool.provisioned()
        found.append(pool)
    return found

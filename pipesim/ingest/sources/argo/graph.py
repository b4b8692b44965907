"""The graph of a workflow's nodes, contracted to the tasks that do its work.

Argo writes a node for each pod and for all that groups pods: Steps, StepGroup, DAG, TaskGroup, Retry. `children` lead from
each node to those that it starts, and from the last nodes of a group on to what follows the group, so that one task waits for
another where a path of nothing but grouping nodes leads to it. The attempts that a Retry node groups are one task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

#: Node types that work, each in a process of its own.
WORKING = frozenset({"Pod", "HTTP", "Plugin"})
#: Node types that only group or hold up others, and the containers of a pod, which are its parts.
GROUPING = frozenset({"Steps", "StepGroup", "DAG", "TaskGroup", "Retry", "Suspend", "Container"})
#: Two steps of a thousand items each, one after the other, have as many dependencies.
MAX_EDGES = 1_000_000

#: Retries within retries that are told apart.
_NESTED = 50
_ATTEMPT = re.compile(r"\((\d{1,9})\)")


@dataclass(frozen=True, slots=True)
class Node:
    """What a node says of its place in the graph.

    Args:
        name: Its name, unique in the workflow; its id where it has none.
        type: Its type.
        children: The ids of the nodes that follow it.
        boundary: The id of the Steps or DAG node in whose template it stands.
        works: Whether it is a task, or was to be one.
    """

    name: str
    type: str
    children: tuple[str, ...]
    boundary: str | None
    works: bool


class Place(NamedTuple):
    """Which attempt of which task a node is."""

    task_id: str
    attempt: int


class TooManyEdgesError(ValueError):
    """The tasks of a workflow have over `MAX_EDGES` dependencies."""


class _Home(NamedTuple):
    """A node's name without the numbers of attempts, and these."""

    name: str
    attempts: tuple[int, ...]


def places(nodes: Mapping[str, Node]) -> tuple[dict[str, Place], frozenset[str]]:
    """Return the place of every node that works, and the ids of those whose place another one has already.

    A task is called as its node is, without the `(0)`, `(1)`, ... that mark attempts, its own or those of a group around it.

    Args:
        nodes: The nodes by id.
    """
    homes = _homes(nodes)
    ids_of: dict[str, dict[tuple[int, ...], str]] = {}
    twins = set()
    for node_id, node in nodes.items():
        if node.works and ids_of.setdefault(homes[node_id].name, {}).setdefault(homes[node_id].attempts, node_id) != node_id:
            twins.add(node_id)
    found = {}
    for task_id, attempts in ids_of.items():
        nested = any(len(path) > 1 for path in attempts)
        for rank, path in enumerate(sorted(attempts)):
            # Attempts within attempts have no numbers of their own, only an order.
            found[attempts[path]] = Place(task_id, (rank if nested or not path else path[0]) + 1)
    return found, frozenset(twins)


def _homes(nodes: Mapping[str, Node]) -> dict[str, _Home]:
    attempt_of = {
        child: (node.name, int(mark[1]))
        for node in nodes.values()
        if node.type == "Retry"
        for child in node.children
        if child in nodes
        and nodes[child].name.startswith(node.name)
        and (mark := _ATTEMPT.fullmatch(nodes[child].name, len(node.name)))
    }
    homes: dict[str, _Home] = {}
    for start in nodes:
        chain: dict[str, None] = {}
        at: str | None = start
        while at is not None and at in nodes and at not in homes and at not in chain:
            chain[at] = None
            at = nodes[at].boundary
        for node_id in reversed(chain):
            node = nodes[node_id]
            name, attempts = node.name, tuple[int, ...]()
            if node_id in attempt_of:
                name, attempts = attempt_of[node_id][0], (attempt_of[node_id][1],)
            if (around := homes.get(node.boundary or "")) and name.startswith(nodes[node.boundary or ""].name):
                name = around.name + name[len(nodes[node.boundary or ""].name) :]
                attempts = (around.attempts + attempts)[-_NESTED:]
            homes[node_id] = _Home(name, attempts)
    return homes


def dependencies(nodes: Mapping[str, Node], found: Mapping[str, Place], exit_name: str) -> dict[str, dict[str, None]]:
    """Return the ids of each task's parents, in the order of the nodes.

    The workflow's exit handler follows all that nothing else follows, though no `children` lead to it.

    Args:
        nodes: The nodes by id.
        found: The places of those that work.
        exit_name: The name of the exit handler's node.

    Raises:
        TooManyEdgesError: If they have more parents than can be meant.
    """
    heads = _heads(nodes, found)
    parents: dict[str, dict[str, None]] = {}
    for node_id, place in found.items():
        for child in heads[node_id]:
            # Attempts of one task do not wait for each other; a node that waits for itself is refused as such later.
            if found[child].task_id != place.task_id or child == node_id:
                parents.setdefault(found[child].task_id, {})[place.task_id] = None
    handlers = [node_id for node_id, node in nodes.items() if node.name == exit_name]
    if handlers:
        handling = _reached(nodes, handlers)
        followed = {found[i].task_id for i in found if heads[i]}
        last = {place.task_id: None for i, place in found.items() if i not in handling and place.task_id not in followed}
        first = [i for h in handlers for i in ([h] if h in found else heads[h])]
        if len(last) * len(first) > MAX_EDGES:
            raise TooManyEdgesError
        for task in first:
            parents.setdefault(found[task].task_id, {}).update(last)
    return parents


def _heads(nodes: Mapping[str, Node], found: Mapping[str, Place]) -> dict[str, dict[str, None]]:
    """Return, for each node, the nearest nodes that work on the paths that lead from it."""
    heads: dict[str, dict[str, None]] = {}
    total = 0
    for start in nodes:
        stack, open_ = [start], set[str]()
        while stack:
            node_id = stack[-1]
            groups = [c for c in nodes[node_id].children if c in nodes and c not in found]
            if node_id not in open_ and node_id not in heads:
                open_.add(node_id)
                stack += [c for c in groups if c not in heads and c not in open_]
                continue
            stack.pop()
            if node_id in heads:
                continue
            mine = {c: None for c in nodes[node_id].children if c in found}
            for group in groups:
                mine.update(heads.get(group, {}))
            heads[node_id] = mine
            total += len(mine)
            if total > MAX_EDGES:
                raise TooManyEdgesError
    return heads


def _reached(nodes: Mapping[str, Node], starts: Iterable[str]) -> set[str]:
    reached: set[str] = set()
    stack = list(starts)
    while stack:
        node_id = stack.pop()
        if node_id in nodes and node_id not in reached:
            reached.add(node_id)
            stack += nodes[node_id].children
    return reached

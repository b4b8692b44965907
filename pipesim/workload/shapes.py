"""DAG shapes: what makes two runs have the same one, and the one way to write each down."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from pipesim.workload.part import Part

LABEL = ("task_name", "task_type", "raw_type", "framework")
#: What a task is, apart from its identifier: the columns `LABEL`.
Label = tuple[str, str | None, str | None, str | None]
Edges = Collection[tuple[int, int]]


class TaskNode(Part):
    """One task of a shape."""

    task_id: str
    task_name: str
    task_type: str | None
    raw_type: str | None
    framework: str | None

    @property
    def label(self) -> Label:
        """What the task is, apart from its identifier."""
        return self.task_name, self.task_type, self.raw_type, self.framework


class Shape(Part):
    """One DAG: its tasks in topological order, and its edges as (task, parent) positions among them."""

    tasks: tuple[TaskNode, ...]
    edges: tuple[tuple[int, int], ...]

    @property
    def key(self) -> str:
        """A text that shapes have in common if they are equal."""
        return key([task.label for task in self.tasks], self.edges)


def key(labels: Sequence[Label], edges: Edges) -> str:
    """Return the key of the shape with these labels and edges, in this order."""
    links = (f"{child}>{parent}" for child, parent in edges)
    return "\x1e".join(map(_text, labels)) + "\x1d" + "\x1e".join(links)


def build(labels: Sequence[Label], edges: Edges) -> Shape:
    """Return a shape whose tasks already are in their canonical order.

    A task is named after what it is; where two would have one name, the position tells them apart.
    """
    names = [label[0] for label in labels]
    taken = set(names)
    tasks = []
    for position, label in enumerate(labels):
        task_id = label[0]
        if names.count(task_id) > 1:
            task_id = f"{task_id}-{position + 1}"
            while task_id in taken:
                task_id += "'"
            taken.add(task_id)
        name, task_type, raw_type, framework = label
        tasks.append(TaskNode(task_id=task_id, task_name=name, task_type=task_type, raw_type=raw_type, framework=framework))
    return Shape(tasks=tuple(tasks), edges=tuple(sorted(edges)))


def canonical(labels: Sequence[Label], edges: Edges) -> Shape:
    """Return the shape of some tasks and their edges, the same whatever the order in which the tasks come.

    Tasks are ordered by depth, then by what they are, by what all their ancestors and descendants are (colour refinement,
    after Weisfeiler and Lehman, 1968), and by the places of their parents. Tasks that even these do not tell apart are nearly
    always interchangeable; if not, one DAG may have two shapes, but never two DAGs one shape.

    Args:
        labels: What each task is.
        edges: (task, parent), positions among the labels; without cycles.
    """
    parents: list[list[int]] = [[] for _ in labels]
    children: list[list[int]] = [[] for _ in labels]
    for child, parent in edges:
        parents[child].append(parent)
        children[parent].append(child)
    order, depth = _by_depth(parents, children)
    above, colour = [""] * len(labels), [""] * len(labels)
    for task in order:
        above[task] = _digest(_text(labels[task]), sorted(above[p] for p in parents[task]))
    for task in reversed(order):
        colour[task] = _digest(above[task], sorted(colour[c] for c in children[task]))
    place: dict[int, int] = {}
    levels: list[list[int]] = [[] for _ in range(max(depth) + 1)]
    for task in range(len(labels)):
        levels[depth[task]].append(task)
    for level in levels:
        ranked = sorted(level, key=lambda t: (_text(labels[t]), colour[t], sorted(place[p] for p in parents[t])))
        place.update({task: len(place) + i for i, task in enumerate(ranked)})
    return build([labels[task] for task in place], [(place[child], place[parent]) for child, parent in edges])


def _by_depth(parents: list[list[int]], children: list[list[int]]) -> tuple[list[int], list[int]]:
    """Return the tasks in topological order, and each task's depth: the length of the longest path from a root."""
    waits, depth = [len(p) for p in parents], [0] * len(parents)
    order = [task for task, count in enumerate(waits) if count == 0]
    for task in order:  # grows while it is read
        for child in children[task]:
            depth[child] = max(depth[child], depth[task] + 1)
            waits[child] -= 1
            if waits[child] == 0:
                order.append(child)
    return order, depth


def _text(label: Label) -> str:
    return "\x1f".join("\x00" if part is None else part for part in label)


def _digest(own: str, others: list[str]) -> str:
    return hashlib.blake2b("\x1d".join([own, *others]).encode(), digest_size=16).hexdigest()

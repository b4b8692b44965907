"""The dependencies of tasks in Airflow's serialized DAGs.

Versions 1 to 3 of the serialization, as `airflow.serialization` writes it: a task is an object with its `task_id` and its
`downstream_task_ids` (`_downstream_task_ids` before Airflow 2.2), wrapped in `__type` and `__var` since Airflow 2.9.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipesim.ingest.reading.tables import BadEntryError, Row, json_of, needed_text

_VERSIONS = (1, 2, 3)
#: What a compressed DAG may be decompressed to, in bytes.
_LARGEST = 1 << 26
#: How many dependencies two mapped tasks may have in a run; where there would be more, none of them is told.
MOST_PAIRS = 10_000

#: A task of a run: its name, and its place among the instances that it was mapped to, -1 if it was not.
Instance = tuple[str, int]


@dataclass(frozen=True)
class Dag:
    """What tasks wait for.

    Args:
        parents: The tasks that a task waits for, in the order of their names.
        mapped_group: The mapped task group that a task is in, if it is in one.
    """

    parents: Mapping[str, tuple[str, ...]]
    mapped_group: Mapping[str, str]


@dataclass
class Dags:
    """The DAGs of a database, by version where tasks name theirs, else the latest one of a name."""

    _of_version: dict[str, Dag] = field(default_factory=dict)
    _latest: dict[str, tuple[str, Dag]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Keep the DAG of a row of the table `serialized_dag`.

        Raises:
            BadEntryError: If it cannot be read.
        """
        dag_id, dag = needed_text(row, "dag_id"), _read(row)
        if (version := _key(row["dag_version_id"])) is not None:
            self._of_version[version] = dag
        updated = str(row["last_updated"] or "")
        if dag_id not in self._latest or self._latest[dag_id][0] <= updated:
            self._latest[dag_id] = updated, dag

    def find(self, dag_id: str, version: object) -> Dag | None:
        """Return the version of a DAG that a task names, else the latest one, or None if there is none."""
        if (key := _key(version)) is not None and key in self._of_version:
            return self._of_version[key]
        return self._latest[dag_id][1] if dag_id in self._latest else None


def parents_of(dag: Dag, instance: Instance, present: Mapping[str, list[int]]) -> Iterator[Instance]:
    """Yield the instances in a run that an instance waits for.

    Within a mapped task group an instance waits for those of its own index; else it waits for all of a mapped task.

    Args:
        dag: The DAG.
        instance: A task of the run.
        present: The indices of each task that the run has, -1 for one that was not mapped.
    """
    task, index = instance
    group = dag.mapped_group.get(task)
    for parent in dag.parents.get(task, ()):
        theirs = present.get(parent, [])
        if group is not None and index >= 0 and dag.mapped_group.get(parent) == group:
            theirs = [index] if index in theirs else []
        elif min(len(theirs), len(present[task])) > 1 and len(theirs) * len(present[task]) > MOST_PAIRS:
            theirs = []
        for other in theirs:
            yield parent, other


def _key(version: object) -> str | None:
    """Return a version's identifier as it is written in one of its tables or the other."""
    return version.replace("-", "") if isinstance(version, str) else None


def _read(row: Row) -> Dag:
    whole = json_of(_json_text(row))
    version = whole.get("__version") if isinstance(whole, dict) else None
    if not isinstance(whole, dict) or version not in _VERSIONS:
        raise BadEntryError(
            "unknown_serialization",
            f"a serialized DAG is of version 1 to 3, this one of {str(version)[:100]}: its edges are lost",
        )
    dag = whole.get("dag")
    tasks = dag.get("tasks") if isinstance(dag, dict) else None
    if not isinstance(dag, dict) or not isinstance(tasks, list):
        raise BadEntryError("not_a_serialized_dag", "a serialized DAG has a list of tasks")
    children: defaultdict[str, set[str]] = defaultdict(set)
    for task in tasks:
        name, downstream = _task(task)
        for child in downstream:
            children[child].add(name)
    return Dag({task: tuple(sorted(parents)) for task, parents in children.items()}, dict(_mapped_groups(dag)))


def _json_text(row: Row) -> str | bytes:
    data, compressed = row["data"], row["data_compressed"]
    if isinstance(compressed, bytes) and compressed:
        reader = zlib.decompressobj()
        try:
            found = reader.decompress(compressed, _LARGEST)
        except zlib.error as error:
            raise BadEntryError("not_json", f"the compressed DAG cannot be read: {error}") from error
        if reader.eof:
            return found
        raise BadEntryError("not_json", f"the compressed DAG is cut short, or larger than {_LARGEST >> 20} MiB")
    if isinstance(data, str | bytes) and data:
        return data
    raise BadEntryError("no_data", "data is missing")


def _task(task: object) -> tuple[str, list[str]]:
    inner = task.get("__var", task) if isinstance(task, dict) else None
    if isinstance(inner, dict):
        name = inner.get("task_id")
        downstream = inner.get("_downstream_task_ids", inner.get("downstream_task_ids", []))
        downstream = downstream.get("__var") if isinstance(downstream, dict) else downstream
        if isinstance(name, str) and isinstance(downstream, list) and all(isinstance(child, str) for child in downstream):
            return name, downstream
    raise BadEntryError("not_a_serialized_dag", "a task has a task_id, and downstream_task_ids that are a list of names")


def _mapped_groups(dag: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the tasks that are in a mapped task group, each with the outermost such group."""
    waiting: list[tuple[object, str | None]] = [(dag.get("task_group"), None)]
    while waiting:
        group, mapped = waiting.pop()
        if not isinstance(group, dict) or not isinstance(children := group.get("children"), dict):
            continue
        if mapped is None and group.get("is_mapped"):
            mapped = str(group.get("_group_id"))
        for child in children.values():
            kind, content = child if isinstance(child, list) and len(child) == 2 else (None, None)
            if kind == "taskgroup":
                waiting.append((content, mapped))
            elif mapped is not None and isinstance(content, str):
                yield content, mapped

"""The tasks and files of WfFormat instances: what 1.5 says in two lists by id, and 1.4 in one by name, as one list of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipesim.ingest.reading.fields import Entry, UnfitError, as_mapping, mappings, number, text, texts
from pipesim.ingest.reading.unit import Value


@dataclass
class Task:
    """A task as both versions describe it.

    Args:
        raw: What the document says of it.
        task_id: Its id; in 1.4, where ids are optional, else its name.
        edges: Who waits for whom (task, parent), it being one of both, as its own entry or that of the other one says.
        reads: Each input file and its size.
        writes: Each output file and its size.
        execution: How it was executed, if the document says that it was.
        problem: Why it cannot be read.
    """

    raw: object
    task_id: str | None = None
    edges: dict[tuple[str, str], None] = field(default_factory=dict)
    reads: list[tuple[str, Value]] = field(default_factory=list)
    writes: list[tuple[str, Value]] = field(default_factory=list)
    execution: Entry | None = None
    problem: UnfitError | None = None


def tasks_and_orphans(
    specified: Sequence[object], executed: Sequence[object], files: Sequence[object]
) -> tuple[list[Task], list[object]]:
    """Return the tasks of a 1.5 instance, and the executions that are of no task."""
    # Of two entries of one name, the first one counts: the second one is refused.
    entries = [entry for entry in reversed(files) if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    sizes = {entry["id"]: entry.get("sizeInBytes") for entry in entries}
    executions: dict[str, list[Entry]] = {}
    orphans: list[object] = []
    for entry in executed:
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            executions.setdefault(entry["id"], []).append(entry)
        else:
            orphans.append(entry)
    tasks = [_task(entry, executions, sizes) for entry in specified]
    _refuse_twins(tasks)
    known = {task.task_id for task in tasks}
    orphans += [entry for task_id, entries in executions.items() if task_id not in known for entry in entries]
    _connect(tasks)
    return tasks, orphans


def _task(raw: object, executions: Mapping[str, list[Entry]], sizes: Mapping[str, object]) -> Task:
    task = Task(raw)
    try:
        entry = as_mapping(raw, "tasks[]")
        task.task_id = text(entry, "id")
        mine = executions.get(task.task_id or "", [])
        task.raw = {**entry, "execution": mine[0]} if mine else entry
        if any(other != mine[0] for other in mine):
            raise UnfitError("conflicting_executions", f"{len(mine)} different executions have its id")
        task.execution = mine[0] if mine else None
        task.reads = [(name, size_of(sizes.get(name))) for name in texts(entry, "inputFiles")]
        task.writes = [(name, size_of(sizes.get(name))) for name in texts(entry, "outputFiles")]
    except UnfitError as error:
        task.problem = error
    return task


def old_tasks(entries: Sequence[object]) -> list[Task]:
    """Return the tasks of a 1.4 instance, whose entries say how they were executed, too."""
    tasks = [_old_task(entry) for entry in entries]
    _refuse_twins(tasks)
    _connect(tasks)
    return tasks


def _old_task(raw: object) -> Task:
    task = Task(raw)
    try:
        entry = as_mapping(raw, "tasks[]")
        task.task_id = text(entry, "id") or text(entry, "name")
        task.execution = entry
        for file in mappings(entry, "files"):
            link = text(file, "link")
            if link not in ("input", "output"):
                raise UnfitError("unknown_link", f"the link of a file is {link!r}, neither input nor output")
            (task.reads if link == "input" else task.writes).append((old_name(file), _old_size(file)))
    except UnfitError as error:
        task.problem = error
    return task


def old_files(tasks: Iterable[Task]) -> list[object]:
    """Return the files that the tasks of a 1.4 instance name, each once, as 1.5 would list them.

    A file of which two tasks give different sizes is listed with each.
    """
    found = {(name, size): None for task in tasks if not task.problem for name, size in [*task.reads, *task.writes]}
    return [{"id": name, "sizeInBytes": size} for name, size in found]


def old_name(file: Entry) -> str:
    """Return what identifies a file in 1.4: its name, behind its path where it has one."""
    return f"{text(file, 'path') or ''}{text(file, 'name') or ''}"


def _old_size(file: Entry) -> Value:
    return number(file, "sizeInBytes" if "sizeInBytes" in file else "size")


def size_of(said: object) -> Value:
    """Return a size that a file's own entry will be accepted with, for the tasks that read or write the file."""
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 1 << 63 else None


def _refuse_twins(tasks: Sequence[Task]) -> None:
    """Refuse a task that has the id of an earlier one, as the two would be taken for one."""
    first: dict[str, Task] = {}
    for task in tasks:
        if task.task_id and first.setdefault(task.task_id, task).raw != task.raw:
            task.problem = UnfitError("task_id_twice", "an earlier task has its id")


def _connect(tasks: Sequence[Task]) -> None:
    """Give each task its parents: those that it names, and those that name it as their child."""
    named: dict[str, list[str]] = {}
    for task in tasks:
        if task.task_id and isinstance(task.raw, dict) and isinstance(name := task.raw.get("name"), str):
            named.setdefault(name, []).append(task.task_id)
    known = {task.task_id: task for task in tasks if task.task_id and not task.problem}
    for task_id, task in known.items():
        entry = as_mapping(task.raw, "tasks[]")
        try:
            parents = [_resolve(parent, known, named) for parent in texts(entry, "parents")]
            children = [_resolve(child, known, named) for child in texts(entry, "children")]
        except UnfitError as error:
            task.problem = error
            continue
        edges = [(task_id, parent) for parent in parents] + [(child, task_id) for child in children]
        for edge in edges:
            # With both its ends, so that one that is refused leaves the other with an edge to nowhere, which refuses the run.
            for end in edge:
                if end in known:
                    known[end].edges[edge] = None


def _resolve(said: str, known: Mapping[str, Task], named: Mapping[str, list[str]]) -> str:
    """Return the id of the task that is meant by an id or, as in 1.4, a name."""
    if said in known or said not in named:
        return said
    if len(named[said]) > 1:
        raise UnfitError("ambiguous_name", f"{len(named[said])} tasks are called {said!r}")
    return named[said][0]

"""One workflow as units: the run itself, then its nodes, each a task, a part of the graph, or nothing that can be read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import pyarrow as pa

from pipesim.ingest.reading.fields import Entry, UnfitError, as_mapping, boolean, mapping, text, texts, unfit_unit, written
from pipesim.ingest.reading.json_text import BrokenDocumentError, parse_json
from pipesim.ingest.reading.unit import Record, Unit, Value
from pipesim.ingest.sources.argo.demand import Templates, parameters
from pipesim.ingest.sources.argo.graph import (
    GROUPING,
    MAX_EDGES,
    WORKING,
    Node,
    Place,
    TooManyEdgesError,
    dependencies,
    places,
)
from pipesim.ingest.sources.argo.moved import moved_records
from pipesim.ingest.sources.argo.run import run_id_of, run_record

#: Argo keeps compressed nodes below what etcd takes, some 1 MiB; this is a hundred times that.
_MAX_NODES_BYTES = 128 << 20
#: The template that all containers of Kubeflow Pipelines 2 are run with, in a group that has the task's name.
_KUBEFLOW_TEMPLATE = "system-container-impl"
_KNOWN = frozenset({
    "id", "name", "displayName", "type", "templateName", "templateRef", "templateScope", "phase", "boundaryID", "message",
    "startedAt", "finishedAt", "estimatedDuration", "progress", "resourcesDuration", "podIP", "daemoned", "nodeFlag", "inputs",
    "outputs", "children", "outboundNodes", "hostNodeName", "memoizationStatus", "synchronizationStatus", "taskResultSynced",
    "failedPodRestarts", "restartingPodUID", "storedTemplateID", "workflowTemplateName",
})  # fmt: skip


def workflow_units(workflow: Entry, numbers: Iterator[int]) -> Iterator[Unit]:
    """Yield a workflow's unit and those of its nodes.

    Args:
        workflow: The workflow.
        numbers: Gives the numbers of the units.
    """
    status = workflow.get("status")
    head = {**workflow, "status": {k: v for k, v in status.items() if k != "nodes"}} if isinstance(status, dict) else workflow
    nodes: Entry = {}
    try:
        nodes = _nodes(mapping(workflow, "status"))
        run = _Run(workflow, nodes)
    except UnfitError as error:
        yield unfit_unit(next(numbers), head, error)
        for node in nodes.values():
            yield unfit_unit(next(numbers), node, UnfitError("unreadable_workflow", f"its workflow: {error.detail}"))
        return
    number = next(numbers)
    try:
        yield Unit(number, written(head), [run_record(workflow, run.run_id)])
    except UnfitError as error:
        yield unfit_unit(number, head, error)
    for node_id, entry in nodes.items():
        yield run.unit(next(numbers), node_id, entry)


class _Run:
    """A workflow whose nodes are placed in its graph."""

    def __init__(self, workflow: Entry, nodes: Entry) -> None:
        self.run_id = run_id_of(workflow)
        self._entries = nodes
        self._templates = Templates(workflow)
        self._problems: dict[str, UnfitError] = {}
        self._graph: dict[str, Node] = {}
        for node_id, entry in nodes.items():
            try:
                self._graph[node_id] = self._node(node_id, as_mapping(entry, "nodes{}"))
            except UnfitError as error:
                self._problems[node_id] = error
        self._places, twins = places(self._graph)
        for node_id in twins:
            self._problems[node_id] = UnfitError(
                "node_name_twice", f"an earlier node is called {self._graph[node_id].name!r}, too"
            )
        name = text(mapping(workflow, "metadata"), "name")
        try:
            parents = dependencies(self._graph, self._places, f"{name}.onExit")
        except TooManyEdgesError as error:
            raise UnfitError("too_many_edges", f"its tasks have over {MAX_EDGES} dependencies") from error
        # With both its ends, so that one that is refused leaves the other with an edge to nowhere, which refuses the run.
        self._edges: dict[str, dict[tuple[str, str], None]] = {}
        for child, named in parents.items():
            for parent in named:
                for end in (child, parent):
                    self._edges.setdefault(end, {})[child, parent] = None

    def _node(self, node_id: str, entry: Entry) -> Node:
        kind = text(entry, "type") or ""
        if kind not in WORKING and kind not in GROUPING and kind != "Skipped":
            self._problems[node_id] = UnfitError("unknown_node_type", f"the type {kind!r} is none of Argo's")
        works = kind in WORKING or (kind == "Skipped" and self._templates.works(entry))
        name, children = text(entry, "name") or node_id, tuple(texts(entry, "children"))
        return Node(name, kind, children, text(entry, "boundaryID"), works)

    def unit(self, number: int, node_id: str, entry: object) -> Unit:
        """Return the unit of a node: one without records where it only groups others."""
        try:
            if node_id in self._problems:
                raise self._problems[node_id]
            node, known = self._graph[node_id], as_mapping(entry, "nodes{}")
            unused = [] if known.keys() <= _KNOWN else sorted(known.keys() - _KNOWN)
            if not all(map(self._entries.__contains__, node.children)):
                unused.append("children (of nodes that are not in the document)")
            place = self._places.get(node_id)
            records = [] if place is None else self._records(known, node, place)
            return Unit(number, written(entry), records, unused=unused)
        except UnfitError as error:
            return unfit_unit(number, entry, error)

    def _records(self, entry: Entry, node: Node, place: Place) -> list[Record]:
        common: dict[str, Value] = {"run_id": self.run_id, "task_id": place.task_id}
        boundary = self._entries.get(node.boundary or "")
        around: Entry = boundary if isinstance(boundary, dict) else {}
        kind = text(entry, "templateName") or text(mapping(entry, "templateRef"), "template")
        name = _display_name(entry, node, place)
        decided: dict[str, str] = {}
        if kind and kind.endswith(_KUBEFLOW_TEMPLATE):
            kind = name = text(around, "displayName") or name
            decided = parameters(mapping(around, "inputs"))
        phase = text(entry, "phase") or ""
        memoized = boolean(mapping(entry, "memoizationStatus"), "hit")
        attempt: dict[str, Value] = {
            "table": "task_runs",
            **common,
            "attempt": place.attempt,
            "task_name": name,
            "task_type": kind,
            "raw_type": kind,
            "status": phase or "PENDING",
            **_instants(entry, phase),
            "node_id": text(entry, "hostNodeName"),
            "cached": True if decided.get("cached-decision") == "true" else memoized,
            "error": text(entry, "message") if phase in ("Failed", "Error") else None,
        }
        if phase not in ("Skipped", "Omitted"):
            attempt |= self._templates.demand(entry)._asdict()
        edges: list[Record] = [
            {"table": "task_edges", "run_id": self.run_id, "task_id": child, "parent_task_id": parent}
            for child, parent in self._edges.get(place.task_id, ())
        ]
        return [attempt, *edges, *moved_records(entry, {**common, "attempt": place.attempt})]


def _instants(entry: Entry, phase: str) -> dict[str, Value]:
    """Return the instants of a node; Argo says when its pod was made, not when that got its resources."""
    made, finished = text(entry, "startedAt"), text(entry, "finishedAt")
    if phase in ("Skipped", "Omitted"):
        return {"ended_at": finished}
    return {"queued_at" if phase in ("Pending", "") else "started_at": made, "ended_at": finished}


def _display_name(entry: Entry, node: Node, place: Place) -> str:
    """Return what a task is called in its template: a node's display name, without the number of the attempt."""
    name = text(entry, "displayName") or node.name
    if node.name.endswith(")") and not place.task_id.endswith(mark := node.name[node.name.rfind("(") :]):
        return name.removesuffix(mark)
    return name


def _nodes(status: Entry) -> Entry:
    """Return a workflow's nodes by id, unpacked where Argo compressed them to keep the object small."""
    if nodes := mapping(status, "nodes"):
        return nodes
    if packed := text(status, "compressedNodes"):
        return _unpacked(packed)
    if version := text(status, "offloadNodeStatusVersion"):
        raise UnfitError(
            "nodes_elsewhere",
            f"its nodes are in Argo's database (version {version}); export it with `argo get -o json` through the Argo Server",
        )
    return {}


def _unpacked(packed: str) -> Entry:
    try:
        data = base64.b64decode(packed, validate=True)
        compression = "gzip" if data[:2] == b"\x1f\x8b" else "zstd" if data[:4] == b"\x28\xb5\x2f\xfd" else None
        if compression is None:
            raise UnfitError("broken_compressed_nodes", "compressedNodes is neither gzip nor zstd")
        with pa.CompressedInputStream(pa.BufferReader(data), compression) as stream:
            unpacked = stream.read(_MAX_NODES_BYTES + 1)
        if len(unpacked) > _MAX_NODES_BYTES:
            raise UnfitError("broken_compressed_nodes", f"compressedNodes holds over {_MAX_NODES_BYTES >> 20} MiB")
        documents = parse_json(unpacked.decode())
    except BrokenDocumentError as error:
        raise UnfitError("broken_compressed_nodes", f"compressedNodes holds no JSON: {error.message}") from error
    except (binascii.Error, UnicodeDecodeError, OSError) as error:
        raise UnfitError("broken_compressed_nodes", f"compressedNodes cannot be unpacked: {error}") from error
    return as_mapping(documents[0] if documents else None, "compressedNodes")

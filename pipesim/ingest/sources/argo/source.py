"""The `argo` source: finding the workflows in a file, and the units that each of them is.

The shape is that of `Workflow` in argoproj.io/v1alpha1 (github.com/argoproj/argo-workflows: pkg/apis/workflow/v1alpha1, with
docs/fields.md as the reference), with the labels and templates of Kubeflow Pipelines 1 and 2 (github.com/kubeflow/pipelines:
backend/src/common/util/consts.go, backend/src/v2/compiler/argocompiler). Run on two statuses that controllers of 2020 and 2022
wrote, from the tests of Argo itself; not run on a platform's export, nor on one of Kubeflow.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from pipesim.errors import FileError
from pipesim.ingest.reading.document import load_documents
from pipesim.ingest.reading.fields import UnfitError, unfit_unit
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.reading.json_text import BrokenDocumentError, parse_json
from pipesim.ingest.reading.lines import read_lines
from pipesim.ingest.reading.unit import Unit
from pipesim.ingest.sources.argo.workflow import workflow_units
from pipesim.ingest.sources.translated import Translated

_REMEDY = "write workflows with `kubectl get workflows -o json` or `argo list -o json`, or name another --source"
_SEEN = re.compile(r"""["']?apiVersion["']?\s*:\s*["']?argoproj\.io/v1alpha1\b|["']?workflows\.argoproj\.io/[\w-]+["']?\s*:""")
_NOT_ONE = UnfitError("no_workflow", "this is no Workflow of Argo")


class Argo(Translated):
    """Workflows of Argo Workflows, their nodes included."""

    name = "argo"
    description = "Argo Workflows and Kubeflow Pipelines on them: Workflow objects, lists of them or JSON lines, JSON or YAML"
    suffixes = frozenset({".json", ".jsonl", ".ndjson", ".yaml", ".yml"})

    def recognise(self, head: Head) -> Recognised | None:
        """The API version of Argo Workflows, or a label that only its controller writes."""
        found = _SEEN.search(head.text)
        return Recognised(3, f"{found[0].strip()} of Argo Workflows") if found else None

    def units(self, file: LogFile) -> Iterator[Unit]:
        """Yield each workflow and, after it, its nodes, as they stand in the document.

        Raises:
            FileError: If the file is no JSON or YAML, or holds something else.
        """
        first = Head(file).first_object if file.format not in ("parquet", "sqlite") else None
        numbers = itertools.count(1)
        if first is not None and _is_workflow(first):
            yield from _lines(file, numbers)
            return
        found = [entry for document in load_documents(file) for entry in _entries(document)]
        if found and not any(_is_workflow(entry) for entry in found):
            raise FileError("it holds no Workflow of Argo", where=file.name, remedy=_REMEDY)
        for entry in found:
            yield from _entry_units(entry, numbers)


def _lines(file: LogFile, numbers: Iterator[int]) -> Iterator[Unit]:
    """Yield the units of JSON lines, of which a broken one leaves the others as they are."""
    for batch in read_lines(file):
        unread = {bad.place: bad for bad in batch.bad}
        for line, said in enumerate(batch.text.to_pylist(), batch.first):
            if bad := unread.get(line):
                yield Unit(next(numbers), bad.raw, problem=(bad.rule, bad.detail), stage="read")
                continue
            try:
                documents = parse_json(said)
            except BrokenDocumentError as error:
                problem = ("not_json", f"line {line}, column {error.column}: {error.message}")
                yield Unit(next(numbers), said.rstrip("\r\n"), problem=problem)
                continue
            if not documents:
                yield Unit(next(numbers), "")
            for entry in documents:
                yield from _entry_units(entry, numbers)


def _entry_units(entry: object, numbers: Iterator[int]) -> Iterator[Unit]:
    if isinstance(entry, dict) and _is_workflow(entry):
        yield from workflow_units(entry, numbers)
    else:
        yield unfit_unit(next(numbers), entry, _NOT_ONE)


def _entries(document: object) -> list[object]:
    """Return what a document holds: the items of a list, else itself; an empty YAML document holds nothing."""
    if document is None:
        return []
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and "items" in document and not _is_workflow(document):
        items = document["items"]
        return items if isinstance(items, list) else [] if items is None else [document]
    return [document]


def _is_workflow(entry: object) -> bool:
    """Whether an entry is a workflow; Argo's own tools leave out of some what kind of object it is."""
    if not isinstance(entry, dict):
        return False
    version, kind = entry.get("apiVersion"), entry.get("kind")
    if kind == "Workflow":
        return version is None or (isinstance(version, str) and version.startswith("argoproj.io/"))
    return (
        kind is None and version is None and isinstance(entry.get("metadata"), dict) and ("spec" in entry or "status" in entry)
    )

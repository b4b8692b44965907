"""What a workflow's templates ask of Kubernetes for their pods: cores, memory and GPUs, as the node's inputs fill them in."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from pipesim.ingest.reading.fields import Entry, UnfitError, as_mapping, mapping, mappings, text
from pipesim.ingest.reading.json_text import BrokenDocumentError, parse_json
from pipesim.ingest.reading.yaml_text import parse_yaml

#: Labels of Kubernetes nodes that name their GPUs, of the device plugin of NVIDIA and of the large clouds.
_GPU_LABELS = (
    "nvidia.com/gpu.product",
    "cloud.google.com/gke-accelerator",
    "k8s.amazonaws.com/accelerator",
    "accelerator",
)  # fmt: skip
_PLACEHOLDER = re.compile(r"\{\{=?\s*(inputs|workflow)\.parameters\.([\w.-]+)\s*\}\}")
# k8s.io/apimachinery/pkg/api/resource, Quantity.
_QUANTITY = re.compile(r"([+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30}))(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?")
_SUFFIXES = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("n", "u", "m"), -3)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
#: Parts of a template by which it is told that it works, and does not only group others or wait.
_WORK = ("container", "containerSet", "script", "resource", "data", "http", "plugin")


class Demand(NamedTuple):
    """What a pod holds; None where its template does not say."""

    cpu_cores: float | None = None
    memory_bytes: int | None = None
    gpus: float | None = None
    gpu_type: str | None = None


class Templates:
    """The templates that the nodes of a workflow were made from.

    Args:
        workflow: The workflow.

    Raises:
        UnfitError: If a part of it is not of the type that it has in Argo.
    """

    def __init__(self, workflow: Entry) -> None:
        spec, status = mapping(workflow, "spec"), mapping(workflow, "status")
        stored_spec = mapping(status, "storedWorkflowTemplateSpec")
        self._local = {text(t, "name"): t for part in (stored_spec, spec) for t in mappings(part, "templates")}
        self._stored = mapping(status, "storedTemplates")
        self._spec = {**stored_spec, **spec}
        self._parameters = {**parameters(mapping(stored_spec, "arguments")), **parameters(mapping(spec, "arguments"))}
        self._fixed: dict[tuple[object, ...], Demand] = {}

    def works(self, node: Entry) -> bool:
        """Return whether a node that was skipped would have worked; True where its template is not in the document."""
        template = self._find(node)
        return template is None or any(template.get(part) is not None for part in _WORK)

    def demand(self, node: Entry) -> Demand:
        """Return what a node's pod holds.

        Raises:
            UnfitError: If its template asks for what is no quantity.
        """
        reference = node.get("templateRef")
        key = (text(node, "templateScope"), text(node, "templateName"), reference and str(reference))
        if (known := self._fixed.get(key)) is not None:
            return known
        template = self._find(node)
        if template is None:
            return Demand()
        filler = _Filler({"workflow": self._parameters, "inputs": parameters(mapping(node, "inputs"))})
        found = self._of(template, filler)
        if not filler.used:
            self._fixed[key] = found
        return found

    def _find(self, node: Entry) -> Entry | None:
        reference = mapping(node, "templateRef")
        if reference:
            scope = "cluster" if reference.get("clusterScope") else "namespaced"
            found = self._stored.get(f"{scope}/{text(reference, 'name')}/{text(reference, 'template')}")
        else:
            name = text(node, "templateName")
            found = self._stored.get(f"{text(node, 'templateScope')}/{name}", self._local.get(name)) if name else None
        return None if found is None else as_mapping(found, "template")

    def _of(self, template: Entry, filler: _Filler) -> Demand:
        containers = {name: _resources(entry) for name, entry in _containers(template)}
        selector = {**mapping(self._spec, "nodeSelector"), **mapping(template, "nodeSelector")}
        for patch in (text(self._spec, "podSpecPatch"), text(template, "podSpecPatch")):
            pod = _patch(filler.fill(patch or "{}"))
            if pod is None:
                return Demand()
            for entry in mappings(pod, "containers"):
                limits, requests = containers.setdefault(text(entry, "name") or "main", ({}, {}))
                patched = _resources(entry)
                limits.update(patched[0])
                requests.update(patched[1])
            selector.update(mapping(pod, "nodeSelector"))
        asked_of: dict[str, list[Decimal | None]] = {}
        for limits, requests in containers.values():
            for resource, said in {**limits, **requests}.items():  # as Kubernetes does where there is only a limit
                asked_of.setdefault(resource, []).append(quantity(filler.fill(said) if isinstance(said, str) else said))
        cores, memory = _total(asked_of.get("cpu")), _total(asked_of.get("memory"))
        # A pod gets no device that it does not ask for.
        gpus = _total([q for resource, all_ in asked_of.items() if resource.endswith("/gpu") for q in all_] or [Decimal(0)])
        labels = (filler.fill(said) for name in _GPU_LABELS if isinstance(said := selector.get(name), str))
        return Demand(
            None if cores is None else float(cores),
            None if memory is None else math.ceil(memory),
            float(gpus) if asked_of and gpus is not None else None,
            next((label for label in labels if "{{" not in label), None) if gpus else None,
        )


class _Filler:
    """Puts the values of parameters where their placeholders stand, and remembers whether there were any."""

    def __init__(self, values: Mapping[str, Mapping[str, str]]) -> None:
        self._values = values
        self.used = False

    def fill(self, written: str) -> str:
        if "{{" not in written:
            return written
        self.used = True
        return _PLACEHOLDER.sub(lambda found: self._values[found[1]].get(found[2], found[0]), written)


def quantity(said: object) -> Decimal | None:
    """Return a quantity of Kubernetes, such as `500m` or `4Gi`; None where it is missing or a placeholder.

    Raises:
        UnfitError: If it is no quantity.
    """
    written = said if isinstance(said, str) else repr(said)
    if said is None or "{{" in written:
        return None
    found = _QUANTITY.fullmatch(written.strip())
    if found is None or isinstance(said, bool):
        raise UnfitError("not_a_quantity", f"{written[:40]!r} is no quantity of Kubernetes")
    return Decimal(found[1] + (found[2] or "")) * _SUFFIXES.get(found[3] or "", Decimal(1))


def _total(quantities: list[Decimal | None] | None) -> Decimal | None:
    known = [q for q in quantities or () if q is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(quantities or ()) else None


def _containers(template: Entry) -> Iterator[tuple[str, Entry]]:
    for part in ("container", "script"):
        if template.get(part) is not None:
            yield "main", mapping(template, part)
    for at, entry in enumerate([*mappings(mapping(template, "containerSet"), "containers"), *mappings(template, "sidecars")]):
        yield text(entry, "name") or f"#{at}", entry


def _resources(container: Entry) -> tuple[dict[str, object], dict[str, object]]:
    resources = mapping(container, "resources")
    return dict(mapping(resources, "limits")), dict(mapping(resources, "requests"))


def _patch(written: str) -> Entry | None:
    """Return a patch of a pod's specification, JSON or YAML; None where it depends on a placeholder that is left in it."""
    try:
        documents = parse_json(written) if written.lstrip()[:1] == "{" else parse_yaml(written)
    except BrokenDocumentError as error:
        if "{{" in written:
            return None
        raise UnfitError("broken_pod_spec_patch", f"the podSpecPatch cannot be read: {error.message}") from error
    return as_mapping(documents[0], "podSpecPatch") if documents and documents[0] is not None else {}


def parameters(part: Entry) -> dict[str, str]:
    """Return the values of the parameters of inputs, outputs or arguments, as text."""
    return {
        str(parameter.get("name")): said if isinstance(said := parameter.get("value"), str) else repr(said)
        for parameter in mappings(part, "parameters")
        if parameter.get("value") is not None
    }

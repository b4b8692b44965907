"""What a Workflow object says of the run as a whole."""

from __future__ import annotations

from pipesim.ingest.reading.fields import Entry, UnfitError, mapping, mappings, number, text
from pipesim.ingest.reading.json_text import BrokenDocumentError, parse_json
from pipesim.ingest.reading.unit import Record, Value

_ARGO = "workflows.argoproj.io"
_SCHEDULED = "scheduledworkflows.kubeflow.org"
#: Where Kubeflow Pipelines 1 keeps the compiled pipeline's name and parameters.
_PIPELINE_SPEC = "pipelines.kubeflow.org/pipeline_spec"
_CREATORS = (f"{_ARGO}/creator-preferred-username", f"{_ARGO}/creator-email", f"{_ARGO}/creator")
_TEMPLATES = (f"{_ARGO}/workflow-template", f"{_ARGO}/cluster-workflow-template", f"{_ARGO}/cron-workflow")


def run_id_of(workflow: Entry) -> str:
    """Return what identifies a run: the id that Kubeflow Pipelines gave it, else the object's uid, else its name.

    Raises:
        UnfitError: If it has none of them.
    """
    metadata = mapping(workflow, "metadata")
    if found := text(mapping(metadata, "labels"), "pipeline/runid") or text(metadata, "uid"):
        return found
    if name := text(metadata, "name"):
        return f"{text(metadata, 'namespace') or 'default'}/{name}"
    raise UnfitError("no_run_id", "it has neither a uid nor a name")


def run_record(workflow: Entry, run_id: str) -> Record:
    """Return the run of a workflow.

    Raises:
        UnfitError: If a field is not of the type that it has in Argo.
    """
    metadata, spec, status = mapping(workflow, "metadata"), mapping(workflow, "spec"), mapping(workflow, "status")
    labels = mapping(metadata, "labels")
    scheduled = text(labels, f"{_ARGO}/cron-workflow") or text(labels, f"{_SCHEDULED}/scheduledWorkflowName")
    instants = {
        "submitted_at": text(metadata, "creationTimestamp"),
        "started_at": text(status, "startedAt"),
        "ended_at": text(status, "finishedAt"),
    }
    record: dict[str, Value] = {
        "table": "pipeline_runs",
        "run_id": run_id,
        "pipeline_name": _pipeline_name(metadata, labels, spec),
        "trigger": "schedule" if scheduled else None,
        "parent_run_id": next(
            (text(o, "uid") for o in mappings(metadata, "ownerReferences") if text(o, "kind") == "Workflow"), None
        ),
        "tenant": text(metadata, "namespace"),
        "user": next((user for label in _CREATORS if (user := text(labels, label))), None),
        "priority": number(spec, "priority"),
        # A workflow that the controller has not seen yet has no phase.
        "status": text(status, "phase") or "PENDING",
        **instants,
        "time_basis": "utc" if all(instant.endswith("Z") for instant in instants.values() if instant) else None,
    }
    return record


def _pipeline_name(metadata: Entry, labels: Entry, spec: Entry) -> str | None:
    """Return the name that a workflow shares with other runs of the same pipeline, its own where it shares none."""
    if said := text(mapping(metadata, "annotations"), _PIPELINE_SPEC):
        try:
            documents = parse_json(said)
        except BrokenDocumentError:
            documents = []
        if documents and isinstance(documents[0], dict) and isinstance(name := documents[0].get("name"), str) and name:
            return name
    shared = (text(mapping(spec, "workflowTemplateRef"), "name"), *(text(labels, label) for label in _TEMPLATES))
    prefix = (text(metadata, "generateName") or "").rstrip("-")
    return next((name for name in (*shared, prefix) if name), text(metadata, "name"))

"""The artifacts that a node read and wrote, by the place where they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipesim.ingest.reading.fields import Entry, mapping, mappings, text
from pipesim.ingest.reading.unit import Record, Value

#: The kinds of store, and the fields that hold a bucket and the place in it.
_STORES = (
    ("s3", "bucket", "key"),
    ("gcs", "bucket", "key"),
    ("oss", "bucket", "key"),
    ("azure", "container", "blob"),
    ("hdfs", "", "path"),
    ("http", "", "url"),
    ("artifactory", "", "url"),
    ("git", "", "repo"),
)
#: Where Argo keeps what the main container printed, which is no data of the pipeline.
_LOGS = "main-logs"


def moved_records(node: Entry, attempt: Mapping[str, Value]) -> Iterator[Record]:
    """Yield the data assets that a node moved and that it moved them; an artifact that is nowhere stored is left out.

    The version of an asset is the run that moved it, as Argo does not say which content it had.

    Args:
        node: A node that works.
        attempt: The run, task and attempt that it is.

    Raises:
        UnfitError: If a field is not of the type that it has in Argo.
    """
    for direction, part in (("read", "inputs"), ("write", "outputs")):
        for artifact in mappings(mapping(node, part), "artifacts"):
            found = next(((bucket, at) for bucket, at in _stored(artifact) if at), None)
            if found is None or text(artifact, "name") == _LOGS:
                continue
            asset = {"asset_id": found[1], "version": attempt["run_id"]}
            yield {"table": "data_assets", **asset, "namespace": found[0]}
            yield {"table": "task_io", **attempt, "direction": direction, **asset}


def _stored(artifact: Entry) -> Iterator[tuple[str | None, str | None]]:
    for store, bucket, place in _STORES:
        said = mapping(artifact, store)
        if said:
            yield text(said, bucket), text(said, place)

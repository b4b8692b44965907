"""Public data sets of AI/ML platforms and clusters: what there is, and getting it. See docs/datasets.md."""

from __future__ import annotations

from pipesim.ingest.datasets.catalogue import DataFile, Dataset, Member, datasets, find_dataset
from pipesim.ingest.datasets.fetch import Fetched, fetch

__all__ = ["DataFile", "Dataset", "Fetched", "Member", "datasets", "fetch", "find_dataset"]

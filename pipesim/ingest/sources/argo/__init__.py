"""The `argo` source: workflows of Argo Workflows as Kubernetes and Argo's own tools write them."""

from __future__ import annotations

from pipesim.ingest.sources.argo.source import Argo

__all__ = ["Argo"]

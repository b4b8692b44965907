"""The log formats that pipesim reads, by name."""

from __future__ import annotations

from pathlib import Path

from pipesim.errors import RequestError
from pipesim.ingest.mapping import load_mapping
from pipesim.ingest.sources.base import Field, Projection, Source
from pipesim.ingest.sources.job_table import JobTable
from pipesim.ingest.sources.native import Native

_PROFILES = Path(__file__).parents[1] / "profiles"

__all__ = ["Field", "JobTable", "Native", "Projection", "Source", "find_source", "source_names"]


def source_names() -> list[str]:
    """Return the names that `find_source` knows: the formats, then the shipped job-table profiles."""
    return ["native", "job-table", *sorted(path.stem for path in _PROFILES.glob("*.yaml"))]


def find_source(name: str, mapping: Path | None = None, time_zone: str | None = None) -> Source:
    """Return a source by name.

    Args:
        name: One of `source_names()`.
        mapping: The mapping file that `job-table` needs.
        time_zone: The zone of instants that name none; each source has its own default.

    Raises:
        RequestError: If there is no such source, or a mapping is missing or not wanted.
        ConfigError: If the mapping has mistakes.
    """
    if name not in source_names():
        raise RequestError(f"unknown source {name!r}", where="--source", remedy=f"use one of {', '.join(source_names())}")
    if name == "job-table":
        if mapping is None:
            raise RequestError(
                "job-table needs a mapping", where="--mapping", remedy="name a mapping file: --mapping FILE.yaml"
            )
        return JobTable(load_mapping(mapping), time_zone)
    if mapping is not None:
        raise RequestError(f"the source {name!r} takes no mapping", where="--mapping", remedy="use --source job-table with it")
    return Native(time_zone) if name == "native" else JobTable(load_mapping(_PROFILES / f"{name}.yaml"), time_zone)

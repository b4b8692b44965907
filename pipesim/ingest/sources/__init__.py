"""The log formats that pipesim reads, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from pipesim.errors import RequestError
from pipesim.ingest.mapping.model import PROFILES, load_mapping
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.reading.unit import Record, Unit, line_units
from pipesim.ingest.sources.airflow.source import Airflow
from pipesim.ingest.sources.argo.source import Argo
from pipesim.ingest.sources.base import Projection, Source
from pipesim.ingest.sources.job_table.source import JobTable
from pipesim.ingest.sources.mlflow.source import MLflow
from pipesim.ingest.sources.native import Native
from pipesim.ingest.sources.openlineage.source import OpenLineage
from pipesim.ingest.sources.slurm.source import Slurm
from pipesim.ingest.sources.swf.source import Swf
from pipesim.ingest.sources.translated import Translated
from pipesim.ingest.sources.wfformat.source import WfFormat
from pipesim.ingest.typing import Field

#: Formats of their own; the shipped mappings are sources beside them.
_FORMATS: Mapping[str, type[Native | Translated]] = {
    "native": Native,
    "openlineage": OpenLineage,
    "mlflow": MLflow,
    "airflow": Airflow,
    "slurm": Slurm,
    "swf": Swf,
    "wfformat": WfFormat,
    "argo": Argo,
}
#: Where other packages announce their sources: a name, and a subclass of `Source` that takes the time zone.
ENTRY_POINTS = "pipesim.sources"

__all__ = [
    "AUTO",
    "ENTRY_POINTS",
    "MAPPED",
    "Field",
    "Head",
    "JobTable",
    "Native",
    "Projection",
    "Recognised",
    "Record",
    "Source",
    "Translated",
    "Unit",
    "find_source",
    "line_units",
    "recognise_source",
    "source_names",
    "sources",
]

#: The name under which the source is chosen by what the files hold.
AUTO = "auto"
MAPPED = "any table of jobs, whose columns a mapping file names: --mapping FILE.yaml"


def source_names() -> list[str]:
    """Return the names that `find_source` knows: the formats, the shipped job-table profiles, those of other packages."""
    return [*_FORMATS, "job-table", *sorted(path.stem for path in PROFILES.glob("*.yaml")), *sorted(_plugins())]


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
    if name == "job-table":
        if mapping is None:
            raise RequestError(
                "job-table needs a mapping", where="--mapping", remedy="name a mapping file: --mapping FILE.yaml"
            )
        return JobTable(load_mapping(mapping), time_zone)
    if mapping is not None:
        raise RequestError(f"the source {name!r} takes no mapping", where="--mapping", remedy="use --source job-table with it")
    if name in _FORMATS:
        return _FORMATS[name](time_zone)
    if (profile := PROFILES / f"{name}.yaml") in PROFILES.glob("*.yaml"):
        return JobTable(load_mapping(profile), time_zone)
    if name in (plugins := _plugins()):
        return _load(plugins[name], time_zone)
    raise RequestError(f"unknown source {name!r}", where="--source", remedy=f"use one of {', '.join([*source_names(), AUTO])}")


def sources(time_zone: str | None = None) -> list[Source]:
    """Return every source that needs no mapping."""
    return [find_source(name, time_zone=time_zone) for name in source_names() if name != "job-table"]


def recognise_source(files: Sequence[LogFile], time_zone: str | None = None) -> tuple[Source, str]:
    """Return the source that files are of, and why it was chosen, as a sentence.

    Raises:
        RequestError: If a file is of no known format, of two alike, or if the files are of different ones.
    """
    known = sources(time_zone)
    chosen: dict[str, tuple[Source, str, str]] = {}
    for file in files:
        source, why = _recognise(file, known)
        chosen.setdefault(source.name, (source, file.name, why))
    if len(chosen) > 1:
        listed = "; ".join(f"{name} is {source.name}, as it has {why}" for source, name, why in chosen.values())
        raise RequestError(
            f"the files are of {len(chosen)} formats: {listed}", where="--source", remedy="ingest them one by one"
        )
    ((source, name, why),) = chosen.values()
    return source, f"{name} is read as {source.name}, as it has {why}"


def _recognise(file: LogFile, known: Sequence[Source]) -> tuple[Source, str]:
    head = Head(file)
    found = [(seen.certainty, source, seen.why) for source in known if (seen := source.recognise(head))]
    best = [(source, why) for certainty, source, why in found if certainty == max(c for c, _, _ in found)]
    if len(best) == 1:
        return best[0]
    if best:
        listed = "; ".join(f"{source.name}, as it has {why}" for source, why in best)
        raise RequestError(f"this file may be {listed}", where=file.name, remedy="name the one that it is with --source")
    shown = f"its columns are {', '.join(head.columns[:20])}" if head.columns else f"it begins with {head.text[:80]!r}"
    raise RequestError(
        f"no known format was recognised: {shown}",
        where=file.name,
        remedy="name it with --source (see `pipesim sources`), or draft a mapping with `pipesim mapping suggest`",
    )


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _load(entry: EntryPoint, time_zone: str | None) -> Source:
    try:
        source = entry.load()(time_zone)
    except Exception as error:
        raise RequestError(
            f"the source {entry.name!r} of another package cannot be loaded: {error}",
            where=entry.value,
            remedy="correct or remove that package",
        ) from error
    if not isinstance(source, Source):
        raise RequestError(
            f"the source {entry.name!r} of another package is no pipesim.ingest.sources.Source",
            where=entry.value,
            remedy="see docs/sources.md",
        )
    return source

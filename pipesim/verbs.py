"""The verbs over a lake: load what is needed, call the pure function, store what comes out with its manifest.

The command line and Dagster are two thin faces over these functions; neither holds logic of its own. None of them publishes
the catalogue: a face does that once, when all it was asked for is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipesim.catalog import snapshot_views
from pipesim.errors import RequestError
from pipesim.identity import file_hash
from pipesim.ingest import (
    AUTO,
    IngestReport,
    LogFile,
    Preview,
    Source,
    find_files,
    find_source,
    ingest_files,
    preview,
    recognise_source,
    sources,
)
from pipesim.lake import CURRENT, Lake
from pipesim.trace import Trace
from pipesim.workload import FitConfig, SynthesisConfig, WorkloadModel, fit, sampling, synthesize
from pipesim.workload.fitting import days

if TYPE_CHECKING:
    from pipesim.quality import Quality, QualityConfig


@dataclass(frozen=True)
class Fitted:
    """What fitting left: the model's identifier, the attempts it was fitted to, its duration cells, wall-clock seconds.

    `notes` says where the log was too short or too thin, how marks were chosen, and, first, whether the window drifts.
    """

    model: str
    rows: int
    cells: int
    seconds: float
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return {name: getattr(self, name) for name in ("model", "rows", "cells", "seconds")}


@dataclass(frozen=True)
class Synthesized:
    """What synthesis left: the trace's identifier, its runs and tasks (a retried task counts once), wall-clock seconds."""

    trace: str
    pipelines: int
    tasks: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return asdict(self)


def ingest_logs(
    lake: Lake, paths: Sequence[Path], source: str, mapping: Path | None = None, time_zone: str | None = None
) -> IngestReport:
    """Read log files into the lake, of a format by name or of the one that they show; see `pipesim.ingest.ingest`."""
    files, chosen, why = _of_a_format(paths, source, mapping, time_zone)
    return replace(ingest_files(lake, files, chosen), chosen=why)


def preview_logs(
    lake: Lake, paths: Sequence[Path], source: str, mapping: Path | None = None, time_zone: str | None = None
) -> Preview:
    """Tell what `ingest_logs` would do, and do nothing; see `pipesim.ingest.preview`."""
    files, chosen, why = _of_a_format(paths, source, mapping, time_zone)
    return replace(preview(lake, files, chosen), chosen=why)


def _of_a_format(
    paths: Sequence[Path], source: str, mapping: Path | None, time_zone: str | None
) -> tuple[list[LogFile], Source, str]:
    """Return the files, their format, and why it is that one, where nobody named it."""
    if source != AUTO:
        chosen = find_source(source, mapping, time_zone)
        return find_files(paths, suffixes=chosen.suffixes), chosen, ""
    if mapping is not None:
        raise RequestError("a mapping is for one source", where="--mapping", remedy="use --source job-table with it")
    files = find_files(paths, suffixes=frozenset().union(*(known.suffixes for known in sources())))
    return files, *recognise_source(files, time_zone)


def fit_workload(lake: Lake, config: FitConfig) -> Fitted:
    """Fit a workload model to everything observed, store it and make it the current one.

    Raises:
        EmptyTraceError: If nothing was ingested.
    """
    begun = time.perf_counter()
    if config.marks == "auto":
        from pipesim.quality import fit_with_best_marks

        model = fit_with_best_marks(lake.load_observed(), config)
    else:
        trace, whole = _read(lake, config)
        model = fit(trace, config, whole=whole)
    with lake.transaction() as tx:
        tx.stage(lake.models / f"{model.id}.json").write_text(model.to_json(), encoding="utf-8")
        tx.write_json({"current": model.id}, lake.models / CURRENT)
    seconds = round(time.perf_counter() - begun, 3)
    return Fitted(model.id, model.provenance.task_runs, len(model.durations), seconds, model.notes)


def _read(lake: Lake, config: FitConfig) -> tuple[Trace, sampling.Whole | None]:
    """Return what a fit reads: everything observed, or, where that is too much for the memory, a sample of its runs."""
    if lake.count_observed("task_runs") <= sampling.MOST_ATTEMPTS:
        return lake.load_observed(), None
    window = days(config.window) if config.window else None
    with TemporaryDirectory() as spill, snapshot_views(lake) as con:
        found = sampling.sample_of(con, window, spill)
    return found or (lake.load_observed(), None)


def load_model(lake: Lake, name: str | None = None) -> WorkloadModel:
    """Return a stored workload model, by default the current one.

    Raises:
        RequestError: If there is none.
    """
    name = name or lake.current(lake.models)
    path = lake.models / f"{name}.json"
    if name is None or not path.is_file():
        raise RequestError(
            "there is no workload model yet" if name is None else f"there is no workload model {name!r}",
            where=str(lake.models),
            remedy="fit one with `pipesim fit`",
        )
    return WorkloadModel.from_json(path.read_text(encoding="utf-8"))


def synthesize_trace(lake: Lake, config: SynthesisConfig) -> Synthesized:
    """Draw a synthetic trace from the current model, store it and make it the current one.

    Raises:
        RequestError: If there is no model, or the configuration is out of range.
    """
    begun = time.perf_counter()
    model = load_model(lake)
    trace = synthesize(model, config)
    lake.save_synthetic(trace, {"model": model.id, "config": config.model_dump(mode="json")})
    return Synthesized(trace.name, trace.pipeline_runs.height, count_tasks(trace), round(time.perf_counter() - begun, 3))


def quality(lake: Lake, config: QualityConfig, tell: Callable[[float], None] | None = None) -> Quality:
    """Judge the current model by the observed trace, store what was found and make it the current quality.

    What is found of private traces is not stored: it would stand for the model's own.

    Args:
        lake: The store.
        config: How to judge.
        tell: Is called with the share of the work that is done.

    Raises:
        RequestError: If there is no model, or the lake no longer holds what it was fitted to.
    """
    # Numba, which no other verb here needs, takes a while to load.
    from pipesim.quality import quality as judge
    from pipesim.quality.storing import save_quality

    model = load_model(lake)
    found = judge(lake.load_observed(), model, config, tell)
    if not config.private:
        inputs = {path.stem: file_hash(path) for path in lake.ingest_manifests()}
        save_quality(lake, found, {"config": config.model_dump(mode="json"), "ingests": inputs})
    return found


def count_tasks(trace: Trace) -> int:
    """Return the number of tasks of a trace; the attempts of one task count once."""
    return int(trace.task_runs.select("run_id", "task_id").n_unique()) if trace.task_runs.height else 0

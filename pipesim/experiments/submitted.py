"""What a replication submits: the observed trace again, or one drawn from the workload model, and what retrains its models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipesim.errors import EmptyTraceError, WorkError
from pipesim.identity import content_hash
from pipesim.lake import Lake
from pipesim.simulation import ModelSource, Scenario
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.verbs import load_model
from pipesim.workload import SynthesisConfig, WorkloadModel, synthesize
from pipesim.workload.retraining import draw_retraining

#: What a replication is made from: of its `workload`, `history` and `lifecycle`, the source and what was asked of it.
Made = Mapping[str, Mapping[str, Any]]


def made_from(lake: Lake, scenario: Scenario, replication: int) -> dict[str, dict[str, Any]]:
    """Return what decides on a replication beside the scenario: what its workload, its estimates and its models come from.

    Raises:
        EmptyTraceError: If a replay finds nothing observed.
        RequestError: If a synthetic workload, or a lifecycle, finds no model.
    """
    wanted = scenario.workload
    found: dict[str, dict[str, Any]] = {}
    if wanted.kind == "replay":
        if not lake.count_observed("task_runs"):
            raise EmptyTraceError(
                "there is nothing to replay",
                where="workload",
                remedy="ingest a log with `pipesim ingest` first",
            )
        found["workload"] = {"kind": "replay", "ingests": _ingests(lake)}
    else:
        config = _synthesis(scenario, replication)
        found["workload"] = {"kind": "synthetic", "model": _current(lake), **config.model_dump(mode="json")}
    if _needs_history(scenario):
        found["history"] = {"ingests": _ingests(lake)}
    if scenario.lifecycle is not None:
        found["lifecycle"] = {"model": _current(lake), "seed": _seed(scenario, replication)}
    return found


def workload(lake: Lake, scenario: Scenario, replication: int, made: Made) -> Trace:
    """Return the trace that a replication submits, given what `made_from` says.

    A synthetic workload of the same seed and replication is the same trace in every scenario, so that scenarios are
    compared under common random numbers. Replication 0 draws with the seed itself, as `pipesim synthesize` does.
    """
    if scenario.workload.kind == "replay":
        return _observed(lake.home, made["workload"]["ingests"])
    return _synthetic(lake.home, made["workload"]["model"], _synthesis(scenario, replication))


def _synthesis(scenario: Scenario, replication: int) -> SynthesisConfig:
    wanted = scenario.workload
    assert wanted.kind == "synthetic"
    return SynthesisConfig(days=wanted.days, scale=wanted.scale, seed=_seed(scenario, replication))


def _seed(scenario: Scenario, replication: int) -> int:
    root = scenario.workload.seed if scenario.workload.kind == "synthetic" else 0
    return root if replication == 0 else int(stream(root, "replication", replication).integers(2**62))


def expected_attempts(lake: Lake, scenario: Scenario) -> float:
    """Return how many task attempts a replication has, about.

    Raises:
        RequestError: If a synthetic workload finds no model.
    """
    wanted = scenario.workload
    if wanted.kind == "replay":
        return lake.count_observed("task_runs")
    model = _model(lake.home, _current(lake))
    span = max((model.window.end - model.window.start).total_seconds(), 1.0)
    return model.provenance.task_runs * wanted.scale * wanted.days * 86_400 / span


def model_source(lake: Lake, scenario: Scenario, made: Made) -> ModelSource | None:
    """Return what the workload model knows of models, if the scenario has a lifecycle, given what `made_from` says."""
    if scenario.lifecycle is None:
        return None
    return _source(lake.home, made["lifecycle"]["model"], made["lifecycle"]["seed"])


# A log never changes under its identifier, nor a model under its name, nor what is drawn from it with a seed. The last of each
# is kept, as the next scenario mostly wants the same.


@lru_cache(maxsize=1)
def _observed(home: str | Path, ingests: str) -> Trace:
    """Return the log that consists of these ingests.

    Raises:
        WorkError: If it consists of others by now.
    """
    lake = Lake(home)
    with lake.reading():
        if _ingests(lake) != ingests:
            raise WorkError(
                "something was ingested, or removed from the log, just when it was to be read",
                where=str(lake.home),
                remedy="run the command again; what was stored before is kept",
            )
        return lake.load_observed()


@lru_cache(maxsize=1)
def _model(home: Path | str, name: str) -> WorkloadModel:
    return load_model(Lake(home), name)


@lru_cache(maxsize=1)
def _synthetic(home: Path | str, name: str, config: SynthesisConfig) -> Trace:
    return synthesize(_model(home, name), config)


@lru_cache(maxsize=1)
def _source(home: Path | str, name: str, seed: int) -> ModelSource:
    model = _model(home, name)
    return ModelSource(model.lifecycle, lambda number: draw_retraining(model, number, seed))


def _current(lake: Lake) -> str:
    """Return the identifier of the current workload model.

    Raises:
        RequestError: If there is none.
    """
    return lake.current(lake.models) or load_model(lake).id


def history_of(lake: Lake, made: Made) -> Trace | None:
    """Return what was observed, if a synthetic workload is estimated from it, given what `made_from` says.

    A replay is estimated from itself.
    """
    return _observed(lake.home, made["history"]["ingests"]) if "history" in made else None


def _needs_history(scenario: Scenario) -> bool:
    return scenario.policy.estimates.kind == "history" and scenario.workload.kind == "synthetic"


def _ingests(lake: Lake) -> str:
    """Identify what has been ingested."""
    return content_hash(*(path.stem for path in lake.ingest_manifests()))

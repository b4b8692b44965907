"""What a replication submits: the observed trace again, or one drawn from the workload model, and what retrains its models."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pipesim.errors import EmptyTraceError
from pipesim.lake import Lake, content_hash
from pipesim.simulation import ModelSource, Scenario
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.verbs import load_model
from pipesim.workload import SynthesisConfig, WorkloadModel, synthesize
from pipesim.workload.retraining import draw_retraining


def workload(lake: Lake, scenario: Scenario, replication: int) -> tuple[Trace, dict[str, object]]:
    """Return the trace that a replication submits, and what it was made from.

    A synthetic workload of the same seed and replication is the same trace in every scenario, so that scenarios are
    compared under common random numbers. Replication 0 draws with the seed itself, as `pipesim synthesize` does.

    Raises:
        EmptyTraceError: If a replay finds nothing observed.
        RequestError: If a synthetic workload finds no model.
    """
    wanted = scenario.workload
    if wanted.kind == "replay":
        trace = lake.load_observed()
        if trace.task_runs.is_empty():
            raise EmptyTraceError(
                "there is nothing to replay",
                where="workload",
                remedy="ingest a log with `pipesim ingest` first",
            )
        return trace, {"kind": "replay", "ingests": ingests(lake)}
    name = _current(lake)
    config = SynthesisConfig(days=wanted.days, scale=wanted.scale, seed=_seed(scenario, replication))
    return _synthetic(lake.root, name, config), {"kind": "synthetic", "model": name, **config.model_dump(mode="json")}


def _seed(scenario: Scenario, replication: int) -> int:
    root = scenario.workload.seed if scenario.workload.kind == "synthetic" else 0
    return root if replication == 0 else int(stream(root, "replication", replication).integers(2**62))


def model_source(lake: Lake, scenario: Scenario, replication: int) -> tuple[ModelSource, dict[str, object]] | None:
    """Return what the workload model knows of models, and what that was made from, if the scenario has a lifecycle.

    Raises:
        RequestError: If there is no workload model.
    """
    if scenario.lifecycle is None:
        return None
    name, seed = _current(lake), _seed(scenario, replication)
    return _source(lake.root, name, seed), {"model": name, "seed": seed}


# A model never changes under its name, nor what is drawn from it with a seed. The last of each is kept, as the next scenario
# mostly wants the same.


@lru_cache(maxsize=1)
def _model(home: Path, name: str) -> WorkloadModel:
    return load_model(Lake(home), name)


@lru_cache(maxsize=1)
def _synthetic(home: Path, name: str, config: SynthesisConfig) -> Trace:
    return synthesize(_model(home, name), config)


@lru_cache(maxsize=1)
def _source(home: Path, name: str, seed: int) -> ModelSource:
    model = _model(home, name)
    return ModelSource(model.lifecycle, lambda number: draw_retraining(model, number, seed))


def _current(lake: Lake) -> str:
    """Return the identifier of the current workload model.

    Raises:
        RequestError: If there is none.
    """
    return lake.current(lake.models) or load_model(lake).id


def history_of(lake: Lake, scenario: Scenario) -> Trace | None:
    """Return what was observed, if a synthetic workload is estimated from it; a replay is estimated from itself."""
    wanted = scenario.policy.estimates.kind == "history" and scenario.workload.kind == "synthetic"
    return lake.load_observed() if wanted else None


def ingests(lake: Lake) -> str:
    """Identify what has been ingested."""
    return content_hash(*(path.stem for path in lake.ingest_manifests()))

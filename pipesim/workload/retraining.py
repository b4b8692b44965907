"""Retraining runs: what is run when a pipeline's model is trained again."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload.laws.law import Floats
from pipesim.workload.model import WorkloadModel
from pipesim.workload.runs import draw_runs, draw_shapes
from pipesim.workload.structure import Structure


def draw_retraining(model: WorkloadModel, number: int, seed: int) -> Trace:
    """Return the `number`-th retraining (0, 1, ...) of every pipeline that can retrain, in the order of the structure.

    A pipeline can retrain if a shape of it has a task of type `train`. The shape is drawn among these, and if some of them also
    deploy, among those only. Nobody knows yet when a run is submitted, or by what trigger: both are NULL. Tenant, user and
    priority are the pipeline's most frequent combination. The same model, number and seed give the same runs.

    Args:
        model: The workload model.
        number: Which retraining of each pipeline.
        seed: Root seed.
    """
    weights = _weights(model.structure)
    pipeline = np.unique(np.asarray(model.structure.pair_pipeline, dtype=np.int64)[weights > 0])
    own_seed = int(stream(seed, "retraining", number).integers(2**63))
    shape = draw_shapes(model.structure, weights, pipeline, own_seed)
    names = pl.Series("pipeline_name", model.structure.pipelines, dtype=pl.String)
    runs = pl.DataFrame({"pipeline": pipeline, "pipeline_name": names[pipeline]}).join(
        _usual_marks(model), on="pipeline", how="left", maintain_order="left"
    )
    runs = runs.drop("pipeline").with_columns(run_id=pl.format("retrain-{}-{}", "pipeline_name", pl.lit(number)))
    runs = runs.with_columns(trigger=pl.lit(None, pl.String), submitted_at=pl.lit(None, pl.Datetime("us")))
    frames = draw_runs(model, runs, shape, model.window.end, own_seed)
    return Trace(frames, origin="synthetic", name=f"retraining-{number}-s{seed}")


def _weights(structure: Structure) -> Floats:
    """Return how often each pair of a pipeline and a shape is run, 0 where the shape is no retraining.

    Whether retrainings of a pipeline deploy is for the shapes of the log to say, not for those that were recombined from them.
    """
    types = [{task.task_type for task in shape.tasks} for shape in structure.shapes]
    shape, owner = np.asarray(structure.pair_shape, np.int64), np.asarray(structure.pair_pipeline, np.int64)
    trains = np.array(["train" in each for each in types], np.bool_)[shape]
    deploys = trains & np.array(["deploy" in each for each in types], np.bool_)[shape]
    observed = shape < len(structure.shapes) - structure.recombined
    goes_live = np.bincount(owner, deploys & observed, len(structure.pipelines)) > 0
    return np.where(np.where(goes_live[owner], deploys, trains), np.asarray(structure.pair_runs, np.float64), 0.0)


def _usual_marks(model: WorkloadModel) -> pl.DataFrame:
    """Return each pipeline's most frequent tenant, user and priority; of equally frequent ones the first in order."""
    counts = model.combinations.frame().group_by("pipeline", "tenant", "user", "priority").agg(pl.col("runs").sum())
    ordered = counts.sort("runs", "tenant", "user", "priority", descending=[True, False, False, False])
    return ordered.unique("pipeline", keep="first", maintain_order=True).drop("runs")

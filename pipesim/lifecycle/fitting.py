"""Fitting: learn from a log how good its models are, what later tasks change, how they decay, how much data comes in."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from pipesim.lifecycle.data_fit import bytes_read, new_gb_per_day, usual_bytes
from pipesim.lifecycle.decay_fit import fit_decays
from pipesim.lifecycle.effect_fit import fit_effects, fit_exponent
from pipesim.lifecycle.effects import Effects
from pipesim.lifecycle.laws import LifecycleModel, ModelLaw
from pipesim.lifecycle.measured import Measured, measured, training_pipelines
from pipesim.lifecycle.metric_fit import fit_covariance, fit_means
from pipesim.lifecycle.metrics import PERFORMANCE, to_latent
from pipesim.trace import Trace


def fit_lifecycle(trace: Trace, end: datetime | None = None) -> LifecycleModel:
    """Return what a log tells of its models, whatever the order of its rows; notes say where it is silent.

    A pipeline with at least one run that has a task of type `train` owns a model. How good new versions are comes from their
    earliest static metrics, what later tasks change from those that were measured again, decay from live performance; how, the
    functions say that are called here.

    Args:
        trace: The log.
        end: The instant at which it ends; None for the last that it covers.
    """
    pipelines = training_pipelines(trace)
    if pipelines.is_empty():
        return LifecycleModel(notes=("no run has a task of type train, so there are no models",))
    gb_per_day, data_notes = new_gb_per_day(trace, pipelines, end)
    known = pipelines.select(
        pl.col("pipeline_name").alias("name"),
        "framework",
        "tenant",
        pl.Series("data_gb_per_day", gb_per_day),
        usual_bytes(trace, pipelines).alias("usual_bytes"),
    ).to_dicts()
    of = measured(trace, pipelines)
    if not len(of.model):
        notes = (*data_notes, *of.notes, "the log has no metrics of models: defaults throughout")
        return LifecycleModel(models=tuple(ModelLaw(**each) for each in known), notes=notes)
    latent = to_latent(of.first)
    means, mean_notes = fit_means(of.model, latent, pipelines["framework"].rank("dense").fill_null(0).to_numpy())
    covariance, covariance_notes = fit_covariance(of.model, latent)
    effects, effect_notes = _effects(trace, of)
    decays, noise, decay_notes = fit_decays(of.live)
    versions = np.bincount(of.model, minlength=len(known)).tolist()
    return LifecycleModel(
        models=tuple(
            ModelLaw(**each, mean=mean, decay=decay, versions=count)
            for each, mean, decay, count in zip(known, means.tolist(), decays, versions, strict=True)
        ),
        covariance=covariance.tolist(),
        noise_sd=noise,
        effects=effects,
        notes=(*data_notes, *of.notes, *mean_notes, *covariance_notes, *effect_notes, *decay_notes),
    )


def _effects(trace: Trace, of: Measured) -> tuple[Effects, list[str]]:
    """Return what the tasks of the runs that made the versions, and the data that these read, change."""
    succeeded = trace.task_runs.filter(pl.col("status") == "SUCCEEDED")
    runs = {kind: succeeded.filter(pl.col("task_type") == kind)["run_id"] for kind in ("compress", "harden")}
    compressed, hardened = (
        of.run_id.is_in(runs[kind].implode()).fill_null(False).to_numpy() for kind in ("compress", "harden")
    )
    read = of.run_id.to_frame().join(bytes_read(trace, "preprocess"), on="run_id", how="left", maintain_order="left")
    data = read["bytes"].fill_null(np.nan).to_numpy()
    exponent, exponent_notes = fit_exponent(of.model, of.first[:, PERFORMANCE], data)
    effects, notes = fit_effects(of.first, of.last, compressed, hardened, exponent)
    return effects, [*exponent_notes, *notes]

"""Fitting how good new versions are: each model's mean metrics and how versions scatter about it, on the normal scales."""

from __future__ import annotations

import numpy as np

from pipesim.lifecycle.laws import DEFAULT_MEAN, DEFAULT_SD
from pipesim.lifecycle.live import Indices
from pipesim.lifecycle.metrics import METRICS, Floats
from pipesim.words import count

#: Versions beyond one a model from which on a log tells how versions scatter.
MIN_VERSIONS = 10


def fit_means(model: Indices, latent: Floats, framework: Indices) -> tuple[Floats, list[str]]:
    """Return the mean metrics of each model's new versions, [M, 5], and what the log does not tell.

    Each metric by itself has a random effect of the model about the mean of its framework: a model's own mean counts for
    n / (n + k), n being its versions and k the variance within models over that between them. The latter is found by the method
    of moments (Searle, Casella and McCulloch, Variance Components, 1992, chapter 3); where it would be negative it is 0, and a
    framework's models are all alike.

    Args:
        model: [V] The model of each version.
        latent: [V, 5] Its metrics on the normal scales; NaN where they are not known.
        framework: [M] The framework of each model, a number.
    """
    means = np.tile(np.array(DEFAULT_MEAN), (len(framework), 1))
    unknown = [name for name, column in zip(METRICS, latent.T, strict=True) if np.isnan(column).all()]
    for metric, sd in enumerate(DEFAULT_SD):
        known = ~np.isnan(latent[:, metric])
        if known.any():
            means[:, metric] = _shrunk(model[known], latent[known, metric], framework, sd)
    notes = [f"the log has no static metrics {', '.join(unknown)}: default means and spread"] if unknown else []
    silent = len(framework) - len(np.unique(model[~np.isnan(latent).all(axis=1)]))
    if silent and len(unknown) < len(METRICS):
        notes.append(f"{count(silent, 'model')} without static metrics: means of the framework, or of all where it has none")
    return means, notes


def fit_covariance(model: Indices, latent: Floats) -> tuple[Floats, list[str]]:
    """Return the covariance of the metrics of versions about their model's mean, [5, 5], and what the log does not tell.

    It is that of the versions that have every metric that the log knows. Others vary as by default, independently; so it is
    positive semidefinite whatever the log has.

    Args:
        model: [V] The model of each version.
        latent: [V, 5] Its metrics on the normal scales; NaN where they are not known.
    """
    covariance = np.diag(np.square(DEFAULT_SD))
    known = ~np.isnan(latent).all(axis=0)
    whole = ~np.isnan(latent[:, known]).any(axis=1)
    off, free = _scatter(model[whole], latent[whole][:, known])
    if free < MIN_VERSIONS:
        return covariance, [
            f"{count(int(whole.sum()), 'version')} with all metrics, too few to tell how they scatter: default spread"
        ]
    covariance[np.ix_(known, known)] = np.einsum("vi,vj->ij", off, off) / free
    return covariance, []


def _scatter(model: Indices, values: Floats) -> tuple[Floats, int]:
    """Return how far versions are from their model's mean, row by row, and how many of these distances are free."""
    _, place, count = np.unique(model, return_inverse=True, return_counts=True)
    off = np.empty_like(values)
    for column in range(values.shape[1]):
        off[:, column] = values[:, column] - (np.bincount(place, values[:, column]) / count)[place]
    return off, len(model) - len(count)


def _shrunk(model: Indices, values: Floats, framework: Indices, default_sd: float) -> Floats:
    """Return the mean of one metric for each model, [M]."""
    models, frameworks = len(framework), int(framework.max()) + 1
    off, free = _scatter(model, values[:, None])
    within = float(np.sum(off**2)) / free if free >= MIN_VERSIONS else default_sd**2
    count = np.bincount(model, minlength=models).astype(np.float64)
    own = np.bincount(model, values, models) / np.maximum(count, 1)
    between = _between(count, own, framework, within)
    # The precision of a model's mean as a measurement of its framework's, but for a factor.
    spread = count * between + within
    weight = count / spread if within > 0 else np.where(count > 0, 1.0, 0.0) if between > 0 else count
    overall = float(np.sum(weight * own) / np.sum(weight))
    total = np.bincount(framework, weight, frameworks)
    mean = np.bincount(framework, weight * own, frameworks) / np.where(total > 0, total, 1.0)
    centre = np.where(total > 0, mean, overall)[framework]
    share = count * between / spread if within > 0 else np.where(count > 0, 1.0, 0.0)
    return np.asarray(centre + share * (own - centre))


def _between(count: Floats, own: Floats, framework: Indices, within: float) -> float:
    """Return the variance of models' means about their framework's, by the method of moments."""
    frameworks = int(framework.max()) + 1
    total = np.bincount(framework, count, frameworks)
    mean = np.bincount(framework, count * own, frameworks) / np.maximum(total, 1)
    squares = float(np.sum(count * (own - mean[framework]) ** 2))
    free = np.count_nonzero(count) - np.count_nonzero(total)
    size = float(np.sum(total) - np.sum(np.bincount(framework, count**2, frameworks) / np.maximum(total, 1)))
    return max(0.0, (squares - free * within) / size) if size > 0 else 0.0

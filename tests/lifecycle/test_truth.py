"""What is fitted to logs of the reference platform is what `pipesim.sample.truth` says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from pipesim.lifecycle import METRICS, LifecycleModel, ModelLaw
from pipesim.lifecycle.fitting import fit_lifecycle
from pipesim.sample import build_platform_trace, observe, truth
from pipesim.sample.pipelines import FRAMEWORK_SHARES, PIPELINES, Pipeline
from pipesim.trace import Trace

SEEDS = (1, 2, 3)
DAYS = 56
_OF_NAME = {pipeline.name: pipeline for pipeline in PIPELINES}


@pytest.fixture(scope="module")
def logs() -> list[Trace]:
    return [observe(build_platform_trace(seed, DAYS), DAYS) for seed in SEEDS]


@pytest.fixture(scope="module")
def models(logs: list[Trace]) -> list[LifecycleModel]:
    return [fit_lifecycle(log) for log in logs]


def laws_where(
    models: list[LifecycleModel], logs: list[Trace], wanted: Callable[[Pipeline], bool]
) -> list[tuple[ModelLaw, float]]:
    """Return the laws of models of a kind that were live for ten increments and more, with their days of observation."""
    found = []
    for model, log in zip(models, logs, strict=True):
        live = log["model_metrics"].filter(pl.col("phase") == "live").sort("model_id", "version", "measured_at")
        gaps = live.with_columns(gap=pl.col("measured_at").diff().over("model_id", "version").dt.total_seconds() / 86400)
        for name, increments, days in gaps.group_by("model_id").agg(n=pl.col("gap").count(), d=pl.col("gap").sum()).iter_rows():
            if increments >= 10 and wanted(_OF_NAME[name]):
                found.append((model.law_of(name), days))
    return found


def test_every_pipeline_has_its_model(models: list[LifecycleModel], logs: list[Trace]) -> None:
    for model, log in zip(models, logs, strict=True):
        assert [law.name for law in model.models] == sorted(set(log.pipeline_runs["pipeline_name"]))
        for law in model.models:
            assert (law.framework, law.tenant) == (_OF_NAME[law.name].framework, _OF_NAME[law.name].tenant)
        measured = log["model_metrics"].select("model_id", "version").n_unique()
        assert sum(law.versions for law in model.models) == measured
        assert all("are too few" not in note and "published" not in note for note in model.notes)


def test_mean_metrics_are_within_their_confidence_intervals(models: list[LifecycleModel]) -> None:
    for model in models:
        for place, framework in enumerate(FRAMEWORK_SHARES):
            laws = [law for law in model.models if law.framework == framework]
            versions = np.array([law.versions for law in laws])
            mean = versions @ np.array([law.mean for law in laws]) / versions.sum()
            for metric, law in enumerate(truth.METRICS):
                assert abs(mean[metric] - law.mean[place]) < 4 * law.sd / np.sqrt(versions.sum()), (framework, law.name)


def test_models_of_one_framework_are_nearly_alike_as_they_are_in_truth(models: list[LifecycleModel]) -> None:
    """The platform's pipelines differ by nothing but their framework: what is left of their own means is shrunk away."""
    for model in models:
        means = np.array([law.mean for law in model.models if law.framework == "SparkML"])
        assert np.all(means.std(axis=0) < 0.15 * np.array([law.sd for law in truth.METRICS]))


def test_spread_and_correlations_are_within_their_confidence_intervals(models: list[LifecycleModel]) -> None:
    for model in models:
        free = sum(max(law.versions - 1, 0) for law in model.models)
        covariance = np.array(model.covariance)
        sd = np.sqrt(np.diag(covariance))
        assert sd == pytest.approx([law.sd for law in truth.METRICS], rel=4 / np.sqrt(2 * free))
        off = ~np.eye(len(METRICS), dtype=bool)
        found = np.arctanh((covariance / np.outer(sd, sd))[off])
        assert np.all(np.abs(found - np.arctanh(np.array(truth.METRIC_CORRELATION)[off])) < 4 / np.sqrt(free))


def test_later_tasks_change_what_the_truth_says(models: list[LifecycleModel]) -> None:
    for model in models:
        effects = model.effects
        levels = np.array(truth.PRUNING_LEVELS)
        assert effects.level == pytest.approx((0, *levels), abs=1e-4)
        assert effects.used == effects.level[1:]
        assert effects.performance[1:] == pytest.approx(-truth.PRUNING_PERFORMANCE_COST * levels**2, abs=2e-4)
        assert effects.size[1:] == pytest.approx(1 - levels, abs=1e-4)
        assert effects.latency[1:] == pytest.approx(1 - levels / 2, abs=2e-3)
        weight = np.array(effects.weight)
        assert np.all(np.abs(weight - weight.sum() / 4) < 4 * np.sqrt(weight.sum() * 3 / 16))
        assert effects.harden_gain == pytest.approx(truth.HARDEN_GAIN, abs=2e-3)
        assert effects.harden_performance == pytest.approx(-truth.HARDEN_PERFORMANCE_COST, abs=2e-4)
        assert effects.learning_exponent == 0  # on the platform, data do not matter


def test_the_error_of_a_measurement_is_found(models: list[LifecycleModel]) -> None:
    for model in models:
        assert model.noise_sd == pytest.approx(truth.LIVE_NOISE_SD, rel=0.07)


def test_gradual_loss_is_found(models: list[LifecycleModel], logs: list[Trace]) -> None:
    laws = [law for law, _ in laws_where(models, logs, lambda pipeline: pipeline.drift_per_day > 0)]
    rate = np.array([_OF_NAME[law.name].drift_per_day for law in laws])
    found = np.array([law.decay.gradual_per_day for law in laws])
    assert np.mean(found > 0) > 0.95
    assert np.mean([law.decay.jumps_per_day > 0 for law in laws]) < 0.05
    for true in np.unique(rate):
        mine = found[rate == true]
        assert abs(mine.mean() - true) < 4 * mine.std() / np.sqrt(len(mine)), true
    assert np.median(np.abs(found / rate - 1)) < 0.12


def test_shocks_are_found(models: list[LifecycleModel], logs: list[Trace]) -> None:
    laws = laws_where(models, logs, lambda pipeline: pipeline.jumps_per_day > 0)
    struck = [(law.decay, days) for law, days in laws if law.decay.jumps_per_day > 0]
    happened = sum(decay.jumps_per_day * days for decay, days in struck)
    expected = 0.1 * sum(days for _, days in laws)
    assert abs(happened - expected) < 4 * np.sqrt(expected)
    assert np.mean([decay.jump_size for decay, _ in struck]) == pytest.approx(0.05, abs=0.001)
    assert max(decay.gradual_per_day for decay, _ in struck) < 0.004
    assert np.mean([decay.gradual_per_day for decay, _ in struck]) < 0.0003


def test_models_that_do_not_decay_are_said_not_to(models: list[LifecycleModel], logs: list[Trace]) -> None:
    laws = laws_where(models, logs, lambda pipeline: pipeline.drift_per_day == pipeline.jumps_per_day == 0)
    losses = np.array([law.decay.mean_loss(1) for law, _ in laws])
    assert np.mean(losses == 0) > 0.9
    assert losses.mean() < 0.0001


def test_models_that_were_never_live_lose_what_the_others_lose(models: list[LifecycleModel]) -> None:
    for model in models:
        unknown = {law.decay for law in model.models if not any(t.type == "deploy" for t in _OF_NAME[law.name].shape.tasks)}
        assert len(unknown) == 1
        true = [
            p.drift_per_day + p.jumps_per_day * p.jump_size for p in PIPELINES if any(t.type == "deploy" for t in p.shape.tasks)
        ]
        assert unknown.pop().mean_loss(1) == pytest.approx(np.mean(true), rel=0.15)


def test_data_are_those_of_the_log(models: list[LifecycleModel], logs: list[Trace]) -> None:
    """Counted once more, row by row."""
    log, model = logs[0], models[0]
    size = {(r["asset_id"], r["version"]): r for r in log["data_assets"].iter_rows(named=True)}
    begin, end = log.pipeline_runs["submitted_at"].min(), log.pipeline_runs["observed_until"].max()
    owner = dict(log.pipeline_runs.select("run_id", "pipeline_name").iter_rows())
    reads: dict[str, dict[tuple[str, str], float]] = {}
    for row in log["task_io"].iter_rows(named=True):
        asset = size[row["asset_id"], row["version"]]
        if asset["created_at"] >= begin:
            reads.setdefault(owner[row["run_id"]], {})[row["asset_id"], row["version"]] = asset["size_bytes"]
    amounts: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    tasks = log.task_runs.filter(pl.col("task_type").is_in(["preprocess", "train"]), pl.col("read_bytes") > 0)
    for row in tasks.iter_rows(named=True):
        of_run = amounts.setdefault((owner[row["run_id"]], row["task_type"]), {}).setdefault(row["run_id"], {})
        of_run[row["task_id"]] = max(row["read_bytes"], of_run.get(row["task_id"], 0))
    days = (end - begin).total_seconds() / 86400
    for law in model.models:
        assert law.data_gb_per_day == pytest.approx(sum(reads.get(law.name, {}).values()) / 1e9 / days)
        runs = amounts.get((law.name, "preprocess")) or amounts[law.name, "train"]
        assert law.usual_bytes == pytest.approx(np.median([sum(run.values()) for run in runs.values()]))
    assert sum(law.data_gb_per_day > 0 for law in model.models) > 40

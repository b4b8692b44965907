from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesim.lifecycle import METRICS, Decay, Effects, LifecycleModel, ModelLaw
from pipesim.lifecycle.fitting import fit_lifecycle
from pipesim.lifecycle.laws import DEFAULT_MEAN
from pipesim.lifecycle.metrics import from_latent, to_latent
from pipesim.trace import Trace

GOOD = {"performance": 0.8, "robustness": 0.4, "fairness": 0.1, "size_bytes": 1e6, "latency_ms": 20.0}


def logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


def noted(model: LifecycleModel, words: str) -> bool:
    return any(words in note for note in model.notes)


def drawn(rng: np.random.Generator, **columns: float) -> dict[str, float]:
    """Metrics of a new version: latent ones of standard deviation .3 about some mean."""
    latent = to_latent(np.array([{**GOOD, **columns}[name] for name in METRICS])) + 0.3 * rng.standard_normal(5)
    return dict(zip(METRICS, from_latent(latent).tolist(), strict=True))


# --- models ---------------------------------------------------------------------------------------------------------


def test_a_log_without_training_has_no_models(log: Any) -> None:
    log.version("p", GOOD, tasks=("preprocess", "other"))
    assert fit_lifecycle(log.trace()) == LifecycleModel(notes=("no run has a task of type train, so there are no models",))
    assert fit_lifecycle(Trace()).models == ()


def test_a_log_without_metrics_has_models_by_default(log: Any) -> None:
    log.version("b", tenant="x")
    log.version("a", tenant="y")
    model = fit_lifecycle(log.trace())
    assert model.models == (ModelLaw(name="a", tenant="y"), ModelLaw(name="b", tenant="x"))
    assert model.notes == ("the log has no metrics of models: defaults throughout",)
    assert model == LifecycleModel(models=model.models, notes=model.notes)


def test_framework_and_tenant_are_the_most_frequent(log: Any) -> None:
    for framework, tenant in (("B", "y"), ("A", "x"), ("B", "x"), ("A", "y"), ("C", None), (None, None), (None, None)):
        log.version("p", GOOD, framework=framework, tenant=tenant)
    log.version("p", GOOD, tasks=("evaluate",), framework="C")
    log.version("p", GOOD, tasks=("evaluate",), framework="C", tenant="y")
    log.version("q", GOOD)
    p, q = fit_lifecycle(log.trace()).models
    assert (p.framework, p.tenant, p.versions) == ("A", "y", 9)  # A and B train twice each; x twice, y three times
    assert (q.framework, q.tenant, q.versions) == (None, None, 1)


def test_versions_belong_to_the_pipeline_that_trained_them_or_has_their_name(log: Any) -> None:
    log.version("p", GOOD)
    log.version("q", GOOD)
    log.models = [
        {"model_id": "registered", "version": "1", "produced_by_run_id": "r0"},
        {"model_id": "q", "version": "7", "produced_by_run_id": "r0"},
        {"model_id": "q", "version": "8", "produced_by_run_id": "gone"},
        {"model_id": "nobody's", "version": "1", "produced_by_run_id": None},
    ]
    log.metrics = []
    for model, version in (("registered", "1"), ("q", "7"), ("q", "8"), ("q", "9"), ("nobody's", "1"), ("nobody's", "2")):
        log.measure(model, version, "performance", 0.7)
    model = fit_lifecycle(log.trace())
    assert {law.name: law.versions for law in model.models} == {"p": 2, "q": 2}
    assert noted(model, "2 versions without a producing run")


def test_the_order_of_rows_does_not_matter(log: Any) -> None:
    rng = np.random.default_rng(5)
    for i in range(60):
        version = log.version(f"p{i % 4}", drawn(rng), drawn(rng, size_bytes=5e5), ("preprocess", "train", "compress"), 10 + i)
        log.live(f"p{i % 4}", version, range(6), 0.8 - 0.004 * np.arange(6) + 0.002 * rng.standard_normal(6))
    trace = log.trace()
    stored = fit_lifecycle(trace).model_dump_json()
    for seed in range(3):
        mixed = Trace({name: trace[name].sample(fraction=1, shuffle=True, seed=seed) for name in trace})
        assert fit_lifecycle(mixed).model_dump_json() == stored
    assert LifecycleModel.model_validate_json(stored).model_dump_json() == stored


# --- metrics of new versions ----------------------------------------------------------------------------------------


def test_metrics_out_of_range_are_left_out_and_counted(log: Any) -> None:
    clean = type(log)()
    wrong = [(name, value) for name in METRICS[:3] for value in (-0.1, 1.1, np.nan)]
    wrong += [(name, value) for name in METRICS[3:] for value in (0.0, -5.0, np.inf)]
    rng = np.random.default_rng(1)
    for i in range(40):
        metrics = drawn(rng)
        for each in (log, clean):
            each.version(f"p{i % 2}", metrics)
    for name, value in wrong:
        log.measure("p0", log.version("p0"), name, value)
        clean.version("p0")
    log.measure("p0", "0", "accuracy", 0.5)
    log.measure("p0", "0", "robustness", None)
    model, expected = fit_lifecycle(log.trace()), fit_lifecycle(clean.trace())
    assert model.model_copy(update={"notes": ()}) == expected.model_copy(update={"notes": ()})
    assert noted(model, f"{len(wrong)} metrics are not in range")
    assert noted(model, "1 metric is none of performance")
    assert not noted(expected, "range")


def test_the_earliest_static_measurement_is_that_of_a_new_version(log: Any) -> None:
    version = log.version("p", {"performance": 0.6}, {"performance": 0.9})
    log.measure("p", version, "performance", 0.7, step=0, day=1.0)
    log.measure("p", version, "performance", 0.1, "live", step=-1)
    assert fit_lifecycle(log.trace()).models[0].mean[0] == pytest.approx(logit(0.6))


def test_one_version_is_its_models_mean_and_the_default_for_what_it_lacks(log: Any) -> None:
    log.version("p", {"performance": 0.9, "latency_ms": 50.0})
    log.version("q")
    model = fit_lifecycle(log.trace())
    for law in model.models:
        assert law.mean == pytest.approx((logit(0.9), *DEFAULT_MEAN[1:4], np.log(50)))
    assert [law.versions for law in model.models] == [1, 0]
    assert model.covariance == LifecycleModel().covariance
    assert noted(model, "no static metrics robustness, fairness, size_bytes: default")
    assert noted(model, "1 version with all metrics, too few")
    assert noted(model, "1 model without static metrics: means of the framework")


def test_a_models_own_mean_counts_by_its_versions(log: Any) -> None:
    """Against the textbook: balanced one-way random effects, MSB = within + n between."""
    rng = np.random.default_rng(7)
    models, n = 12, 20
    latent = 1.0 + 0.5 * rng.standard_normal(models)[:, None] + 0.4 * rng.standard_normal((models, n))
    for i, row in enumerate(latent):
        for value in row:
            log.version(f"p{i:02}", {"performance": 1 / (1 + np.exp(-value))}, framework="A")
    model = fit_lifecycle(log.trace())
    own = latent.mean(axis=1)
    within = ((latent - own[:, None]) ** 2).sum() / (models * (n - 1))
    between = (n * np.var(own, ddof=1) - within) / n
    share = n / (n + within / between)
    assert 0.9 < share < 0.999
    assert [law.mean[0] for law in model.models] == pytest.approx(own.mean() + share * (own - own.mean()))
    assert model.covariance[0][0] == pytest.approx(within)
    assert np.diag(model.covariance)[1:] == pytest.approx(np.diag(LifecycleModel().covariance)[1:])
    # A model with one version is drawn to the mean of its framework, and one without any has that.
    log.version("one", {"performance": 0.99}, framework="A")
    log.version("none", framework="A")
    log.version("elsewhere", framework="B")
    laws = {law.name: law.mean[0] for law in fit_lifecycle(log.trace()).models}
    assert own.mean() + 0.3 * (logit(0.99) - own.mean()) < laws["one"] < own.mean() + 0.8 * (logit(0.99) - own.mean())
    assert own.min() < laws["none"] == laws["elsewhere"] < own.max()


def test_frameworks_have_means_of_their_own(log: Any) -> None:
    rng = np.random.default_rng(8)
    for i in range(300):
        log.version(f"p{i % 6}", drawn(rng, size_bytes=1e6 if i % 2 else 1e8), framework="A" if i % 2 else "B")
    laws = fit_lifecycle(log.trace()).models
    assert [law.mean[3] for law in laws] == pytest.approx([np.log(1e8), np.log(1e6)] * 3, abs=0.1)
    spread = np.ptp([[law.mean[0] for law in laws[start::2]] for start in (0, 1)], axis=1)
    assert np.all(spread < 0.05)  # the models of a framework do not differ


def test_constant_metrics_stay_constant(log: Any) -> None:
    for i in range(30):
        log.version(f"p{i % 3}", GOOD)
    model = fit_lifecycle(log.trace())
    assert np.max(np.abs(model.covariance)) < 1e-20
    normal = np.random.default_rng(0).standard_normal((50, 5))
    versions = model.draw(np.array(model.law_of("p1").mean), normal)
    assert versions == pytest.approx(np.tile(list(GOOD.values()), (50, 1)))


def test_covariance_is_that_about_the_models_means_over_complete_versions(log: Any) -> None:
    rng = np.random.default_rng(9)
    rows = []
    for i in range(60):
        metrics = {name: value for name, value in drawn(rng).items() if name != "fairness"}
        metrics["performance"] = [0.6, 0.9][i % 2] + 0.05 * rng.random()
        rows.append(to_latent(np.array([metrics.get(name, np.nan) for name in METRICS])))
        log.version(f"p{i % 2}", metrics)
    for _ in range(9):
        log.version("p0", {"performance": 0.1})  # incomplete: they say nothing of how metrics go together
    known = [0, 1, 3, 4]
    latent = np.array(rows)[:, known]
    pooled = (np.cov(latent[::2].T) + np.cov(latent[1::2].T)) / 2
    covariance = np.array(fit_lifecycle(log.trace()).covariance)
    assert covariance[np.ix_(known, known)] == pytest.approx(pooled)
    assert covariance[2].tolist() == [0, 0, LifecycleModel().covariance[2][2], 0, 0]
    assert np.linalg.eigvalsh(covariance).min() > 0


# --- effects --------------------------------------------------------------------------------------------------------


def optimised(log: Any, versions: int, tasks: tuple[str, ...], size: float = 0.5, **changes: float) -> None:
    """Add versions that later tasks change: what is added to performance and robustness, what size is multiplied by."""
    for _ in range(versions):
        after = {**GOOD, "size_bytes": GOOD["size_bytes"] * size, "latency_ms": GOOD["latency_ms"] * 0.75}
        after |= {name: GOOD[name] + change for name, change in changes.items()}
        log.version("p", GOOD, after, ("train", *tasks))


def test_effects_are_those_of_tasks_that_succeeded(log: Any) -> None:
    optimised(log, 6, ("compress",), performance=-0.02)
    optimised(log, 5, ("compress",), 0.505, performance=-0.04)  # within .02: the same level
    optimised(log, 7, ("compress", "harden"), 0.25, performance=-0.05, robustness=0.06)
    optimised(log, 5, ("harden",), 1.0, performance=-0.01, robustness=0.12)
    kept = fit_lifecycle(log.trace()).effects
    assert kept.level == pytest.approx((0, 0.5, 0.75))
    assert kept.performance == pytest.approx((0, -0.02, -0.02))  # of .75 nothing is known of compress alone
    assert kept.size == pytest.approx((1, 0.5, 0.25))
    assert kept.latency == pytest.approx((1, 0.75, 0.75))
    assert (kept.used, kept.weight) == (pytest.approx((0.5, 0.75)), (11, 7))
    assert kept.harden_gain == pytest.approx(0.1)  # of .6 that are missing to 1: .06 seven times, .12 five times
    assert kept.harden_performance == pytest.approx(-0.03)
    for task in log.tasks:
        task["status"] = "FAILED"
    failed = fit_lifecycle(log.trace())
    assert failed.effects == Effects()
    assert noted(failed, "0 versions measured before and after compress tasks alone: published effects")


def test_published_effects_stay_where_versions_are_few(log: Any) -> None:
    optimised(log, 9, ("compress",), performance=-0.3)
    optimised(log, 10, ("harden",), 1.0, performance=-0.1)
    for metrics in (GOOD, {**GOOD, "size_bytes": 2e6}):
        log.version("p", GOOD, metrics, ("train", "compress"))
    model = fit_lifecycle(log.trace())
    assert model.effects == Effects(harden_gain=0.0, harden_performance=model.effects.harden_performance)
    assert model.effects.harden_performance == pytest.approx(-0.1)
    assert noted(model, "9 versions measured before and after compress tasks alone")
    assert noted(model, "2 versions are not smaller")


def test_latency_that_was_not_measured_changes_as_published(log: Any) -> None:
    for _ in range(12):
        log.version("p", {"performance": 0.8, "size_bytes": 100}, {"performance": 0.7, "size_bytes": 50}, ("train", "compress"))
    model = fit_lifecycle(log.trace())
    assert model.effects.performance[1] == pytest.approx(-0.1)
    assert model.effects.latency == pytest.approx((1.0, 0.733))
    assert noted(model, "too few latencies")


@pytest.mark.parametrize(
    ("versions", "power", "expected"), [(400, 0.2, 0.2), (400, 0.0, 0.0), (400, -0.3, 0.0), (40, 0.0, 0.07)]
)
def test_the_effect_of_data_is_regressed_within_models(log: Any, versions: int, power: float, expected: float) -> None:
    rng = np.random.default_rng(3)
    for i in range(versions):
        usual = [1e6, 1e9][i % 2]  # the model with more data is no better for that
        amount = usual * np.exp(rng.standard_normal())
        error = 0.2 * (amount / usual) ** -power * np.exp(0.2 * rng.standard_normal())
        log.version(f"p{i % 2}", {"performance": 1 - error}, tasks=("preprocess", "train"), read_bytes=int(amount))
    model = fit_lifecycle(log.trace())
    assert model.effects.learning_exponent == pytest.approx(expected, abs=0.03 if expected == 0.2 else 0)
    assert noted(model, "40 versions cannot tell what more data does") == (versions == 40)


# --- decay ----------------------------------------------------------------------------------------------------------


def alive(log: Any, model: str, versions: int, days: Any, loss: Any, sd: float = 0.0, seed: int = 0) -> None:
    """Add versions that are live for some days, of which each loses what a function of the days and of chance says."""
    rng = np.random.default_rng(seed)
    days = np.asarray(days, float)
    for _ in range(versions):
        values = 0.9 - loss(days, rng) + sd * rng.standard_normal(len(days))
        log.live(model, log.version(model), days, values)


def shocks(days: Any, rng: np.random.Generator, rate: float = 0.1, size: float = 0.05) -> Any:
    return size * np.cumsum(rng.poisson(rate * np.diff(days, prepend=days[0])))


def decay_of(log: Any, name: str = "p") -> Decay:
    return fit_lifecycle(log.trace()).law_of(name).decay


def test_live_metrics_suffice_for_decay(log: Any) -> None:
    rate = np.sqrt(2) / 100
    alive(log, "p", 3, range(8), lambda t, _: rate * t)
    model = fit_lifecycle(log.trace())
    law = model.law_of("p")
    assert law.decay == Decay(gradual_per_day=law.decay.gradual_per_day)
    assert law.decay.gradual_per_day == pytest.approx(rate)
    assert (law.mean, law.versions) == (DEFAULT_MEAN, 3)
    assert model.noise_sd < 1e-9
    assert noted(model, "no static metrics performance, robustness, fairness, size_bytes, latency_ms")


def test_a_missing_first_measurement_changes_nothing(log: Any) -> None:
    alive(log, "p", 4, [0, 0.3, 1.3, 2.3, 3.3, 5.3], lambda t, _: 0.01 * t)
    whole = decay_of(log)
    log.metrics = [row for row in log.metrics if row["step"] > 0]
    assert decay_of(log).gradual_per_day == pytest.approx(whole.gradual_per_day) == pytest.approx(0.01)


def test_gradual_loss_and_shocks_are_told_apart(log: Any) -> None:
    days = np.arange(60.0)
    alive(log, "both", 4, days, lambda t, rng: 0.001 * t + shocks(t, rng), 0.004)
    alive(log, "sudden", 4, days, shocks, 0.004, seed=1)
    alive(log, "gradual", 4, days, lambda t, _: 0.004 * t, 0.004, seed=2)
    alive(log, "none", 4, days, lambda t, _: 0 * t, 0.004, seed=3)
    model = fit_lifecycle(log.trace())
    both, sudden, gradual, none = (model.law_of(name).decay for name in ("both", "sudden", "gradual", "none"))
    assert both.gradual_per_day == pytest.approx(0.001, abs=1e-4)
    assert (sudden.gradual_per_day, gradual.jumps_per_day) == (0, 0)
    assert gradual.gradual_per_day == pytest.approx(0.004, abs=1e-4)
    for law in (both, sudden):
        assert law.jump_size == pytest.approx(0.05, abs=0.001)
        assert 4 * 59 * law.jumps_per_day == pytest.approx(23.6, abs=4 * np.sqrt(23.6))
    assert none == Decay()
    assert model.noise_sd == pytest.approx(0.004, rel=0.1)


@pytest.mark.parametrize(("period", "every"), [(7.0, 1.0), (28.0, 1.0), (1.0, 0.125), (91.0, 2.0)])
def test_a_season_is_found_with_its_period(log: Any, period: float, every: float) -> None:
    def loss(days: Any, rng: np.random.Generator) -> Any:
        return 0.04 * (1 - np.cos(2 * np.pi * days / period)) + 0.01 / period * days

    alive(log, "p", 1, np.arange(0, 3 * period + 60 * every, every), loss, 0.004)
    law = decay_of(log)
    assert law.season_days == period
    assert law.season_swing == pytest.approx(0.08, abs=0.004)
    assert law.gradual_per_day == pytest.approx(0.01 / period, rel=0.25)
    assert law.jumps_per_day == 0


def test_days_count_from_deployment_where_the_log_has_it(log: Any) -> None:
    def loss(days: Any, rng: np.random.Generator) -> Any:
        return 0.04 * (1 - np.cos(2 * np.pi * days / 28))

    alive(log, "p", 2, np.arange(10, 100), loss, 0.002)
    for row in log.models:
        row["deployed_at"] = log.runs[0]["submitted_at"]
    law = decay_of(log)
    assert (law.gradual_per_day, law.season_days) == (0, 28)
    assert law.season_swing == pytest.approx(0.08, abs=0.002)


def test_a_season_gradual_loss_and_shocks_add_up(log: Any) -> None:
    def loss(days: Any, rng: np.random.Generator) -> Any:
        return 0.05 * (1 - np.cos(2 * np.pi * days / 7)) + 0.001 * days + shocks(days, rng, 0.05)

    for i in range(6):
        alive(log, f"p{i}", 2, range(90), loss, 0.004, seed=i)
    laws = [law.decay for law in fit_lifecycle(log.trace()).models]
    assert {law.season_days for law in laws} == {7.0}
    assert [law.season_swing for law in laws] == pytest.approx([0.1] * 6, abs=0.003)
    assert [law.jump_size for law in laws] == pytest.approx([0.05] * 6, abs=0.005)
    assert np.mean([law.gradual_per_day for law in laws]) == pytest.approx(0.001, abs=1.5e-4)
    expected = 6 * 2 * 89 * 0.05
    assert 2 * 89 * sum(law.jumps_per_day for law in laws) == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_small_shocks_are_told_from_error(log: Any) -> None:
    """Of 4.4 standard deviations of an increment's error; half of that, which error alone often is, is no shock."""
    for i in range(8):
        alive(log, f"p{i}", 4, range(60), lambda t, rng: shocks(t, rng, 0.03, 0.025), 0.004, seed=i)
    laws = [law.decay for law in fit_lifecycle(log.trace()).models]
    expected = 8 * 4 * 59 * 0.03
    assert 4 * 59 * sum(law.jumps_per_day for law in laws) == pytest.approx(expected, abs=2 * np.sqrt(expected))
    assert np.mean([law.jump_size for law in laws]) == pytest.approx(0.025, abs=0.001)


def test_a_drop_after_deployment_is_no_season_that_every_look_misses(log: Any) -> None:
    days = np.concatenate([[0.0], np.arange(0.5, 80)])  # a season of a day would be the same at all looks but the first
    alive(log, "p", 1, days, lambda t, _: 0.05 * (t > 0), 0.002)
    assert decay_of(log).season_swing == 0


def test_what_falls_by_less_than_a_thousandth_falls_gradually(log: Any) -> None:
    alive(log, "p", 2, range(60), lambda t, rng: shocks(t, rng, 0.3, np.sqrt(3) / 5000))
    law = decay_of(log)
    assert law.jumps_per_day == 0
    assert law.gradual_per_day == pytest.approx(0.3 * np.sqrt(3) / 5000, rel=0.5)


def test_no_season_is_seen_in_few_measurements_or_less_than_two_periods(log: Any) -> None:
    def loss(days: Any, rng: np.random.Generator) -> Any:
        return 0.04 * (1 - np.cos(2 * np.pi * days / 7))

    alive(log, "few", 1, range(59), loss, 0.004)
    alive(log, "short", 6, range(13), loss, 0.004)
    model = fit_lifecycle(log.trace())
    assert model.law_of("few").decay.season_swing == model.law_of("short").decay.season_swing == 0


def test_values_that_are_cut_off_tell_of_no_loss(log: Any) -> None:
    alive(log, "p", 2, range(60), lambda t, _: np.minimum(0.05 * t, 0.9))  # 18 days down, then 0 for good
    alive(log, "q", 2, range(60), lambda t, _: np.maximum(0.01 * t - 0.3, -0.1))  # 20 days of 1 at first
    model = fit_lifecycle(log.trace())
    assert model.law_of("p").decay.mean_loss(1) == pytest.approx(0.05)
    assert model.law_of("q").decay.mean_loss(1) == pytest.approx(0.01)


def test_a_noisy_model_is_not_given_losses_for_its_noise(log: Any) -> None:
    for i in range(8):
        alive(log, f"calm{i}", 3, range(30), lambda t, _: 0 * t, 0.002, seed=i)
        alive(log, f"wild{i}", 3, range(30), lambda t, _: 0 * t, 0.02, seed=50 + i)
    losses = [law.decay.mean_loss(1) for law in fit_lifecycle(log.trace()).models]
    assert sum(loss == 0 for loss in losses) >= 14


def test_few_increments_get_the_mean_law_of_the_others(log: Any) -> None:
    alive(log, "a", 1, range(31), lambda t, _: 0.002 * t)
    alive(log, "b", 1, range(11), lambda t, _: 0.006 * t)
    alive(log, "few", 1, range(9), lambda t, _: 0.03 * t)
    log.version("never", GOOD)
    model = fit_lifecycle(log.trace())
    assert model.law_of("few").decay == model.law_of("never").decay
    assert model.law_of("few").decay.gradual_per_day == pytest.approx((0.002 * 30 + 0.006 * 10) / 40)
    assert noted(model, "2 models have under 10 increments of live performance, or under a day of them: the mean law")


def test_the_mean_of_shocks_keeps_the_mean_loss(log: Any) -> None:
    alive(log, "a", 3, range(61), lambda t, rng: shocks(t, rng, 0.05, 0.1), 0.004)
    alive(log, "b", 3, range(61), lambda t, rng: shocks(t, rng, 0.2, 0.04), 0.004, seed=1)
    log.version("c")
    a, b, c = (law.decay for law in fit_lifecycle(log.trace()).models)
    assert c.jumps_per_day == pytest.approx((a.jumps_per_day + b.jumps_per_day) / 2)
    assert c.mean_loss(1) == pytest.approx((a.mean_loss(1) + b.mean_loss(1)) / 2)
    assert b.jump_size < c.jump_size < a.jump_size


def test_models_that_all_have_few_increments_share_one_law(log: Any) -> None:
    for name in ("a", "b", "c"):
        alive(log, name, 1, range(6), lambda t, _: 0.01 * t)
    model = fit_lifecycle(log.trace())
    assert [law.decay.gradual_per_day for law in model.models] == pytest.approx([0.01] * 3)
    assert noted(model, "one law of all of them")
    log.metrics = log.metrics[:6]
    assert fit_lifecycle(log.trace()).models[0].decay == ModelLaw(name="a").decay
    assert noted(fit_lifecycle(log.trace()), "a loss of 0.002 a day")


@pytest.mark.parametrize(("digits", "sd"), [(2, 0.01), (3, 0.001)])
def test_a_log_that_rounds_has_an_error_of_that(log: Any, digits: int, sd: float) -> None:
    alive(log, "p", 5, range(40), lambda t, _: 0.9 - np.round(0.9 - 0.0023 * t, digits))
    model = fit_lifecycle(log.trace())
    assert model.noise_sd == pytest.approx(sd / np.sqrt(12), rel=0.3)
    law = model.law_of("p").decay
    assert law == Decay(gradual_per_day=law.gradual_per_day)
    assert law.gradual_per_day == pytest.approx(0.0023, rel=0.02)


def test_the_smallest_numbers_there_are_make_a_model(log: Any) -> None:
    values = [5e-324, 7e-300, 1e-300] * 10
    log.live("p", log.version("p"), range(30), values)
    assert decay_of(log) == Decay()


def test_moments_tell_of_no_days(log: Any) -> None:
    alive(log, "p", 1, np.arange(60) / 86400, lambda t, _: 1000 * t)  # within a minute
    assert decay_of(log) == ModelLaw(name="p").decay


# --- data -----------------------------------------------------------------------------------------------------------


def test_new_data_are_counted_once_and_only_if_they_are_new(log: Any) -> None:
    for name, version in (("p", "1"), ("p", "1"), ("p", "2"), ("p", "old"), ("q", "2")):
        number = log.version(name, tasks=("preprocess", "train"), read_bytes=5_000_000_000)
        read = {"run_id": f"r{number}", "task_id": "preprocess", "attempt": 1, "direction": "read"}
        log.io.append({**read, "asset_id": "d", "version": version})
        log.io.append({**read, "asset_id": "d", "version": "3", "direction": "write"})
    log.version("bare", tasks=("preprocess", "train"), read_bytes=7_000_000_000)
    log.version("bare", tasks=("preprocess", "train"), read_bytes=9_000_000_000)
    begin = log.runs[0]["submitted_at"]
    sizes = {"1": (28_000_000_000, begin), "2": (56_000_000_000, None), "3": (10**15, begin)}
    sizes["old"] = (10**16, begin - timedelta(seconds=1))
    log.assets = [{"asset_id": "d", "version": v, "size_bytes": b, "created_at": at} for v, (b, at) in sizes.items()]
    laws = {law.name: law for law in fit_lifecycle(log.trace()).models}
    assert {name: law.data_gb_per_day for name, law in laws.items()} == pytest.approx({"p": 3, "q": 2, "bare": 16 / 28})
    assert {name: law.usual_bytes for name, law in laws.items()} == {"p": 5e9, "q": 5e9, "bare": 8e9}
    until = begin + timedelta(days=7)
    assert fit_lifecycle(log.trace(), until).law_of("p").data_gb_per_day == pytest.approx(12)
    short = fit_lifecycle(log.trace(), begin + timedelta(hours=1))
    assert short.law_of("p").data_gb_per_day == pytest.approx(84)
    assert noted(short, "does not cover a day")


# --- whatever a log has ---------------------------------------------------------------------------------------------

MODELS = st.sampled_from(["p", "q", "other", None])
VALUES = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 0.5001, np.nan, np.inf, -np.inf, 5e-324, 1.7e308, 1e-300]),
    st.floats(0, 1),
    st.floats(),
)
ROWS = st.tuples(
    MODELS,
    st.sampled_from(["0", "1", "2", "3", None]),
    st.sampled_from([*METRICS, "performance", "performance", "accuracy", None]),
    st.sampled_from(["static", "live", "live", None]),
    st.none() | st.integers(-1, 3),
    st.none() | st.floats(0, 1e5) | st.integers(0, 9).map(float),
    VALUES,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, max_size=120), st.lists(st.booleans(), min_size=4, max_size=4), st.integers(0, 2**32 - 1))
def test_any_metrics_make_a_model(log: Any, rows: list[tuple[Any, ...]], optimised: list[bool], seed: int) -> None:
    """Also many metrics at once, so that every part of the fit has enough to work on."""
    log = type(log)()
    for name, extra in zip("ppqq", optimised, strict=True):
        log.version(name, tasks=("preprocess", "train", *(["compress", "harden"] if extra else [])), read_bytes=seed + 1)
    for *keys, day, value in rows:
        log.measure(*keys[:3], value, *keys[3:], day=day or 0.0)
    rng = np.random.default_rng(seed)
    scale = rng.choice([0.0, 1e-9, 1e-3, 1.0])
    for i in range(40 if rows else 0):
        log.version("pq"[i % 2], {m: abs(scale * rng.standard_normal()) for m in METRICS}, tasks=("train", "compress"))
        log.live("p", "0", [i * rng.choice([0.0, 1e-6, 1.0])], [0.5 + scale * rng.standard_normal()])
    model = fit_lifecycle(log.trace())
    assert LifecycleModel.model_validate_json(model.model_dump_json()) == model  # which refuses NaN and infinity
    covariance = np.array(model.covariance)
    assert np.array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() >= -1e-12 * np.abs(covariance).max()
    normal = np.random.default_rng(0).standard_normal((4, 5))
    for law in model.models:
        versions = model.draw(np.array(law.mean), normal)
        assert np.isfinite(versions).all()
        assert 0 <= law.decay.mean_loss(1) < np.inf
        assert law.decay.jump_size <= 1
        assert law.versions <= 44
    assert list(model.by_name) == ["p", "q"]

"""On the reference platform the truth is within the confidence intervals of what is fitted as often as they say.

Coverage is counted over logs of many seeds. Intervals of one log are not independent of each other, so logs are the clusters.
As limits are approximations, a rate counts as 95 % if it is within two points of it, up to chance at 99.9 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
import polars as pl
import pytest
from scipy import optimize, stats

from pipesim.lifecycle.fitting import fit_lifecycle
from pipesim.sample import build_platform_trace, build_workload, observe, truth
from pipesim.sample.arrivals import submission_times_ms
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload.arrivals.clock import DAY_US
from pipesim.workload.arrivals.fitting import ArrivalKind, fit_arrivals
from pipesim.workload.confidence.arrivals import arrival_intervals
from pipesim.workload.confidence.data import asset_intervals, byte_intervals
from pipesim.workload.confidence.durations import duration_intervals, family_limits
from pipesim.workload.confidence.intervals import dated_attempts, table
from pipesim.workload.confidence.limits import clusters
from pipesim.workload.confidence.models import model_intervals
from pipesim.workload.confidence.row import Interval
from pipesim.workload.confidence.runs import mark_intervals, structure_intervals
from pipesim.workload.confidence.tasks import task_intervals
from pipesim.workload.laws.choice import LawChoice
from pipesim.workload.laws.law import FamilyLaw, Floats, table_law
from pipesim.workload.laws.quantities import Quantity, fit_quantity
from pipesim.workload.laws.regression import Sample, fit_power
from pipesim.workload.marks.combinations import fit_combinations
from pipesim.workload.structure import find_places, fit_structure
from pipesim.workload.tasks.assets import fit_assets
from pipesim.workload.tasks.durations import fit_durations
from pipesim.workload.tasks.kinds import Kind, fit_kinds
from pipesim.workload.tasks.preprocessing import DataTime, DataTimeChoice
from pipesim.workload.tasks.told import tell
from tests.workload.sample_truth import expected_outcomes, quantities

pytestmark = pytest.mark.endurance

LEVEL = 0.95
#: Limits are approximations: how far from 95 % the rate may be.
TOLERANCE = 0.02
SEEDS = range(1000, 1016)
DAYS = 28
PARTS = ("runs", "structure", "outcomes", "demand", "durations", "assets", "models")
#: An outcome of which a log has fewer has no continuous rate: its limits jump from one count to the next.
_FEWEST = 5


def log_of(seed: int) -> Trace:
    return observe(build_platform_trace(seed, DAYS), DAYS)


def part_intervals(log: Trace) -> Iterator[Interval]:
    """Fit what does not take long, with quantile tables for the durations, and return its intervals."""
    runs = log.pipeline_runs
    attempts = dated_attempts(log)
    structure, _ = fit_structure(find_places(log))
    plain = attempts.drop("reads", "bytes", "cells", "day", "place")
    kinds = fit_kinds(plain, log)
    cells, _ = fit_durations(tell([plain]), lambda *names: stream(0, *names))
    assets, _ = fit_assets(log)
    return chain(
        mark_intervals(runs, fit_combinations(runs, structure.pipelines), structure.pipelines, LEVEL),
        structure_intervals(log, structure, LEVEL),
        task_intervals(attempts, kinds, LEVEL),
        duration_intervals(attempts, cells, LEVEL),
        asset_intervals(log, assets, runs, LEVEL),
        model_intervals(log, fit_lifecycle(log), LEVEL),
    )


def with_truth(seeds: Iterable[int], found: Iterable[Iterable[Interval]]) -> pl.DataFrame:
    """Return the intervals of each log beside the truth, where that is known and every log tells of it.

    What only some logs have intervals of is what these happen to have more of than usual.
    """
    tables = [table(rows, LEVEL).with_columns(seed=seed) for seed, rows in zip(seeds, found, strict=True)]
    known = pl.DataFrame(
        [(*key, value) for key, value in quantities().items()], ("part", "quantity", "key", "truth"), orient="row"
    )
    shapeless = pl.col("of").str.replace(r"^shape \d+: ", "")
    every = pl.concat(tables).with_columns(key=shapeless).join(known, on=("part", "quantity", "key"))
    few = [of for of, expected in expected_outcomes(DAYS).items() if expected < _FEWEST]
    every = every.filter(~((pl.col("quantity") == "share of the outcome") & pl.col("of").is_in(few)))
    every = every.filter(pl.len().over("part", "quantity", "key") == len(tables))
    return every.with_columns(pl.col("high").fill_null(np.inf))


def covered(found: pl.DataFrame, width: float = 1.0) -> tuple[float, float]:
    """Return the rate at which the truth is inside, and how far off chance may have put it, at 99.9 %.

    Args:
        found: What `with_truth` returns.
        width: Makes the intervals so many times as wide, about their middles.
    """
    low, high = found["low"].to_numpy(), found["high"].to_numpy()
    true = found["truth"].to_numpy()
    middle = np.where(np.isinf(high), true, (low + high) / 2)
    inside = np.abs(true - middle) <= (np.where(np.isinf(high), true, high) - middle) * width
    hits = found.select("seed", inside=pl.Series(inside)).group_by("seed").agg(pl.col("inside").sum(), pl.len())
    rate = float(hits["inside"].sum() / hits["len"].sum())
    off = (hits["inside"] - rate * hits["len"]).to_numpy() / hits["len"].sum()
    n = hits.height
    return rate, float(stats.t.ppf(0.9995, n - 1) * np.sqrt(n / (n - 1) * np.sum(off**2)))


def as_stated(found: pl.DataFrame, width: float = 1.0) -> bool:
    rate, chance = covered(found, width)
    return abs(rate - LEVEL) <= TOLERANCE + chance


@pytest.fixture(scope="module")
def everything() -> pl.DataFrame:
    def quick(values: Floats, censored: np.ndarray, *_: object) -> LawChoice:
        return LawChoice.model_construct(law=table_law(values, censored))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipesim.workload.tasks.durations.choose_law", quick)
        patch.setattr("pipesim.workload.tasks.kinds.fit_data_time", lambda attempts: None)
        return with_truth(SEEDS, (part_intervals(log_of(seed)) for seed in SEEDS))


def arrivals_of(kind: ArrivalKind, seeds: range) -> pl.DataFrame:
    def found(seed: int) -> Iterator[Interval]:
        begin = int(np.datetime64(truth.START, "us").astype(np.int64))
        submitted = begin + submission_times_ms(seed, DAYS) * 1000
        end = begin + DAYS * DAY_US
        model, _, _ = fit_arrivals(kind, submitted, int(submitted[0]), end, lambda *names: stream(0, *names))
        return arrival_intervals(submitted, int(submitted[0]), end, model, LEVEL)

    return with_truth(seeds, map(found, seeds))


@pytest.fixture(scope="module")
def arrivals() -> pl.DataFrame:
    return arrivals_of("day-block", range(2000, 2100))


@pytest.mark.parametrize("part", PARTS)
def test_truth_is_inside_as_often_as_stated(everything: pl.DataFrame, part: str) -> None:
    found = everything.filter(pl.col("part") == part)
    assert found.height > 140
    assert as_stated(found), covered(found)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("width", [0.5, 2.0])
def test_intervals_of_another_width_would_be_found_out(everything: pl.DataFrame, part: str, width: float) -> None:
    assert not as_stated(everything.filter(pl.col("part") == part), width)


@pytest.mark.parametrize("quantity", ["share of the hour", "pairs in one half"])
def test_arrivals_are_inside_as_often_as_stated(arrivals: pl.DataFrame, quantity: str) -> None:
    found = arrivals.filter(pl.col("quantity") == quantity)
    assert as_stated(found), covered(found)
    assert not as_stated(found, 0.5)
    assert not as_stated(found, 2.0)


def test_bytes_are_inside_as_often_as_stated() -> None:
    """What preprocess tasks read and write, and what training tasks write; later tasks read the same bytes again."""

    def found(seed: int) -> Iterator[Interval]:
        attempts = dated_attempts(build_workload(seed, DAYS)).filter(pl.col("task_type").is_in(["preprocess", "train"]))
        kinds = []
        for kind, rows in attempts.sort("task_type", "framework").group_by("task_type", "framework", maintain_order=True):
            done = rows.filter("natural")
            laws = {name: fit_quantity(done[f"{name}_bytes"]) for name in ("read", "written")}
            kinds.append(Kind.model_construct(task_type=kind[0], framework=kind[1], reads_asset=1.0, data_time=None, **laws))
        return byte_intervals(attempts, tuple(kinds), LEVEL)

    seeds = range(5000, 5040)
    every = with_truth(seeds, map(found, seeds))
    assert set(every["of"]) == {"preprocess/-", "train/SparkML", "train/TensorFlow", "train/PyTorch"}
    assert as_stated(every), covered(every)
    assert not as_stated(every, 0.5)
    assert not as_stated(every, 2.0)


def test_rates_are_inside_as_often_as_stated() -> None:
    """Days are overdispersed, and neighbours alike, so a log of four weeks has four rows: it takes many logs to tell."""
    found = arrivals_of("poisson", range(4000, 4600)).filter(pl.col("quantity") == "runs a day")
    assert as_stated(found), covered(found)
    assert not as_stated(found, 0.5)
    assert not as_stated(found, 2.0)


def test_estimates_are_within_their_own_intervals_and_unbiased(everything: pl.DataFrame, arrivals: pl.DataFrame) -> None:
    found = pl.concat([everything, arrivals])
    slack = 1e-9 * pl.col("estimate").abs()
    inside = pl.col("estimate").is_between(pl.col("low") - slack, pl.col("high") + slack)
    assert found.select(inside.mean()).item() > 0.995
    off = (pl.col("estimate") - pl.col("truth")) / (pl.col("high") - pl.col("low")) * 2
    of_log = found.filter(pl.col("high").is_finite()).group_by("part", "quantity", "seed").agg(off.mean().alias("off"))
    bias = of_log.group_by("part", "quantity").agg(
        pl.col("off").mean(), chance=4 * pl.col("off").std() / pl.len().sqrt(), logs=pl.len()
    )
    assert bias["logs"].min() == len(SEEDS)
    assert bias.filter(pl.col("off").abs() > 0.1 + pl.col("chance")).is_empty(), bias.sort("off")


def test_coefficients_of_time_that_follows_data_are_inside_as_often_as_stated() -> None:
    found = [batches(stream(seed, "tests", "batches"), 1_700) for seed in range(120)]
    every = with_truth(range(120), found)
    assert set(every["quantity"]) == {"a of a b^x + c", "b of a b^x + c", "c of a b^x + c", "sd of ln noise"}
    assert as_stated(every), covered(every)
    assert not as_stated(every, 0.5)
    assert not as_stated(every, 2.0)


def batches(rng: np.random.Generator, n: int) -> list[Interval]:
    """Fit the function to preprocess tasks whose cells a log tells, and not their bytes: these have no exact function."""
    covariance = truth.ASSET_CORRELATION * np.prod(truth.ASSET_LOG_SD)
    sd = np.sqrt(np.sum(np.square(truth.ASSET_LOG_SD)) + 2 * covariance)
    cells = np.sort(np.exp(sum(truth.ASSET_LOG_MEAN) + sd * rng.standard_normal(n)))
    law = truth.PREPROCESS_SECONDS
    seconds = law.median(cells) * np.exp(law.s * rng.standard_normal(n))
    function = fit_power(Sample(np.log1p(cells), np.log(seconds), np.zeros(n, dtype=np.int64)))
    fitted = DataTime(
        unit="cells",
        amount=table_law(cells),
        function=function,
        noise=table_law(seconds / np.exp(function.log(np.log1p(cells)))),
        maximum=float(seconds.max()),
    )
    silent = Quantity(missing=1.0, law=None)
    choice = DataTimeChoice(law=fitted, reason="", rows=n)
    of_kind = {"task_type": "preprocess", "framework": None, "reads_asset": 1.0, "read": silent, "written": silent}
    kind = Kind.model_construct(**of_kind, data_time=choice)
    attempts = pl.DataFrame(
        {"day": rng.integers(0, DAYS, n), "cells": cells, "seconds": seconds, "natural": True, "status": "SUCCEEDED"}
    ).with_columns(task_type=pl.lit("preprocess"), framework=pl.lit(None, pl.String), read_bytes=None, written_bytes=None)
    return list(byte_intervals(attempts, (kind,), LEVEL))


def test_parameters_of_families_are_inside_as_often_as_stated() -> None:
    """One attempt in four still runs, as at the end of a short log, and counts as longer."""
    law, n, inside = truth.TRAIN_SECONDS["TensorFlow"], 150, []
    for seed in range(200):
        rng = stream(seed, "tests", "families")
        natural, until = law.sample(rng, n), law.sample(rng, n) * 3
        seconds, censored = np.minimum(natural, until), until < natural
        fitted = weibull(seconds, censored)
        limits = family_limits(fitted, seconds, censored, clusters(rng.integers(0, DAYS, n)), LEVEL)
        inside.append([low <= true <= high for true, (low, high) in zip((law.b, law.a), limits, strict=True)])
    rates = np.mean(inside, axis=0)
    assert np.all(np.abs(rates - LEVEL) < TOLERANCE + 3.3 * np.sqrt(LEVEL * (1 - LEVEL) / len(inside))), rates
    assert np.mean(inside) < 0.985


def weibull(seconds: Floats, censored: np.ndarray) -> FamilyLaw:
    """Return the maximum likelihood of a Weibull law with lower bounds (Cohen, Technometrics 7, 1965)."""
    logs = np.log(seconds)
    exact = logs[~censored].mean()

    def slope(c: float) -> float:
        power = np.exp(c * (logs - logs.max()))
        return float(power @ logs / power.sum() - 1 / c - exact)

    c = optimize.brentq(slope, 0.1, 10.0)
    scale = float((np.sum(seconds**c) / np.count_nonzero(~censored)) ** (1 / c))
    return FamilyLaw(family="weibull_min", shapes=(c,), scale=scale, zero=0.0, maximum=1e9, below_maximum=1.0)

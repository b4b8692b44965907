"""What became of models, in the canonical tables: their versions, and what was measured of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from pipesim.lifecycle.metrics import METRICS, Floats
from pipesim.simulation.calendar import MONDAY
from pipesim.simulation.compilation import Compilation
from pipesim.simulation.engine import FAILS, NEVER, Int64, Schedule
from pipesim.simulation.models.building import Models
from pipesim.simulation.models.lives import Lives, ends_of_tasks, lives_of, looks, measure, performance_at, trained_at
from pipesim.simulation.scenario import Scenario
from pipesim.simulation.scenario.lifecycle import Lifecycle
from pipesim.simulation.summary import counts_from
from pipesim.words import count

#: No more live measurements than this are written; of more, only every n-th look.
MOST_LOOKS = 5_000_000
_HOUR_US = 3_600_000_000


def model_tables(
    compiled: Compilation, schedule: Schedule, scenario: Scenario
) -> tuple[dict[str, pl.DataFrame], tuple[str, ...]]:
    """Return `models` and `model_metrics` of runs that took place, and warnings; nothing without a lifecycle."""
    models, lifecycle = compiled.models, scenario.lifecycle
    if models is None or lifecycle is None:
        return {}, ()
    since = counts_from(compiled, schedule, scenario)
    lives = lives_of(compiled.given, schedule)
    versions = _versions(compiled, schedule, models, lives)
    live, every = _live_rows(compiled, lives, versions, lifecycle)
    rows = [_static_rows(compiled, schedule, models, versions), live, _exact_rows(compiled, lives, versions, lifecycle, since)]
    many = f"more than {count(MOST_LOOKS, 'live measurement')}: of the monitor's looks only every {every}-th is written"
    warnings = (many,) if every > 1 else ()
    return {"models": versions.drop("run"), "model_metrics": pl.concat(rows)}, warnings


def _versions(compiled: Compilation, schedule: Schedule, models: Models, lives: Lives) -> pl.DataFrame:
    """Return one row a version, as in `models`, with its run (-1: it was live at the beginning)."""
    trained = trained_at(compiled.given, schedule)
    run = np.flatnonzero(trained != NEVER)
    model = models.versions.model[run].astype(np.int64)
    first = compiled.attempts.filter(pl.col("task_type") == "train").group_by("run").agg(pl.col("framework").first())
    made = pl.DataFrame({"run": run, "model": model, "created_at": trained[run]}).join(
        first, on="run", how="left", maintain_order="left"
    )
    made = made.with_columns(
        version=pl.col("created_at").rank("ordinal").over("model").cast(pl.String),
        size_bytes=pl.Series(models.versions.trained[run, METRICS.index("size_bytes")]).round().cast(pl.Int64),
    )
    there = np.flatnonzero(lives.run == -1)
    beginning = pl.DataFrame({"run": lives.run[there], "model": lives.model[there], "created_at": lives.begin[there]})
    laws = pl.Series([law.framework for law in models.laws], dtype=pl.String)
    beginning = beginning.with_columns(
        framework=laws.gather(lives.model[there]),
        version=pl.lit("0"),
        size_bytes=pl.Series(models.versions.beginning[lives.model[there], METRICS.index("size_bytes")]).round().cast(pl.Int64),
    )
    span = pl.DataFrame(
        {"run": lives.run, "model": lives.model, "begin": lives.begin, "end": lives.end, "retired": lives.retired}
    )
    lived = span.group_by("run", "model").agg(
        deployed_at=pl.col("begin").min(),
        retired_at=pl.when(pl.col("retired").all()).then(pl.col("end").max()),
    )
    ids, names = dict(enumerate(compiled.runs["run_id"])), dict(enumerate(models.fleet.names))
    instants = ("created_at", "deployed_at", "retired_at")
    return (
        pl.concat([beginning, made], how="diagonal")
        .join(lived, on=["run", "model"], how="left", maintain_order="left")
        .with_columns(
            model_id=pl.col("model").replace_strict(names, return_dtype=pl.String),
            produced_by_run_id=pl.col("run").replace_strict(ids, default=None, return_dtype=pl.String),
        )
        .with_columns(pl.col(name).cast(pl.Datetime("us")) for name in instants)
        .drop("model")
    )


def _static_rows(compiled: Compilation, schedule: Schedule, models: Models, versions: pl.DataFrame) -> pl.DataFrame:
    """Return what was measured after training (step 0, by the evaluation where there is one) and after later tasks (step 1)."""
    made = versions.filter(pl.col("run") >= 0)
    run = made["run"].to_numpy()
    evaluated = _evaluated_at(compiled, schedule, models)[run]
    at = np.where(evaluated != NEVER, evaluated, made["created_at"].to_physical().to_numpy())
    first = _metric_rows(made, models.versions.trained[run], at, 0)
    deployed = made["deployed_at"].is_not_null().to_numpy()
    changed = deployed & (models.versions.trained[run] != models.versions.live[run]).any(axis=1)
    late = made.filter(changed)
    second = _metric_rows(late, models.versions.live[late["run"].to_numpy()], late["deployed_at"].to_physical().to_numpy(), 1)
    there = versions.filter(pl.col("run") < 0)
    number = there.select("model_id").join(models.fleet.numbers, left_on="model_id", right_on="pipeline_name", how="left")[
        "model"
    ]
    zero = _metric_rows(there, models.versions.beginning[number.to_numpy()], there["created_at"].to_physical().to_numpy(), 0)
    return pl.concat([zero, first, second])


def _evaluated_at(compiled: Compilation, schedule: Schedule, models: Models) -> Int64:
    """Return when the version of each run was last evaluated, [R], also where it was found wanting."""
    given = compiled.given
    first = compiled.attempts.filter(compiled.attempts["task"].is_first_distinct())
    evaluates = (first["task_type"] == "evaluate").fill_null(False).to_numpy()
    ended = np.maximum.reduceat(schedule.ended, given.task_attempts[:-1])
    over = np.where(
        ends_of_tasks(given, schedule) != NEVER,
        ended,
        np.where(models.versions.refused & np.isin(schedule.task_state, FAILS), ended, NEVER),
    )
    found = np.full(len(given.run_submitted), NEVER, np.int64)
    np.maximum.at(found, first["run"].to_numpy()[evaluates], over[evaluates])
    return found


def _metric_rows(versions: pl.DataFrame, metrics: Floats, at: Int64, step: int) -> pl.DataFrame:
    wide = versions.select("model_id", "version").with_columns(
        pl.Series("measured_at", at), *(pl.Series(name, metrics[:, i]) for i, name in enumerate(METRICS))
    )
    rows = wide.unpivot(list(METRICS), index=["model_id", "version", "measured_at"], variable_name="metric")
    return _columns(rows.with_columns(phase=pl.lit("static"), step=pl.lit(step)))


def _live_rows(compiled: Compilation, lives: Lives, versions: pl.DataFrame, lifecycle: Lifecycle) -> tuple[pl.DataFrame, int]:
    """Return what the monitor sees at deployment and at each look, and of how many looks one is kept."""
    upkeep = compiled.given.upkeep
    assert upkeep is not None
    life, instant, number, every = looks(lives, MONDAY, max(1, round(lifecycle.monitor_h * _HOUR_US)), MOST_LOOKS)
    value = performance_at(lives, upkeep, life, instant)
    rows = _named(lives, versions)[life].with_columns(
        metric=pl.lit("performance"),
        phase=pl.lit("live"),
        step=pl.Series(number),
        measured_at=pl.Series(instant),
        value=pl.Series(value),
    )
    return _columns(rows), every


def _exact_rows(compiled: Compilation, lives: Lives, versions: pl.DataFrame, lifecycle: Lifecycle, since: int) -> pl.DataFrame:
    """Return, for each life, for how long it was live, how it performed in the mean, and how long below the objective."""
    upkeep = compiled.given.upkeep
    assert upkeep is not None
    found = measure(lives, upkeep, since, lifecycle.objective)
    counted = found.live_s > 0
    values = {
        "live_s": found.live_s[counted],
        "mean_performance": found.area[counted] / found.live_s[counted],
        "below_objective_s": found.below_s[counted],
    }
    if lifecycle.objective is None:
        del values["below_objective_s"]
    wide = (
        _named(lives, versions)
        .filter(counted)
        .with_columns(
            pl.Series("measured_at", lives.end[counted]), *(pl.Series(name, column) for name, column in values.items())
        )
    )
    rows = wide.unpivot(list(values), index=["model_id", "version", "measured_at"], variable_name="metric")
    return _columns(rows.with_columns(phase=pl.lit("live"), step=pl.lit(0)))


def _named(lives: Lives, versions: pl.DataFrame) -> pl.DataFrame:
    """Return model_id and version of each life, [L rows]."""
    key = pl.DataFrame({"run": lives.run})
    of_run = versions.filter(pl.col("run") >= 0).select("run", "model_id", "version")
    beginning = versions.filter(pl.col("run") < 0).select("model_id", "version")
    # Those of the beginning stand in the order of their models, as lives do.
    place = np.cumsum(lives.run < 0) - 1
    named = key.join(of_run, on="run", how="left", maintain_order="left").select("model_id", "version")
    if beginning.height:
        there = pl.Series(lives.run < 0)
        old = beginning[np.maximum(place, 0)]
        named = named.with_columns(
            pl.when(there).then(old["model_id"]).otherwise("model_id").alias("model_id"),
            pl.when(there).then(old["version"]).otherwise("version").alias("version"),
        )
    return named


def _columns(rows: pl.DataFrame) -> pl.DataFrame:
    types: dict[str, Any] = {
        "model_id": pl.String(), "version": pl.String(), "metric": pl.String(), "phase": pl.String(), "step": pl.Int64(),
        "measured_at": pl.Datetime("us"), "value": pl.Float64(),
    }  # fmt: skip
    return rows.select(pl.col(name).cast(kind) for name, kind in types.items())

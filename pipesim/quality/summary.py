"""From the values of many seeds to scores: means beside their noise floor, the baseline and the goal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipesim.quality.goal import NO_GOAL, Goal
from pipesim.quality.measures import WAIT_ERROR, Metric

#: What is told of a metric, or of one part of the trace by it. `value` and `baseline` are means over seeds, `floor` over draws
#: of real days; `sd` and `floor_sd` are the standard deviations of single ones.
_FIGURES = {
    "value": pl.Float64, "sd": pl.Float64, "floor": pl.Float64, "floor_sd": pl.Float64, "baseline": pl.Float64,
    "goal": pl.String, "goal_low": pl.Float64, "goal_high": pl.Float64, "ok": pl.Boolean,
}  # fmt: skip
CELLS = {"metric": pl.String, "title": pl.String, "cell": pl.String, **_FIGURES}
#: Of a metric with parts, the worst by its goal stands for all of them; `cell` says which.
SCORES = {
    **CELLS,
    "stretch": pl.String, "stretch_low": pl.Float64, "stretch_high": pl.Float64, "stretch_ok": pl.Boolean,
    "words": pl.String, "reason": pl.String,
}  # fmt: skip
#: How many times lower the error of waits is than the baseline's.
WAIT_GAIN = "wfe_gain"
#: The same of the baseline as it was published, its mean not matched.
PUBLISHED_GAIN = "wfe_gain_published"
_GAIN_GOAL, _GAIN_STRETCH = Goal(low=4.0), Goal(low=8.0)
_GAINS = {WAIT_GAIN: "baseline", PUBLISHED_GAIN: "published"}
_WORDS = {
    WAIT_GAIN: ("the baseline", "one arrival law for each hour of the week"),
    PUBLISHED_GAIN: ("PipeSim (2020)", "the arrivals of the PipeSim paper as they were published, which lose many runs"),
}
#: Waits that are nearer than that are as good as equal, so that no ratio is infinite.
_LEAST_ERROR = 1e-3


@dataclass(frozen=True)
class _Cell:
    """The means of one metric and part of the trace."""

    metric: Metric
    cell: str
    value: float
    sd: float | None
    floor: float | None
    floor_sd: float | None
    baseline: float | None

    @property
    def goal(self) -> Goal:
        return self.metric.goal.at(self.floor)

    @property
    def missed_by(self) -> float:
        """How far the value is from the perfect one, in goals."""
        away = self.value - self.metric.perfect
        end = self.goal.high if away > 0 else self.goal.low
        return abs(away) / max(abs(end - self.metric.perfect), 1e-12) if end is not None else 0.0

    def row(self) -> dict[str, Any]:
        names = ("cell", "value", "sd", "floor", "floor_sd", "baseline")
        told = {name: getattr(self, name) for name in names}
        return {"metric": self.metric.name, "title": self.metric.title, **told, **_judged("goal", self.goal, self.value)}


def summarize(metrics: Sequence[Metric], seeds: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the scores, one row a metric, and the cells, one row a metric and part of the trace.

    Args:
        metrics: The metrics, in the order in which they are reported.
        seeds: series (model, baseline, published, floor), seed, metric, cell, value, reason.
    """
    cells = {metric.name: list(_cells(metric, seeds)) for metric in metrics}
    scores = [_score(metric, cells[metric.name], seeds) for metric in metrics if metric.goal != NO_GOAL]
    errors = {series: _mean_error(seeds, series) for series in _GAINS.values()}
    scores += [_gain(name, cells[WAIT_ERROR], errors[series], scores) for name, series in _GAINS.items()]
    rows = [cell.row() for found in cells.values() for cell in found]
    return pl.DataFrame(scores, schema=SCORES), pl.DataFrame(rows, schema=CELLS)


def _cells(metric: Metric, seeds: pl.DataFrame) -> Iterator[_Cell]:
    value = pl.col("value")
    told = seeds.filter((pl.col("metric") == metric.name) & value.is_not_null())
    means = told.group_by("series", "cell", maintain_order=True).agg(mean=value.mean(), sd=value.std())
    found = {(row["series"], row["cell"]): row for row in means.iter_rows(named=True)}
    nothing = {"mean": None, "sd": None}
    for name in dict.fromkeys(cell for series, cell in found if series == "model"):
        mine, floor, baseline = (found.get((series, name), nothing) for series in ("model", "floor", "baseline"))
        yield _Cell(metric, name, mine["mean"], mine["sd"], floor["mean"], floor["sd"], baseline["mean"])


def _score(metric: Metric, cells: Sequence[_Cell], seeds: pl.DataFrame) -> dict[str, Any]:
    if not cells:
        why = seeds.filter((pl.col("metric") == metric.name) & (pl.col("series") == "model"))["reason"].drop_nulls()
        reason = why[0]
        untold = {"metric": metric.name, "title": metric.title, "cell": "", **_judged("goal", metric.goal, None)}
        words = f"This cannot be told: {reason}."
        return {**untold, **_judged("stretch", metric.stretch, None), "words": words, "reason": reason}
    worst = max(cells, key=lambda cell: cell.missed_by)
    stretch = _judged("stretch", metric.stretch.at(worst.floor), worst.value)
    return {**worst.row(), **stretch, "words": metric.words(worst.value, worst.floor, worst.floor_sd), "reason": None}


def _gain(name: str, cells: Sequence[_Cell], other: float | None, scores: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the score of the model's waits against those of another model, of which the mean error is known."""
    whose, words_of = _WORDS[name]
    row: dict[str, Any] = {"metric": name, "title": f"waits, times nearer than {whose}", "cell": ""}
    value, reason = None, next(score["reason"] for score in scores if score["metric"] == WAIT_ERROR)
    words = f"This cannot be told: {reason}."
    if other is not None and cells:
        (error,) = cells
        value = other / max(error.value, _LEAST_ERROR)
        floor = None if error.floor is None else other / max(error.floor, _LEAST_ERROR)
        row |= {"value": value, "baseline": 1.0, "floor": floor}
        words = f"Waits are {value:.3g} times nearer to the real ones than with {words_of}"
        words += f"; those of real weeks would be {floor:.3g} times nearer." if floor is not None else "."
    judged = {**_judged("goal", _GAIN_GOAL, value), **_judged("stretch", _GAIN_STRETCH, value)}
    return {**row, **judged, "words": words, "reason": reason}


def _mean_error(seeds: pl.DataFrame, series: str) -> float | None:
    told = seeds.filter((pl.col("metric") == WAIT_ERROR) & (pl.col("series") == series))["value"].drop_nulls()
    return None if told.is_empty() else float(told.to_numpy().mean())


def _judged(name: str, goal: Goal, value: float | None) -> dict[str, Any]:
    """Return a goal's columns; nothing is met or missed where there is no goal or no value."""
    ok = None if value is None or goal == NO_GOAL else goal.met(value)
    return {
        name: goal.words,
        f"{name}_low": goal.low,
        f"{name}_high": goal.high,
        ("ok" if name == "goal" else "stretch_ok"): ok,
    }

"""The tables that tell how good a model is, as `pipesim quality` stores them: one declaration each."""

from __future__ import annotations

from pipesim.schema import Column, Table, Type

_S, _I, _N, _B = Type.STRING, Type.INTEGER, Type.NUMBER, Type.BOOLEAN

#: What tells the models apart where all that were judged stand in one table, and which of them was judged last.
JUDGED = {"model": "VARCHAR", "is_current": "BOOLEAN"}


def _figures(what: str) -> tuple[Column, ...]:
    return (
        Column("position", _I, "The place in the order in which it is reported, from 1.", nullable=False),
        Column("metric", _S, "The metric's name.", nullable=False),
        Column("title", _S, "What it is called in a table.", nullable=False),
        Column("cell", _S, what),
        Column("value", _N, "The mean over the synthetic traces."),
        Column("sd", _N, "The standard deviation of single synthetic traces."),
        Column("floor", _N, "The noise floor: the same figure of real days beside real days."),
        Column("floor_sd", _N, "The standard deviation of single draws of real days."),
        Column("baseline", _N, "The same figure of the hour-of-week model with independent marks."),
        Column("goal", _S, "What is good enough, in words."),
        Column("goal_low", _N, "The least that is good enough, if there is a least."),
        Column("goal_high", _N, "The most that is good enough, if there is a most."),
        Column("ok", _B, "Whether the value is good enough; NULL where there is no value or no goal."),
    )


def _curve(name: str, doc: str, *keys: Column) -> Table:
    sides = (
        Column("real", _N, "The value of the log."),
        Column("synthetic", _N, "The mean over the synthetic traces."),
        Column("low", _N, "The least of any synthetic trace."),
        Column("high", _N, "The most of any synthetic trace."),
        Column("baseline", _N, "The mean over the synthetic traces of the baseline."),
    )
    return Table(name, doc, tuple(key.name for key in keys), (*keys, *sides))


SCORES = Table(
    "scores",
    "One score: a metric beside its noise floor, the baseline and its goal.",
    key=("metric",),
    columns=(
        *_figures("Of a metric with parts, the part that stands for all: the one farthest beyond its own goal; else empty."),
        Column("stretch", _S, "What would be better still, in words."),
        Column("stretch_low", _N, "The least that would be, if there is a least."),
        Column("stretch_high", _N, "The most that would be, if there is a most."),
        Column("stretch_ok", _B, "Whether the value is; NULL where there is no value, or no floor that it goes by."),
        Column("words", _S, "What the value means, for people who know no statistics."),
        Column("reason", _S, "Why there is no value, where there is none."),
    ),
)
CELLS = Table(
    "cells",
    "One metric and part of the trace; a metric without a goal is a detail.",
    key=("metric", "cell"),
    columns=_figures("The part of the trace; empty for a metric of the whole."),
)
SEEDS = Table(
    "seeds",
    "One synthetic trace, or one draw of real days, by one metric and part of the trace.",
    key=("series", "seed", "metric", "cell"),
    columns=(
        Column(
            "series",
            _S,
            "What is compared with the log; published is the baseline with gaps as the PipeSim paper draws them.",
            nullable=False,
            values=("model", "baseline", "published", "floor"),
        ),
        Column("seed", _I, "The seed of the draw.", nullable=False),
        Column("metric", _S, "The metric's name.", nullable=False),
        Column("cell", _S, "The part of the trace; empty for a metric of the whole.", nullable=False),
        Column("value", _N, "The value."),
        Column("reason", _S, "Why there is none, where there is none."),
    ),
)
DURATION_QUANTILES = _curve(
    "duration_quantiles",
    "The natural duration, in seconds, that a share of the tasks of a kind does not exceed.",
    Column("cell", _S, "Task type and GPU size class.", nullable=False),
    Column("share", _N, "The share, 0 to 1.", nullable=False),
)
DISPERSION = _curve(
    "dispersion",
    "The index of dispersion of submissions (variance over mean of their counts) by the length of the windows.",
    Column("window_s", _I, "The length of the windows in seconds.", nullable=False),
)
HOURLY_AUTOCORRELATION = _curve(
    "hourly_autocorrelation",
    "The autocorrelation of log(1 + submissions an hour) by the lag.",
    Column("lag_h", _I, "The lag in hours.", nullable=False),
)
WEEK = _curve(
    "week",
    "Submissions an hour by the hour of the week.",
    Column("hour_of_week", _I, "The hour, from Monday 00:00 UTC.", nullable=False),
)

QUALITY_TABLES: dict[str, Table] = {
    table.name: table
    for table in (SCORES, CELLS, SEEDS, DURATION_QUANTILES, DISPERSION, HOURLY_AUTOCORRELATION, WEEK)
}  # fmt: skip

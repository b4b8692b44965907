"""Curves that show what the scores sum up: quantiles of durations, dispersion, memory of busy hours, the week."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.measures.arrivals import autocorrelation, dispersion
from pipesim.quality.measures.durations import FEWEST_ROWS, by_cell
from pipesim.quality.measures.metric import CannotTellError
from pipesim.quality.values import quantiles
from pipesim.workload.laws.law import Floats

Curves = dict[str, pl.DataFrame]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
#: From a minute to a week, in seconds; each divides the next but one or so, so that windows nest.
_WINDOWS = (
    *(n * _MINUTE for n in (1, 2, 5, 10, 20, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * _DAY for n in (1, 2, 7)),
)
_LAGS = 168
_SHARES: Floats = np.concatenate([np.arange(1, 100) / 100, [0.995, 0.999]])
#: What a point of each curve is known by.
KEYS = {
    "duration_quantiles": ("cell", "share"),
    "dispersion": ("window_s",),
    "hourly_autocorrelation": ("lag_h",),
    "week": ("hour_of_week",),
}


def curves(one: Excerpt) -> Curves:
    """Return the curves of an excerpt, each with the columns of `KEYS` and `value`.

    - `duration_quantiles` (seconds): by task type and size class.
    - `dispersion`: the index of dispersion of submissions by the length of the windows; 1 for a Poisson process.
    - `hourly_autocorrelation`: of log(1 + submissions an hour), for lags of 0 to 168 hours.
    - `week`: submissions an hour by hour of the week, from Monday 00:00 UTC.
    """
    return {
        "duration_quantiles": _duration_quantiles(one),
        "dispersion": _points("window_s", _WINDOWS, [_dispersion(one, window) for window in _WINDOWS]),
        "hourly_autocorrelation": _points("lag_h", range(_LAGS + 1), [_hourly(one, lag) for lag in range(_LAGS + 1)]),
        "week": _week(one),
    }


def together(real: Curves, model: Sequence[Curves], baseline: Sequence[Curves]) -> Curves:
    """Put the curves of the real excerpt, of synthetic ones and of the baseline's side by side.

    Returns:
        For each curve the columns of `KEYS`, then `real`, `synthetic` (mean over seeds), `low` and `high` (the least and the
        most of any seed) and `baseline` (mean).
    """
    found = {}
    for name, keys in KEYS.items():
        table = real[name].rename({"value": "real"})
        drawn = pl.concat([one[name] for one in model]).group_by(keys)
        value = pl.col("value")
        sides = (
            drawn.agg(synthetic=value.mean(), low=value.min(), high=value.max()),
            pl.concat([one[name] for one in baseline]).group_by(keys).agg(baseline=value.mean()),
        )
        for side in sides:
            table = table.join(side, on=keys, how="left", maintain_order="left")
        found[name] = table
    return found


def _points(key: str, at: Sequence[int], values: list[float | None]) -> pl.DataFrame:
    frame = pl.DataFrame({key: list(at), "value": values}, schema={key: pl.Int64, "value": pl.Float64})
    return frame.drop_nulls()


def _dispersion(one: Excerpt, window_s: int) -> float | None:
    try:
        return dispersion(one.counts(window_s))
    except CannotTellError:
        return None


def _hourly(one: Excerpt, lag: int) -> float | None:
    try:
        return autocorrelation(np.log1p(one.hourly), lag)
    except CannotTellError:
        return None


def _duration_quantiles(one: Excerpt) -> pl.DataFrame:
    cells = by_cell(one)
    parts = [pl.DataFrame(schema={"cell": pl.String, "share": pl.Float64, "value": pl.Float64})]
    for cell, values in cells.items():
        if len(values.value) >= FEWEST_ROWS // 2:
            parts.append(_quantile_points(cell, quantiles(values, _SHARES)))
    return pl.concat(parts)


def _quantile_points(cell: str, values: Floats) -> pl.DataFrame:
    return pl.DataFrame({"cell": [cell] * len(values), "share": _SHARES, "value": values}).filter(pl.col("value").is_not_nan())


def _week(one: Excerpt) -> pl.DataFrame:
    begin = one.stretch.begin
    first = one.days * 24 + begin.hour
    hour = (np.repeat(first, 24) + np.tile(np.arange(24), len(one.days)))[: one.hours] % 168
    runs = np.bincount(hour, weights=one.hourly, minlength=168)
    covered = np.bincount(hour, minlength=168)
    known = np.flatnonzero(covered)
    return pl.DataFrame({"hour_of_week": known, "value": runs[known] / covered[known]})

"""Two models that were judged, in a few rows of each table; the second is the current one."""

from __future__ import annotations

from typing import Any

import polars as pl

from pipesim.quality.scores import Quality
from pipesim.quality_schema import QUALITY_TABLES
from tests.sql.plain import Row

#: The rows of each table.
Judgement = dict[str, list[Row]]
CURRENT = "m-new"


def figures(metric: str, cell: str, position: int, value: float | None, **others: Any) -> Row:
    beside = {"sd": 0.5, "floor": 0.25, "floor_sd": 0.125, "baseline": 2.0} if value is not None else {}
    goal = {"goal": "at most 1", "goal_high": 1.0, "ok": None if value is None else value <= 1}
    return {
        "position": position, "metric": metric, "title": f"{metric} in words", "cell": cell, "value": value,
        **beside, **goal, **others,
    }  # fmt: skip


def score(metric: str, cell: str, position: int, value: float | None) -> Row:
    stretch = {"stretch": "0.25 to 0.5", "stretch_low": 0.25, "stretch_high": 0.5}
    met = None if value is None else 0.25 <= value <= 0.5
    told = {"words": f"It is {value}.", "reason": "the log is silent" if value is None else None}
    return figures(metric, cell, position, value, **stretch, stretch_ok=met, **told)


def point(real: float | None, synthetic: float | None, baseline: float | None, **keys: Any) -> Row:
    ends = {"low": synthetic - 0.5, "high": synthetic + 0.25} if synthetic is not None else {}
    return {**keys, "real": real, "synthetic": synthetic, **ends, "baseline": baseline}


def judgement(value: float) -> Judgement:
    detail = {"goal": "", "goal_high": None, "ok": None}
    return {
        "scores": [score("mix", "tenant", 1, value), score("distance", "", 2, None), score("gain", "", 3, 0.375)],
        "cells": [
            figures("mix", "pipeline", 1, value / 2),
            figures("mix", "tenant", 2, value),
            figures("wait", "p95 at load 0.9", 3, -value, **detail),
        ],
        "seeds": [
            {"series": series, "seed": seed, "metric": "mix", "cell": "tenant", "value": value, "reason": None}
            for series in ("model", "baseline", "published", "floor")
            for seed in (4, 5, 6)
        ],
        "duration_quantiles": [
            point(10.0, 11.0, 12.0, cell="train", share=0.5),
            point(20.0, None, 24.0, cell="train", share=0.75),
            point(1.0, 1.5, None, cell="deploy", share=0.5),
        ],
        "dispersion": [point(2.0, value, 1.0, window_s=60)],
        "hourly_autocorrelation": [point(1.0, 1.0, 1.0, lag_h=0), point(0.5, -0.25, 0.0, lag_h=1)],
        "week": [point(3.0, 2.0, 2.5, hour_of_week=0), point(0.0, 0.0, 1.0, hour_of_week=167)],
    }


JUDGEMENTS: dict[str, Judgement] = {"m-old": judgement(0.5), CURRENT: judgement(1.5)}


def judged(model: str) -> Quality:
    """The model's quality as judging it would return it."""
    frames = {
        name: table.conform(pl.DataFrame(JUDGEMENTS[model][name], infer_schema_length=None))
        for name, table in QUALITY_TABLES.items()
    }
    scores, cells, seeds = (frames.pop(name) for name in ("scores", "cells", "seeds"))
    return Quality(model, "m-simple", 28, scores.drop("position"), cells.drop("position"), seeds, frames)

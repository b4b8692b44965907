"""Whether the synthetic trace is like the observed one that its model was fitted to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from pipesim.checks.metrics import ARRIVALS, DURATIONS, TASKS, Metric, scores
from pipesim.checks.reading import observed_trace
from pipesim.checks.sample import Sample, sample
from pipesim.checks.verdict import Verdict
from pipesim.errors import RequestError
from pipesim.lake import Lake
from pipesim.quality.values import quantile
from pipesim.verbs import load_model
from pipesim.words import count

_QUANTILES = {"p50_s": 0.5, "p90_s": 0.9, "p99_s": 0.99}


def arrivals_like_observed(lake: Lake) -> Verdict:
    """As many runs come as were observed, by days and scale, in the same hours of the week and with the same times between."""
    real, synthetic = samples(lake)
    return _judge(ARRIVALS, real, synthetic, "Runs arrive as they were observed to")


def durations_like_observed(lake: Lake) -> Verdict:
    """Tasks take as long as was observed, altogether and by task type."""
    real, synthetic = samples(lake)
    rows = [
        (name, trace, len(values.value), *(quantile(values, q) for q in _QUANTILES.values()))
        for name in sorted({*real.durations, *synthetic.durations})
        for trace, one in (("observed", real), ("synthetic", synthetic))
        if (values := one.durations.get(name)) is not None
    ]
    schema = {"task_type": pl.String, "trace": pl.String, "attempts": pl.Int64, **dict.fromkeys(_QUANTILES, pl.Float64)}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return _judge(DURATIONS, real, synthetic, "Tasks take as long as was observed", {"quantiles": table})


def tasks_like_observed(lake: Lake) -> Verdict:
    """Runs have as many tasks as was observed, these ask for the same resources, and as many attempts fail."""
    real, synthetic = samples(lake)
    return _judge(TASKS, real, synthetic, "Tasks are as many, ask for as much and fail as often as was observed")


def samples(lake: Lake) -> tuple[Sample, Sample]:
    """Return what is compared: of the observed trace, in the window that the model was fitted to, and of the synthetic one.

    Raises:
        RequestError: If there is no synthetic trace, or its model is gone.
    """
    name = lake.current(lake.lake / "synthetic")
    if name is None:
        raise RequestError("there is no synthetic trace yet", remedy="make one with `pipesim synthesize`")
    synthetic = lake.load_synthetic(name)
    manifest = json.loads((lake.synthetic_folder(name) / "manifest.json").read_text(encoding="utf-8"))
    window = load_model(lake, manifest["model"]).window
    length = timedelta(days=manifest["config"]["days"])
    # Every run says when the horizon ends; of an empty trace any period will do.
    end: datetime = next(iter(synthetic.pipeline_runs["observed_until"]), window.end + length)
    real = sample(observed_trace(lake, "pipeline_runs", "task_runs"), window.start, window.end)
    return real, sample(synthetic, end - length, end, manifest["config"]["scale"])


def _judge(
    metrics: Sequence[Metric], real: Sample, synthetic: Sample, good: str, tables: Mapping[str, pl.DataFrame] | None = None
) -> Verdict:
    figures = scores(metrics, real, [m.compute(real, synthetic) for m in metrics], synthetic.size)
    missed = [name for name, figure in figures.items() if not figure.ok]
    judged = sum(bool(figure.goal) for figure in figures.values())
    words = f"{good}: goals met by {judged} of {count(judged, 'figure')}."
    if missed:
        words = f"Goals missed by {len(missed)} of {count(judged, 'figure')}: {', '.join(missed)}."
    elif not figures:
        return Verdict(False, "Nothing can be compared, as one of the traces does not tell of it.", severity="warn")
    elif not judged:
        words = "The observed trace is too short to tell likeness from chance; the figures have no goals."
    return Verdict(not missed, words, severity="warn", figures=figures, tables=tables or {})

"""Whether the workload model fits what it was fitted to."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.checks.metrics import ARRIVALS, hour_of_week, profile_distance, scores
from pipesim.checks.reading import observed_trace
from pipesim.checks.sample import sample
from pipesim.checks.verdict import MOST_ROWS, Figure, Verdict
from pipesim.lake import Lake
from pipesim.trace import Trace
from pipesim.verbs import load_model
from pipesim.words import count
from pipesim.workload import intervals
from pipesim.workload.arrivals.clock import microseconds
from pipesim.workload.arrivals.hour_of_week_fit import exposure_hours
from pipesim.workload.confidence.limits import LEVEL
from pipesim.workload.laws.law import FamilyLaw
from pipesim.workload.tasks.durations import DurationCell

_KS_GOAL = 0.03
#: Standard deviation over mean of the largest absolute value of a Brownian bridge: (pi^2/12 - .8687^2)^.5 / .8687.
_SPREAD = 0.2998
_SCHEMA = {
    "cell": pl.String, "law": pl.String, "rows": pl.Int64, "ks": pl.Float64, "goal": pl.Float64, "noise floor": pl.Float64,
    "reason": pl.String,
}  # fmt: skip


def durations_fit(lake: Lake) -> Verdict:
    """The law of each duration cell is near to the rows that it was not fitted to, by the Kolmogorov-Smirnov distance.

    The noise floor is the mean distance of two samples of one law of the sizes of the split (analytic, as the fit stores it).
    The goal is .03, or the floor and three standard deviations of it where that is more: only one in a hundred samples of
    the very law is farther away. (A family had to keep 1.3 times the floor to be chosen.)
    """
    model = load_model(lake)
    rows = [row for cell in model.durations if (row := _distance(cell)) is not None]
    table = pl.DataFrame(rows, schema=_SCHEMA, orient="row").with_columns(over=pl.col("ks") / pl.col("goal"))
    table = table.sort("over", descending=True)
    missed = table.filter(pl.col("over") > 1)
    without = sum(cell.choice is not None for cell in model.durations) - table.height
    figures = {"cells": Figure(table.height), "cells_without_distance": Figure(without)}
    figures["cells_beyond_goal"] = Figure(missed.height, high=0)
    words = "No duration law could be judged, as the fit held out no rows."
    if table.height:
        words = "All duration laws that could be judged are near to held-out rows."
        figures["worst_ks"] = Figure(table["ks"][0], high=table["goal"][0], floor=table["noise floor"][0])
    if missed.height:
        words = f"Too far from held-out rows: {missed.height} of {count(table.height, 'duration law')}."
    return Verdict(
        missed.is_empty(), words, severity="warn", figures=figures, tables={"cells": table.drop("over").head(MOST_ROWS)}
    )


def arrivals_fit(lake: Lake) -> Verdict:
    """Over the window that was fitted, the model expects as many runs as came, and in the same hours of the week.

    The goal for the number is 5 %. The noise floor of the weekly profile is that of halves of the observed trace.
    """
    model = load_model(lake)
    observed = observed_trace(lake, "pipeline_runs")
    runs = observed.pipeline_runs.filter(pl.col("pipeline_name").is_in(model.structure.pipelines))
    real = sample(Trace({"pipeline_runs": runs}), model.window.start, model.window.end)
    rates = model.arrivals.weekly_rates()
    exposure = exposure_hours(microseconds(model.window.start), microseconds(model.window.end))
    expected, came = float(np.sum(rates * exposure)), float(real.runs.sum())
    # A log of a single instant covers no time.
    ratio = expected / came if came and expected else None
    profile = [metric for metric in ARRIVALS if metric.compute is hour_of_week]
    figures = {
        "expected_runs": Figure(expected),
        "observed_runs": Figure(came),
        "run_count_ratio": Figure(ratio, low=0.95, high=1.05),
        **scores(profile, real, [profile_distance(real.rates(), rates)], np.inf),
    }
    missed = [name for name, figure in figures.items() if not figure.ok]
    words = f"The model expects {count(round(expected), 'run')} where {came:,.0f} came"
    words += f"; {' and '.join(missed)} {'miss their goals' if missed[1:] else 'misses its goal'}." if missed else "."
    return Verdict(not missed, words, severity="warn", figures=figures)


def quantities_fit(lake: Lake) -> Verdict:
    """What the model says of arrivals, runs, tasks, durations and data is within the confidence limits that the log gives it.

    The limits (95 %, `pipesim.workload.intervals`) are those of the log, without the laws that were chosen. Estimates come from
    the same rows, so nearly all should be within; the goal allows 5 % of them outside.
    """
    model = load_model(lake)
    known = intervals(lake.load_observed(), model)
    inside = pl.col("estimate").is_between(pl.col("low"), pl.col("high").fill_null(np.inf))
    # A limit that the estimate touches may differ from it by rounding.
    near = (
        pl.min_horizontal((pl.col("estimate") - pl.col(end)).abs() for end in ("low", "high"))
        <= 1e-9 * pl.col("estimate").abs()
    )
    known = known.with_columns(outside=~(inside | near.fill_null(False)))
    reach = ((pl.col("high") - pl.col("low")) / 2 / pl.col("estimate").abs()).filter(pl.col("estimate") != 0)
    parts = known.group_by("part", maintain_order=True).agg(
        pl.len().alias("quantities"), pl.col("outside").sum(), reach.median().alias("median relative half width")
    )
    outside = known.filter("outside")
    share = outside.height / known.height if known.height else 0.0
    figures = {"quantities": Figure(known.height), "share_outside": Figure(share, high=1 - LEVEL)}
    quantities = count(known.height, "quantity", "quantities")
    words = f"Within the limits of the log: {known.height - outside.height} of {quantities} of the model."
    table = outside.drop("outside", "level").head(MOST_ROWS)
    return Verdict(
        figures["share_outside"].ok, words, severity="warn", figures=figures, tables={"parts": parts, "outside": table}
    )


def _distance(cell: DurationCell) -> tuple[object, ...] | None:
    choice = cell.choice
    if choice is None or choice.noise_floor is None:
        return None
    law = choice.law.family if isinstance(choice.law, FamilyLaw) else choice.law.kind
    ks = next((s.ks for s in choice.scores if s.family == law), None)
    if ks is None:
        return None
    goal = max(_KS_GOAL, choice.noise_floor * (1 + 3 * _SPREAD))
    return cell.name, law, choice.rows, ks, goal, choice.noise_floor, choice.reason

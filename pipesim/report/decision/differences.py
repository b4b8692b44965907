"""The differences of scenarios to a baseline as a figure: points with their intervals, one panel a figure that is compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from pipesim.experiments.comparison import SAME, Comparison, Difference
from pipesim.experiments.figures import METRICS
from pipesim.report.axes import Ruler
from pipesim.report.decision import metrics
from pipesim.report.decision.groups import Group
from pipesim.report.decision.interval_dots import interval_dots
from pipesim.report.figure import Caption, Figure, Panel
from pipesim.report.series import Series
from pipesim.report.words import Kind, human

_MOST_PANELS = 8
#: A share and its interval, and what they are shares of.
_SAME_OF = (("relative", "difference"), ("relative_low", "difference_low"), ("relative_high", "difference_high"))
_ONCE = "simulated once"
#: What is found of a difference, and how it is drawn.
_FINDINGS = (
    Series("lower", "simulated", "lower", "#0072B2", (1, 0)),
    Series("higher", "simulated", "higher", "#D55E00", (1, 0)),
    Series(SAME, "simulated", SAME, "#6B6B6B", (1, 0)),
    Series(_ONCE, "simulated", _ONCE, "#6B6B6B", (1, 0)),
)
_SHAPES = {"lower": "triangle-left", "higher": "triangle-right", SAME: "circle", _ONCE: "cross"}


def differences_figure(compared: Comparison, group: Group, shown: Sequence[str]) -> Figure:
    """Return the differences, one panel a figure."""
    rows = pl.DataFrame([_row(one, group) for one in compared.differences], infer_schema_length=None)
    kept = rows.filter(pl.col("scenario").is_in([group.label(name) for name in shown]))
    told = [metric for metric in METRICS if metric in set(kept["figure"])][:_MOST_PANELS]
    panels = tuple(_panel(metric, kept.filter(figure=metric)) for metric in told)
    caption = Caption(
        f"How scenarios differ from {group.base}",
        "Each point is the mean difference over the replications, taken within each, as replications of equal number share "
        "their random numbers; the bar is its 95 % interval. Left of the line the figure is lower than with "
        f"{group.base}, right of it higher; differences are shares of its figure, or, where that "
        "is not known well enough, told in its unit. Triangles are differences that were found at a level of 5 % for "
        "all of the comparison together (Holm), circles those that may be chance, even where a bar leaves out zero.",
        f"Differences of scenarios to {group.base} with 95 % intervals, one panel a figure.",
    )
    series = tuple(one for one in _FINDINGS if one.label in set(kept["series"]))
    return Figure(caption, rows, series, panels, (), beside=True)


def _row(found: Difference, group: Group) -> dict[str, Any]:
    return {
        "scenario": group.label(found.scenario),
        "figure": found.metric,
        "series": found.finding or _ONCE,
        "unit": found.unit,
        "pairs": found.pairs,
        "baseline_mean": found.baseline_mean,
        "mean": found.mean,
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
        "relative": found.relative,
        "relative_low": found.relative_low,
        "relative_high": found.relative_high,
        "p_value": found.p_value,
    }


def _panel(metric: str, rows: pl.DataFrame) -> Panel:
    import altair as alt

    # As shares, where the baseline has something of which there is a share, and is known well enough for an interval of it.
    share = all(rows[relative].null_count() == rows[plain].null_count() for relative, plain in _SAME_OF)
    column = "relative" if share else "difference"
    kind: Kind = "share" if share else metrics.kind(metric)
    told = [
        {
            "scenario": row["scenario"],
            "series": row["series"],
            "difference": row[column],
            "low": row[f"{column}_low"],
            "high": row[f"{column}_high"],
            "mean": human(row["mean"], metrics.kind(metric)),
            "baseline": human(row["baseline_mean"], metrics.kind(metric)),
        }
        for row in rows.iter_rows(named=True)
    ]
    drawn = pl.DataFrame(told, schema_overrides=dict.fromkeys(("low", "high"), pl.Float64)).with_columns(
        pl.selectors.float().round_sig_figs(7)
    )
    zero = pl.Series([0.0])
    ruler = Ruler.of(pl.concat([drawn["difference"], zero]), pl.concat([drawn["low"], drawn["high"]]), kind, zero=False)
    scale = alt.Scale(nice=False, zero=False, domain=[ruler.low, ruler.high])
    axis = alt.Axis(format="+~%", tickCount=5) if share else ruler.axis()
    across = alt.X(field="difference", type="quantitative", title="difference", scale=scale, axis=axis)
    return Panel(metrics.title(metric), interval_dots(drawn, _FINDINGS, "scenario", across, zero=True, shapes=_SHAPES))

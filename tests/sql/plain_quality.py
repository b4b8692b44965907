"""How like the log the current model's traces are, in plain Python."""

from __future__ import annotations

from tests.sql.judged import CURRENT, JUDGEMENTS
from tests.sql.plain import Reference, Row

_FIGURES = (
    "metric", "title", "value", "sd", "floor", "floor_sd", "baseline", "goal", "goal_low", "goal_high",
)  # fmt: skip
#: By curve: the table's key that is x, its unit, and that of the values.
_CURVES = {
    "duration_quantiles": ("share", "share of the tasks", "seconds"),
    "dispersion": ("window_s", "seconds", "ratio"),
    "hourly_autocorrelation": ("lag_h", "hours", "correlation"),
    "week": ("hour_of_week", "hour of the week", "runs an hour"),
}


def quality_scores() -> Reference:
    stretch = ("stretch", "stretch_low", "stretch_high", "words", "reason")
    traces = {row["seed"] for row in JUDGEMENTS[CURRENT]["seeds"] if row["series"] == "model"}
    return {
        (CURRENT, row["position"]): {
            **_figures(row),
            **{name: row.get(name) for name in stretch},
            "stretch_met": row["stretch_ok"],
            "traces": len(traces),
        }
        for row in JUDGEMENTS[CURRENT]["scores"]
    }


def quality_cells() -> Reference:
    return {(CURRENT, row["position"]): _figures(row) for row in JUDGEMENTS[CURRENT]["cells"]}


def quality_curves() -> Reference:
    out: Reference = {}
    for curve, (key, x_unit, unit) in _CURVES.items():
        for row in JUDGEMENTS[CURRENT][curve]:
            for series in ("real", "synthetic", "baseline"):
                if row[series] is not None:
                    ends = {end: row.get(end) if series == "synthetic" else None for end in ("low", "high")}
                    told = {"x_unit": x_unit, "unit": unit, "value": row[series], **ends}
                    out[CURRENT, curve, row.get("cell"), series, row[key]] = told
    return out


def _figures(row: Row) -> Row:
    return {**{name: row.get(name) for name in _FIGURES}, "cell": row["cell"] or None, "met": row["ok"]}

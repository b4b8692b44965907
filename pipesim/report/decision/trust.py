"""How far can the simulation be trusted? What calibrations found of the platform, and whose the errors are that remain."""

from __future__ import annotations

from typing import Any

import polars as pl

from pipesim.experiments.calibration.figures import FigureError
from pipesim.experiments.calibration.pool_fit import PoolFit
from pipesim.experiments.calibration.words import figure_name, pool_sentence, signed, trust_sentence
from pipesim.report.axes import Ruler
from pipesim.report.decision.evidence import Evidence
from pipesim.report.decision.interval_dots import interval_dots
from pipesim.report.figure import Caption, Figure, Panel
from pipesim.report.parts import Card, Change, Grid, Part, section
from pipesim.report.series import Series, label_of
from pipesim.report.words import human

#: Of more calibrations, the first are shown.
_MOST = 3
_TITLE = "How far can the simulation be trusted?"
_GIVEN, _CALIBRATED, _DRAWN = "platform as given", "platform calibrated", "drawn work"
_SERIES = (
    Series(_GIVEN, "simulated", _GIVEN, "#767676", (1, 0)),
    Series(_CALIBRATED, "simulated", _CALIBRATED, "#0072B2", (1, 0)),
    Series(_DRAWN, "simulated", _DRAWN, "#D55E00", (1, 0)),
)
_SHAPES = {_GIVEN: "cross", _CALIBRATED: "circle", _DRAWN: "diamond"}
_READING = (
    "How far a simulated figure is from what it should be, as a share of that. Crosses and circles: the log, replayed on the "
    "platform as it is given and as it was calibrated, beside what the log shows; as the work is the same, this is the "
    "platform model's error. Diamonds: drawn work on the calibrated platform beside that replay, with its 95 % interval over "
    "replications; as the platform is the same, this is the workload model's error."
)


def trust_parts(evidence: Evidence) -> list[Part]:
    """Return a part for each calibration, the first of many; none where there is none."""
    names = evidence.calibration_errors["scenario"].unique(maintain_order=True).to_list()
    return [_part(evidence, name, number) for number, name in enumerate(names[:_MOST], start=1)]


def _part(evidence: Evidence, name: str, number: int) -> Part:
    pools = [
        PoolFit(**{key: value for key, value in row.items() if key not in ("scenario", "simulated_as")})
        for row in evidence.calibrated_pools.filter(scenario=name).with_columns(pl.col("note").fill_null("")).to_dicts()
    ]
    rows = evidence.calibration_errors.filter(scenario=name).drop("scenario", "simulated_as")
    errors = [FigureError(**row) for row in rows.to_dicts()]
    wait = next((one for one in errors if (one.figure, one.pool) == ("mean_wait_s", None)), None)
    suffix = "" if number == 1 else f"-{number}"
    figure = Figure(
        Caption(
            f"How far figures of {label_of(name)} are off",
            _READING,
            "Errors of simulated figures as shares, of the platform as given and calibrated, and of drawn work with intervals.",
        ),
        rows,
        tuple(one for one in _SERIES if one.label != _DRAWN or any(error.drawn is not None for error in errors)),
        (Panel("", _chart(errors)),),
        (),
    )
    return Part(
        f"trust{suffix}",
        _TITLE,
        f"{label_of(name)}: {trust_sentence(wait)}",
        (),
        [section(f"calibration{suffix}", figure, _grid(errors, suffix))],
        cards=tuple(map(_card, pools)),
    )


def _card(pool: PoolFit) -> Card:
    changes = []
    if pool.capacity != pool.given:
        changes.append(Change(pool.resource, f"{pool.given:,}", f"{pool.capacity:,}"))
    if pool.overhead_s:
        changes.append(Change("overhead_s", "", f"{pool.overhead_s:,.1f}"))
    return Card(pool.pool, tuple(changes), 0, pool_sentence(pool).removeprefix(f"{pool.pool}: "), "as the scenario gives it")


def _chart(errors: list[FigureError]) -> Any:
    import altair as alt

    told = [
        {
            "figure": figure_name(one),
            "series": series,
            "error": error,
            "low": one.workload_low if series == _DRAWN else None,
            "high": one.workload_high if series == _DRAWN else None,
        }
        for one in errors
        for series, error in ((_GIVEN, _as_given(one)), (_CALIBRATED, one.platform_error), (_DRAWN, one.workload_error))
        if error is not None
    ]
    numbers = dict.fromkeys(("error", "low", "high"), pl.Float64)
    drawn = pl.DataFrame(told, schema_overrides=numbers).with_columns(pl.selectors.float().round_sig_figs(7))
    ruler = Ruler.of(
        pl.concat([drawn["error"], pl.Series("error", [0.0])]), pl.concat([drawn["low"], drawn["high"]]), "share", zero=False
    )
    scale = alt.Scale(nice=False, zero=False, domain=[ruler.low, ruler.high])
    across = alt.X(field="error", type="quantitative", title="error", scale=scale, axis=alt.Axis(format="+~%", tickCount=5))
    return interval_dots(drawn, _SERIES, "figure", across, side_by_side=True, zero=True, shapes=_SHAPES)


def _as_given(one: FigureError) -> float | None:
    return None if one.as_given is None or not one.observed else one.as_given / one.observed - 1


def _grid(errors: list[FigureError], suffix: str) -> Grid:
    heads = ["Figure", "Log", "As given", "Calibrated", "Platform's error", "Drawn", "Workload's error"]
    rows = [
        [
            figure_name(one),
            *(_value(one, value) for value in (one.observed, one.as_given, one.replayed)),
            signed(one.platform_error),
            _value(one, one.drawn),
            signed(one.workload_error),
        ]
        for one in errors
    ]
    return Grid(f"calibration-table{suffix}", "The same in numbers.", heads, rows)


def _value(one: FigureError, value: float | None) -> str:
    return human(value, "share" if one.figure == "utilization" else "time")

"""The figure on how single models age, and what retraining does to them."""

from __future__ import annotations

import polars as pl

from pipesim.report import marks
from pipesim.report.data import ReportData
from pipesim.report.figure import Caption, Figure, Note, Panel
from pipesim.report.series import Series
from pipesim.report.words import human, listed
from pipesim.words import count

#: A line has at most one point in each of so many equal parts of its time, and one more where it begins or ends in it.
CELLS = 300
_MODELS = 4

_LINES = """
    WITH shown AS (
        SELECT unnest($traces) AS trace, unnest($labels) AS series, unnest(range(len($labels))) AS position
    ),
    spells AS (
        SELECT s.position, s.series, p.model_id, p.version, p.step, p.valid_from, p.valid_to, 100 * p.performance AS points,
            date_diff('microsecond', p.valid_from, p.valid_to) AS valid_us
        FROM analytics.model_performance AS p JOIN shown AS s USING (trace)
        WHERE p.origin = $origin AND p.replication = 0 AND p.valid_to > p.valid_from
    ),
    means AS (
        SELECT model_id, position, sum(points * valid_us ORDER BY valid_from, step) / sum(valid_us) AS mean,
            max(points) - min(points) AS extent
        FROM spells GROUP BY model_id, position
    ),
    ranked AS (
        -- By how far performance moves in the first of the traces, or by what the second brings over it if that is less.
        SELECT model_id,
            max(extent) FILTER (WHERE position = 0) AS extent,
            max(mean) FILTER (WHERE position = 1) - max(mean) FILTER (WHERE position = 0) AS gain
        FROM means GROUP BY model_id
    ),
    chosen AS (
        SELECT model_id, row_number() OVER (ORDER BY least(extent, gain) DESC NULLS LAST, model_id) AS place
        FROM ranked QUALIFY place <= $models
    ),
    bounds AS (
        SELECT position, min(valid_from) AS first_at,
            date_diff('microsecond', min(valid_from), max(valid_to)) / $cells AS cell_us
        FROM spells GROUP BY position
    ),
    measured AS (
        SELECT s.*, c.place, b.first_at, b.cell_us,
            version IS DISTINCT FROM lag(version) OVER w AS is_new,
            lead(valid_from) OVER w AS next_from
        FROM spells AS s JOIN chosen AS c USING (model_id) JOIN bounds AS b USING (position)
        WINDOW w AS (PARTITION BY position, s.model_id ORDER BY valid_from, valid_to, step)
    ),
    ended AS (
        -- Where no version follows, or none for longer than can be seen.
        SELECT * FROM measured
        WHERE next_from IS NULL OR date_diff('microsecond', valid_to, next_from) > cell_us
    ),
    points AS (
        SELECT place, position, series, model_id, first_at, cell_us, valid_from AS seen_at, points, version, is_new,
            'measured' AS event
        FROM measured
        UNION ALL
        SELECT place, position, series, model_id, first_at, cell_us, valid_to, points, version, false, 'measured' FROM ended
        UNION ALL
        SELECT place, position, series, model_id, first_at, cell_us, valid_to, NULL, version, false, 'no version live'
        FROM ended WHERE next_from IS NOT NULL
        UNION ALL
        SELECT c.place, s.position, s.series, r.model_id, b.first_at, b.cell_us, r.submitted_at, 100 * r.live_performance,
            r.live_version, false, 'retraining triggered'
        FROM analytics.retrainings AS r
        JOIN shown AS s USING (trace) JOIN chosen AS c USING (model_id) JOIN bounds AS b USING (position)
        WHERE r.origin = $origin AND r.replication = 0 AND r.live_performance IS NOT NULL
    ),
    thin AS (
        SELECT place, position, series, model_id, first_at, event,
            floor(date_diff('microsecond', first_at, seen_at) / cell_us) AS cell,
            last(seen_at ORDER BY seen_at, version) AS seen_at,
            last(points ORDER BY seen_at, version) AS points,
            last(version ORDER BY seen_at, version) AS version,
            bool_or(is_new) AS is_new
        FROM points GROUP BY ALL
    )
    SELECT model_id AS model, series, seen_at AS time,
        date_diff('microsecond', date_trunc('week', first_at), seen_at) / 864e8 AS day,
        points, version, CASE WHEN is_new THEN 'version live' ELSE event END AS event
    FROM thin
    ORDER BY place, position, time, thin.event = 'no version live', thin.event
"""


def model_performance(data: ReportData) -> Figure:
    """How single models age under a few retraining strategies, or as the log shows it where none was simulated."""
    shown = data.choice.strategies or tuple(one for one in data.series if one.origin == "observed")
    rows = _lines(data, shown)
    labels = set(rows["series"])
    series = tuple(one for one in shown if one.label in labels)
    level = _objective(data, series)
    axes = marks.Axes("day", "points", "days since the Monday of the trace's first week", "performance (points)")
    panels = tuple(
        Panel(str(model[0]), marks.steps(part.drop("model"), series, axes, level))
        for model, part in rows.group_by("model", maintain_order=True)
    )
    notes = []
    if not series:
        notes.append(Note("Neither a log nor a simulation tells how models performed in production."))
    elif len(series) < len(shown):
        absent = listed([one.label for one in shown if one not in series])
        notes.append(Note(f"Not shown: {absent}, because nothing tells how these models performed there."))
    return Figure(_caption(series, len(panels), level), rows, series, panels, tuple(notes))


def _lines(data: ReportData, shown: tuple[Series, ...]) -> pl.DataFrame:
    given = {
        "traces": [one.trace for one in shown],
        "labels": [one.label for one in shown],
        "origin": shown[0].origin if shown else "observed",
        "models": _MODELS,
        "cells": CELLS,
    }
    return data.rows(_LINES, given)


def _objective(data: ReportData, series: tuple[Series, ...]) -> float | None:
    """Return the objective of the strategies, in points, if they agree on one."""
    found = {data.objectives.get(one.trace) for one in series if one.origin == "simulated"}
    objective = found.pop() if len(found) == 1 else None
    return None if objective is None else 100 * objective


def _caption(series: tuple[Series, ...], models: int, level: float | None) -> Caption:
    if len(series) > 1:
        which = (
            f"that age under {series[0].label} and to which {series[1].label} brings most; the others age less, or gain less."
        )
    else:
        which = "whose performance moves most."
    simulated = any(one.origin == "simulated" for one in series)
    parts = [
        "The height of a line is the performance of a model in production as time goes by"
        + (", in replication 0 only." if simulated else ", as the log tells it."),
        "A dot is a version that goes live, a diamond the moment when its retraining is triggered; between dots a line shows "
        "how the model ages.",
        *([f"The dotted line is the objective, {human(level, 'points')} points."] if level is not None else []),
        f"Shown {'is the model' if models == 1 else f'are the {models} models'} {which}",
    ]
    return Caption(
        "How single models age",
        " ".join(parts),
        f"Step lines of the performance of {count(models, 'model')} over the days, one panel each.",
    )

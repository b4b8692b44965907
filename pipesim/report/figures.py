"""The figures of the report: for each its rows, its words, and its panels as Vega-Lite charts."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from pipesim.report import marks
from pipesim.report.aging import model_performance
from pipesim.report.data import ReportData
from pipesim.report.figure import Caption, Figure, Panel, assemble
from pipesim.report.likeness import quality_bursts, quality_durations, quality_rhythm, quality_week
from pipesim.report.retraining import retraining_frontier, work_waits

#: No figure over time has more points than this in all its panels together.
POINTS = 2_000
_MAX_PANELS = 8

_REAL_AND_SYNTHETIC = ("observed", "synthetic")
_QUEUED = ("observed", "simulated")
_DAYS = "days since the Monday of the trace's first week"


def arrivals(data: ReportData) -> Figure:
    """Submissions over time, real against synthetic."""
    size = data.bin_hours("arrivals_by_hour", _REAL_AND_SYNTHETIC, "origin", POINTS)
    rows = data.rows(
        """
        WITH aligned AS (
            SELECT position, series, hour, runs,
                (date_diff('hour', date_trunc('week', min(hour) OVER (PARTITION BY series)), hour) // $size) * $size AS since
            FROM analytics.arrivals_by_hour JOIN report_series USING (origin, trace)
            WHERE list_contains($origins, origin) AND hour IS NOT NULL
        )
        SELECT series, min(hour) AS hour, since / 24 AS day, avg(runs) AS runs_per_hour
        FROM aligned GROUP BY position, series, since ORDER BY position, since
        """,
        {"size": size, "origins": list(_REAL_AND_SYNTHETIC)},
    )
    caption = Caption(
        "Arrivals over time: real against synthetic",
        f"The height of a line is the number of pipeline runs submitted per hour{_averaged(size)}; both traces begin on the "
        "Monday of their first week, so that the same weekdays lie above each other.",
        "Line chart of pipeline runs submitted per hour over the days of each trace.",
        _REAL_AND_SYNTHETIC,
        "no run says when it was submitted",
    )
    axes = marks.Axes("day", "runs_per_hour", _DAYS, "runs per hour")
    return assemble(data, caption, rows, lambda r: [Panel("", marks.lines(r, data.series, axes))])


def weekly_profile(data: ReportData) -> Figure:
    """The average week of submissions, real against synthetic."""
    rows = data.rows(
        """
        SELECT series, hour_of_week, hour_of_week / 24 AS day, mean_runs
        FROM analytics.hour_of_week_profile JOIN report_series USING (origin, trace)
        WHERE list_contains($origins, origin) ORDER BY position, hour_of_week
        """,
        {"origins": list(_REAL_AND_SYNTHETIC)},
    )
    caption = Caption(
        "The average week: real against synthetic",
        "Each point is the average number of runs submitted in that hour of the week (UTC); lines that lie on each other mean "
        "that the synthetic trace keeps the weekly rhythm.",
        "Line chart of the mean number of runs submitted in each of the 168 hours of the week.",
        _REAL_AND_SYNTHETIC,
        "no run says when it was submitted",
    )
    axes = marks.Axes("day", "mean_runs", None, "runs per hour", weekdays=True)
    return assemble(data, caption, rows, lambda r: [Panel("", marks.lines(r, data.series, axes))])


def durations(data: ReportData) -> Figure:
    """Quantile curves of the natural durations by task type, real against synthetic."""
    rows = data.rows(
        """
        WITH shown AS (
            SELECT task_type, sum(durations) AS weight
            FROM analytics.duration_quantiles JOIN report_series USING (origin, trace)
            WHERE level = 'task_type' AND list_contains($origins, origin) AND probability = 0.5
            GROUP BY task_type ORDER BY weight DESC, task_type LIMIT $panels
        )
        SELECT coalesce(q.task_type, 'type unknown') AS task_type, series, probability AS share, duration_s
        FROM analytics.duration_quantiles AS q
        JOIN report_series USING (origin, trace)
        JOIN shown ON q.task_type IS NOT DISTINCT FROM shown.task_type
        WHERE level = 'task_type' AND list_contains($origins, origin) AND probability BETWEEN 0.01 AND 0.99
        ORDER BY weight DESC, 1, position, probability
        """,
        {"origins": list(_REAL_AND_SYNTHETIC), "panels": _MAX_PANELS},
    )
    caption = Caption(
        "Task durations: real against synthetic",
        "Over each share on the horizontal axis, a line gives the duration that this share of the tasks does not exceed (50 % "
        "is the median); curves that lie on each other mean equal distributions. Both ends are cut at 1 % and 99 %; the scale "
        "is logarithmic, and what is under 0.1 s is drawn at 0.1 s.",
        "One panel for each task type with the quantile curves of the natural durations on a logarithmic scale.",
        _REAL_AND_SYNTHETIC,
        "no task has a known duration",
    )
    axes = marks.Axes("share", "duration_s", "share of the tasks", "duration")
    return assemble(
        data,
        caption,
        rows,
        lambda r: [
            Panel(str(kind[0]), marks.quantile_curves(part, data.series, axes))
            for kind, part in r.group_by("task_type", maintain_order=True)
        ],
    )


def framework_mix(data: ReportData) -> Figure:
    """The shares of the frameworks, real against synthetic."""
    rows = data.rows(
        """
        WITH counted AS (
            SELECT position, series, framework, sum(tasks) AS tasks
            FROM analytics.framework_mix JOIN report_series USING (origin, trace)
            WHERE list_contains($origins, origin) AND framework IS NOT NULL GROUP BY ALL
        ),
        ranked AS (
            SELECT framework, row_number() OVER (ORDER BY sum(tasks) DESC, framework) AS place FROM counted GROUP BY framework
        ),
        named AS (
            SELECT position, series, CASE WHEN place <= 12 THEN framework ELSE 'all others' END AS framework, place, tasks
            FROM counted JOIN ranked USING (framework)
        )
        SELECT series, framework, sum(tasks)::BIGINT AS tasks, sum(tasks) / sum(sum(tasks)) OVER (PARTITION BY series) AS share
        FROM named GROUP BY position, series, framework ORDER BY min(place), framework, position
        """,
        {"origins": list(_REAL_AND_SYNTHETIC)},
    )
    caption = Caption(
        "Frameworks: real against synthetic",
        "The length of a bar is the share of a framework among the tasks that name one.",
        "Bar chart of the share of each machine-learning framework.",
        _REAL_AND_SYNTHETIC,
        "no task names its framework",
    )
    return assemble(data, caption, rows, lambda r: [Panel("", marks.shares(r, data.series, "share", "framework"))])


def utilization(data: ReportData) -> Figure:
    """The utilisation of each pool over time, by scenario."""
    size = data.bin_hours("pool_utilization", _QUEUED, "pool", POINTS)
    rows = _over_time(data, "pool_utilization", size, "utilization", "sum(utilization * seconds) / sum(seconds) AS utilization")
    caption = Caption(
        "Utilisation of the pools over time",
        f"The height of a line is the share of the pool's capacity in use{_averaged(size)}, of the resource of which the most "
        "is in use; 100 % is a full pool. Replications are averaged.",
        "One panel for each pool with its utilisation over the days of each trace, in percent of its capacity.",
        _QUEUED,
        "it is not known when tasks ran in which pool, or how large the pools are",
    )
    axes = marks.Axes("day", "utilization", _DAYS, "in use", percent=True)
    return assemble(data, caption, rows, lambda r: _pool_panels(data, r, axes))


def queue(data: ReportData) -> Figure:
    """The number of tasks that wait for each pool over time, by scenario."""
    size = data.bin_hours("queue_length", _QUEUED, "pool", POINTS)
    rows = _over_time(
        data,
        "queue_length",
        size,
        "mean_waiting",
        "sum(mean_waiting * seconds) / sum(seconds) AS mean_waiting, max(max_waiting) AS max_waiting",
    )
    caption = Caption(
        "Tasks waiting for the pools over time",
        f"The height of a line is the average number of tasks that wait for the pool{_averaged(size)}; a line at zero means "
        "that every task starts at once. Replications are averaged.",
        "One panel for each pool with the mean number of waiting tasks over the days of each trace.",
        _QUEUED,
        "it is not known when tasks were queued and started",
    )
    axes = marks.Axes("day", "mean_waiting", _DAYS, "tasks waiting")
    return assemble(data, caption, rows, lambda r: _pool_panels(data, r, axes))


def waits(data: ReportData) -> Figure:
    """The distribution of the attempts' waits, by scenario."""
    caption = Caption(
        "Waits by scenario",
        "The height of a line is the share of task attempts that waited no longer than the time on the horizontal axis, from "
        "queued to started; the higher and further left, the better. Time is linear up to one second and logarithmic beyond; "
        "the vertical axis begins near the share that starts at once in every trace.",
        "Cumulative distribution of the waits of task attempts.",
        _QUEUED,
        "it is not known when tasks were queued and started",
    )
    axes = marks.Axes("wait_s", "share", "wait", "share of the attempts", percent=True)
    return assemble(
        data, caption, _curves(data, "wait_quantiles", "wait_s"), lambda r: [Panel("", marks.cumulative(r, data.series, axes))]
    )


def completion(data: ReportData) -> Figure:
    """The distribution of the runs' completion times, by scenario."""
    caption = Caption(
        "Job completion times by scenario",
        "The height of a line is the share of pipeline runs that were complete within the time on the horizontal axis, from "
        "submission to end; the higher and further left, the better. Time is linear up to one second, logarithmic beyond.",
        "Cumulative distribution of the completion times of pipeline runs.",
        _QUEUED,
        "it is not known when runs were submitted and ended",
    )
    axes = marks.Axes("jct_s", "share", "completion time", "share of the runs", percent=True)
    return assemble(
        data,
        caption,
        _curves(data, "completion_quantiles", "jct_s"),
        lambda r: [Panel("", marks.cumulative(r, data.series, axes))],
    )


#: The figures that compare the retraining strategies, by name, in the order of the report.
RETRAINING: dict[str, Callable[[ReportData], Figure]] = {
    "retraining_frontier": retraining_frontier,
    "model_performance": model_performance,
    "work_waits": work_waits,
}
#: Those that tell how like the log the synthetic traces are.
LIKENESS: dict[str, Callable[[ReportData], Figure]] = {
    "quality_durations": quality_durations,
    "quality_bursts": quality_bursts,
    "quality_rhythm": quality_rhythm,
    "quality_week": quality_week,
}
#: Those that compare the traces.
COMPARISON: dict[str, Callable[[ReportData], Figure]] = {
    "arrivals": arrivals,
    "weekly_profile": weekly_profile,
    "durations": durations,
    "framework_mix": framework_mix,
    "waits": waits,
    "completion": completion,
    "utilization": utilization,
    "queue": queue,
}
FIGURES = {**RETRAINING, **LIKENESS, **COMPARISON}


def _over_time(data: ReportData, table: str, size: int, given: str, values: str) -> pl.DataFrame:
    return data.rows(
        f"""
        WITH known AS (
            SELECT position, series, t.*
            FROM analytics.{table} AS t JOIN report_series USING (origin, trace)
            WHERE list_contains($origins, origin) AND {given} IS NOT NULL AND seconds > 0
        ),
        shown AS (
            SELECT pool, sum(seconds * {given}) AS weight FROM known GROUP BY pool ORDER BY weight DESC, pool LIMIT $panels
        ),
        aligned AS (
            SELECT *,
                (date_diff('hour', date_trunc('week', min(hour) OVER (PARTITION BY series)), hour) // $size) * $size AS since
            FROM known
        )
        SELECT coalesce(a.pool, 'pool unknown') AS pool, series, min(hour) AS hour, since / 24 AS day, {values}
        FROM aligned AS a JOIN shown ON a.pool IS NOT DISTINCT FROM shown.pool
        GROUP BY a.pool, position, series, since ORDER BY a.pool, position, since
        """,
        {"size": size, "origins": list(_QUEUED), "panels": _MAX_PANELS},
    )


def _pool_panels(data: ReportData, rows: pl.DataFrame, axes: marks.Axes) -> list[Panel]:
    return [
        Panel(str(pool[0]), marks.lines(part, data.series, axes)) for pool, part in rows.group_by("pool", maintain_order=True)
    ]


def _curves(data: ReportData, table: str, value: str) -> pl.DataFrame:
    return data.rows(
        f"""
        SELECT series, probability AS share, avg({value}) AS {value}
        FROM analytics.{table} JOIN report_series USING (origin, trace)
        WHERE list_contains($origins, origin) GROUP BY position, series, probability ORDER BY position, probability
        """,
        {"origins": list(_QUEUED)},
    )


def _averaged(size: int) -> str:
    return "" if size == 1 else f", averaged over {size} hours"

"""What the report shows: which traces it compares, and the analytics tables of the lake as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import polars as pl

from pipesim.analytics import materialize, queries, with_upstream
from pipesim.catalog import snapshot_views
from pipesim.errors import WorkError
from pipesim.lake import Lake

#: The analytics tables that the report reads.
TABLES = (
    "arrivals_by_hour",
    "completion_quantiles",
    "duration_quantiles",
    "framework_mix",
    "hour_of_week_profile",
    "pool_utilization",
    "queue_length",
    "scenario_summary",
    "wait_quantiles",
)

# The colour-blind safe palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), without its yellow, which is too faint on
# white; a dash pattern tells the series apart in grey.
_OBSERVED_STYLE = ("#000000", (1, 0))
_SYNTHETIC_STYLE = ("#E69F00", (6, 3))
_SCENARIO_STYLES = (
    ("#0072B2", (1, 0)),
    ("#D55E00", (7, 2)),
    ("#009E73", (3, 2)),
    ("#CC79A7", (9, 2, 2, 2)),
    ("#56B4E9", (5, 2)),
    ("#6B6B6B", (2, 2)),
)

_BIN_HOURS = (1, 2, 3, 4, 6, 12, 24, 48, 168)


@dataclass(frozen=True)
class Series:
    """One trace of the report and how it is drawn in every chart."""

    label: str
    origin: Literal["observed", "synthetic", "simulated"]
    trace: str
    colour: str
    dash: tuple[int, ...]


@dataclass(frozen=True)
class ReportData:
    """An open view of a lake for charts.

    Args:
        con: A connection that holds the tables `analytics.*` of `TABLES`, computed from the lake as it stands, and the table
            `report_series` (origin, trace, series, position) of the traces that the report compares.
        series: Those traces: the observed one, the current synthetic one, the scenarios.
        left_out: Scenarios for which there is no colour left, by name.
    """

    con: duckdb.DuckDBPyConnection
    series: tuple[Series, ...]
    left_out: tuple[str, ...]

    def rows(self, sql: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of a query, with numbers rounded to 7 significant digits."""
        frame: pl.DataFrame = self.con.sql(sql, params=parameters or {}).pl()
        return frame.with_columns(pl.selectors.float().round_sig_figs(7))

    def has(self, origin: str) -> bool:
        """Return whether a trace of that origin is compared."""
        return any(series.origin == origin for series in self.series)

    def named(self, labels: list[str]) -> list[Series]:
        """Return the series with these labels, in the order of the report."""
        return [series for series in self.series if series.label in labels]

    def bin_hours(self, table: str, origins: tuple[str, ...], lines: str, points: int) -> int:
        """Return the smallest bin, in hours, for which a chart over time needs at most `points` points.

        Args:
            table: The analytics table, with one row a trace and `hour`.
            origins: The origins that the chart shows.
            lines: The columns that tell the lines of the chart apart, as SQL.
            points: The largest number of points that the chart may have.
        """
        hours = self.con.execute(
            f"SELECT count(DISTINCT (series, {lines}, hour)) FROM analytics.{table} JOIN report_series USING (origin, trace) "
            "WHERE list_contains($origins, origin)",
            {"origins": list(origins)},
        ).fetchall()[0][0]
        enough = (size for size in _BIN_HOURS if hours / size <= points)
        return next(enough, 168 * -(-hours // (168 * points)))


@contextmanager
def open_data(lake: Lake) -> Iterator[ReportData]:
    """Open a lake for charts.

    The analytics tables are computed anew and stored nowhere, so that a report never shows older figures than the lake holds.

    Raises:
        WorkError: If a table that the charts need is declared nowhere, or wrongly.
    """
    with snapshot_views(lake) as con:
        known = queries()
        missing = sorted(set(TABLES) - {query.name for query in known})
        if missing:
            raise WorkError(
                f"the report needs analytics tables that no SQL file declares: {', '.join(missing)}",
                where="sql/",
                remedy="put their files back; they ship with pipesim",
            )
        for _ in materialize(con, with_upstream(TABLES, known)):
            pass
        series, left_out = _choose(con, lake)
        con.execute("CREATE TABLE report_series (origin VARCHAR, trace VARCHAR, series VARCHAR, position BIGINT)")
        for position, one in enumerate(series):
            con.execute("INSERT INTO report_series VALUES (?, ?, ?, ?)", [one.origin, one.trace, one.label, position])
        yield ReportData(con, series, left_out)


def _choose(con: duckdb.DuckDBPyConnection, lake: Lake) -> tuple[tuple[Series, ...], tuple[str, ...]]:
    found = con.execute("SELECT DISTINCT origin, trace FROM analytics.scenario_summary ORDER BY origin, trace").fetchall()
    series: list[Series] = []
    if ("observed", "observed") in found:
        series.append(Series("observed", "observed", "observed", *_OBSERVED_STYLE))
    current = lake.current(lake.lake / "synthetic")
    if current is not None and ("synthetic", current) in found:
        series.append(Series("synthetic", "synthetic", current, *_SYNTHETIC_STYLE))
    scenarios = [trace for origin, trace in found if origin == "simulated"]
    for name, style in zip(scenarios, _SCENARIO_STYLES, strict=False):
        label = f"scenario {name}" if name in ("observed", "synthetic") else name
        series.append(Series(label, "simulated", name, *style))
    return tuple(series), tuple(scenarios[len(_SCENARIO_STYLES) :])

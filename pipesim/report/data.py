"""What the report shows: which traces it compares, and the analytics tables of the lake as it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from pipesim.analytics import materialize, queries, with_upstream
from pipesim.catalog import snapshot_views
from pipesim.errors import WorkError
from pipesim.experiments.calibration.names import Names
from pipesim.lake import Lake
from pipesim.report.series import Choice, Series, choose
from pipesim.report.strategies import Strategies, read_strategies

#: The analytics tables that the report reads.
TABLES = (
    "arrivals_by_hour",
    "completion_quantiles",
    "duration_quantiles",
    "framework_mix",
    "hour_of_week_profile",
    "model_performance",
    "pool_utilization",
    "quality_cells",
    "quality_curves",
    "quality_scores",
    "queue_length",
    "retraining_runs",
    "retraining_strategies",
    "retrainings",
    "scenario_summary",
    "wait_quantiles",
    "work_waits",
)
_SINGLE_MODELS = 3

_BIN_HOURS = (1, 2, 3, 4, 6, 12, 24, 48, 168)


@dataclass(frozen=True)
class ReportData:
    """An open view of a lake for charts.

    Args:
        con: A connection that holds the tables `analytics.*` of `TABLES`, computed from the lake as it stands, and the table
            `report_series` (origin, trace, series, position) of the traces that the general charts compare.
        choice: Those traces, and the retraining strategies of which single models are shown.
        strategies: All retraining strategies of the lake.
        objectives: The performance that each of these says its models should have, as a share of 1; those that say none are
            left out.
    """

    con: duckdb.DuckDBPyConnection
    choice: Choice
    strategies: Strategies
    objectives: dict[str, float]

    @property
    def series(self) -> tuple[Series, ...]:
        """The traces that the general charts compare."""
        return self.choice.series

    def rows(self, sql: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of a query, with numbers rounded to 7 significant digits."""
        frame: pl.DataFrame = self.con.sql(sql, params=parameters or {}).pl()
        return frame.with_columns(pl.selectors.float().round_sig_figs(7))

    def has(self, origin: str) -> bool:
        """Return whether a trace of that origin is compared."""
        return any(series.origin == origin for series in self.series)

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
def open_data(lake: Lake, *, stored: bool = False) -> Iterator[ReportData]:
    """Open a lake for charts.

    The analytics tables are computed anew and stored nowhere, so that a report never shows older figures than the lake holds.

    Args:
        lake: The store.
        stored: Whether to take the stored tables instead, by a caller who has just built them.

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
        for _ in materialize(con, [] if stored else with_upstream(TABLES, known)):
            pass
        strategies = read_strategies(con)
        choice = _choose(con, lake, strategies)
        con.execute("CREATE TABLE report_series (origin VARCHAR, trace VARCHAR, series VARCHAR, position BIGINT)")
        for position, one in enumerate(choice.series):
            con.execute("INSERT INTO report_series VALUES (?, ?, ?, ?)", [one.origin, one.trace, one.label, position])
        yield ReportData(con, choice, strategies, _objectives(lake, strategies.names))


def _choose(con: duckdb.DuckDBPyConnection, lake: Lake, strategies: Strategies) -> Choice:
    found = con.execute("SELECT DISTINCT origin, trace FROM analytics.scenario_summary ORDER BY origin, trace").fetchall()
    current = lake.current(lake.lake / "synthetic")
    # What searches and calibrations simulate has charts of its own, what sweeps are of too; others find room before them.
    tried = {name for (name,) in con.execute("SELECT DISTINCT simulated_as FROM simulated.capacity").fetchall()}
    calibrated = {name for (name,) in con.execute("SELECT DISTINCT scenario FROM simulated.calibration_errors").fetchall()}
    tried = tried.union(strategies.names, *(Names.of(name).compared for name in calibrated))
    swept = {name for (name,) in con.execute("SELECT DISTINCT scenario FROM simulated.sweeps").fetchall()}
    scenarios = [trace for origin, trace in found if origin == "simulated" and trace not in tried]
    return choose(
        observed=("observed", "observed") in found,
        synthetic=current if ("synthetic", current) in found else None,
        scenarios=sorted(scenarios, key=lambda name: name in swept),
        strategies=strategies.by_interest(),
        single=_SINGLE_MODELS,
    )


def _objectives(lake: Lake, strategies: list[str]) -> dict[str, float]:
    """Return what the manifests of the strategies' first replications say of the performance that models should have."""
    found = {}
    for name in strategies:
        file = lake.simulated_folder("manifests", name, 0) / "manifest.json"
        said: Any = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        for key in ("scenario", "lifecycle", "objective"):
            said = said.get(key) if isinstance(said, dict) else None
        if isinstance(said, float | int):
            found[name] = float(said)
    return found

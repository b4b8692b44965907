"""The retraining strategies among the scenarios: what each spends, what it brings, and which are worth considering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb
import polars as pl

from pipesim.report.words import human

_READ = """
    WITH spans AS (
        -- From the first to the last submission of user work, which is the same in strategies under the same workload.
        SELECT trace, replication, date_diff('microsecond', min(submitted_at), max(submitted_at)) / 604.8e9 AS weeks
        FROM traces.pipeline_runs ANTI JOIN analytics.retraining_runs USING (origin, trace, replication, run_id)
        WHERE origin = 'simulated'
        GROUP BY trace, replication
    ),
    lengths AS (
        SELECT trace AS scenario, nullif(sum(weeks ORDER BY replication) / count(weeks), 0) AS weeks FROM spans GROUP BY trace
    )
    SELECT
        s.* REPLACE (retrainings::DOUBLE AS retrainings),
        100 * mean_performance AS points,
        100 * mean_performance_ci95_low AS points_ci95_low,
        100 * mean_performance_ci95_high AS points_ci95_high,
        weeks
    FROM analytics.retraining_strategies AS s LEFT JOIN lengths USING (scenario)
    ORDER BY points DESC, scenario
"""


@dataclass(frozen=True)
class Spending:
    """In what the strategies' spending is told: money if any costs some, else GPU-hours, else retrainings.

    Args:
        column: Its column in `analytics.retraining_strategies`.
        weekly: Whether it is told a week; in all, where it is not known how long some strategy was simulated.
    """

    column: Literal["cost", "gpu_hours", "retrainings"]
    weekly: bool

    @property
    def span(self) -> str:
        """To what an amount refers, to follow it."""
        return "a week" if self.weekly else "in all"

    @property
    def unit(self) -> str:
        """What is spent, as a heading."""
        return {"cost": "Money", "gpu_hours": "GPU-hours", "retrainings": "Retrainings"}[self.column]

    def amount(self, value: float | None) -> str:
        """Return an amount with its unit, without what it refers to."""
        words = {"cost": "", "gpu_hours": " GPU-hours", "retrainings": " retrainings"}[self.column]
        return human(value, "money" if self.column == "cost" else "number") + ("" if value is None else words)

    def text(self, value: float | None) -> str:
        """Return an amount as it reads in a sentence."""
        return "nothing spent" if value == 0 else f"{self.amount(value)} {self.span}"


@dataclass(frozen=True)
class Strategies:
    """The retraining strategies of the lake.

    Args:
        rows: One row a strategy, the best performance first: the columns of `analytics.retraining_strategies`, and `points`
            (100 x the mean performance) and `spent` (see `spending`), each with the ends of its interval, `weeks` (simulated),
            `is_efficient` and `next_point` by what is spent (see `frontier`).
        spending: In what spending is told.
    """

    rows: pl.DataFrame
    spending: Spending

    @property
    def names(self) -> list[str]:
        """The scenarios, the best performance first."""
        return self.rows["scenario"].to_list()

    @property
    def baseline(self) -> str | None:
        """The scenario with which the others are compared."""
        return next(iter(self.rows["baseline"]), None)

    def by_interest(self) -> list[str]:
        """Return the scenarios, those first that tell most.

        They are the baseline, the efficient one with the best performance, the best compromise between the two ends of the
        frontier, the other efficient ones, the rest.
        """
        efficient = self.rows.filter("is_efficient")
        first = [*self.rows["baseline"].head(1), *efficient["scenario"].head(1), *_compromise(efficient)]
        return list(dict.fromkeys([*first, *efficient["scenario"], *self.names]))


def read_strategies(con: duckdb.DuckDBPyConnection) -> Strategies:
    """Return the retraining strategies.

    Args:
        con: A connection that holds `analytics.retraining_strategies`, `analytics.retraining_runs` and all traces.
    """
    rows: pl.DataFrame = con.sql(_READ).pl().with_columns(pl.selectors.float().round_sig_figs(7))
    told = (column for column in ("cost", "gpu_hours", "retrainings") if rows.filter(pl.col(column) > 0).height)
    spending = Spending(next(told, "cost"), rows["weeks"].null_count() == 0)  # type: ignore[arg-type]
    ends = ("", "_ci95_low", "_ci95_high")
    span = pl.col("weeks") if spending.weekly else 1.0
    # An interval of the number of retrainings is not told.
    spent = [
        (pl.col(spending.column + end) / span if spending.column + end in rows.columns else pl.lit(None, pl.Float64)).alias(
            f"spent{end}"
        )
        for end in ends
    ]
    rows = rows.with_columns(spent).with_columns(pl.selectors.float().round_sig_figs(7))
    efficient, next_point = frontier(rows["points"].to_list(), rows["spent"].to_list())
    found = (pl.Series("is_efficient", efficient, pl.Boolean), pl.Series("next_point", next_point, pl.Float64))
    return Strategies(rows.with_columns(found), spending)


def frontier(points: Sequence[float], spent: Sequence[float | None]) -> tuple[list[bool], list[float | None]]:
    """Return which strategies are efficient, and what they spend more than the next cheaper efficient one for a further point.

    A strategy is efficient if no other performs at least as well for at most its spending, and one of the two better. This is
    the rule of `analytics.retraining_strategies`, applied to what is spent a week, or to GPU-hours where nothing costs money.

    Args:
        points: The performance of each strategy.
        spent: What each spends; one of which that is not known is not efficient.

    Returns:
        Whether each is efficient; and its price of a further point, None for the cheapest and for what is not efficient.
    """
    known = sorted({(s, -p) for s, p in zip(spent, points, strict=True) if s is not None})
    prices: dict[tuple[float | None, float], float | None] = {}
    before: tuple[float, float] | None = None
    for cost, negative in known:
        if before is None or -negative > before[1]:
            prices[cost, -negative] = None if before is None else (cost - before[0]) / (-negative - before[1])
            before = (cost, -negative)
    places = list(zip(spent, points, strict=True))
    return [place in prices for place in places], [prices.get(place) for place in places]


def _compromise(efficient: pl.DataFrame) -> list[str]:
    """Return the one highest above the straight line between the ends of the frontier, if one is."""
    least = efficient.select(pl.min("spent", "points"))
    most = efficient.select(pl.max("spent", "points")) - least
    shares = efficient.select("scenario", *((pl.col(c) - least[c].item()) / most[c].item() for c in ("spent", "points")))
    above = shares.with_columns(height=pl.col("points") - pl.col("spent")).filter(pl.col("height") > 1e-9)
    return above.sort("height", "scenario", descending=[True, False])["scenario"].head(1).to_list()

"""What does waiting less cost? Scenarios by what they cost, or offer where that is not known, against how long tasks wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pipesim.experiments.comparison import efficient_points
from pipesim.experiments.intervals import Interval
from pipesim.report.axes import Ruler
from pipesim.report.decision.evidence import Evidence
from pipesim.report.figure import Caption, Figure, Note, Panel
from pipesim.report.frontier import Plane, frontier_chart
from pipesim.report.words import human, listed
from pipesim.simulation.scenario.platform import CAPACITIES
from pipesim.words import count

#: Of more points than this, those that are not efficient are thinned out.
_MOST_POINTS = 60
#: Of more points than this, only the efficient ones are named.
_MOST_NAMES = 25
_WAITS = ("p95_wait_s", "mean_wait_s")
_UNITS = {"gpus": "GPU", "slots": "slot", "cpu_cores": "core", "memory_gb": "GB"}


@dataclass(frozen=True)
class Weighed:
    """Scenarios by what they spend and how long tasks wait.

    Args:
        rows: One row a scenario: `scenario`, `spent` and `wait_s`, each with the ends of its interval, `replications` and
            `is_efficient`; none where there is nothing to weigh.
        unit: What is spent: money, or hours of a resource.
        wait: The figure that is weighed against it.
        note: Why there is nothing to weigh, if so.
    """

    rows: pl.DataFrame
    unit: str
    wait: str
    note: Note | None = None

    @property
    def efficient(self) -> list[str]:
        """The scenarios than which no other waits less for no more, the cheapest first."""
        return [] if self.rows.is_empty() else self.rows.filter("is_efficient").sort("spent")["scenario"].to_list()


def weigh(evidence: Evidence, names: Sequence[str], means: pl.DataFrame) -> Weighed:
    """Return scenarios by what they spend: money where all tell it, else what their pools offer.

    Args:
        evidence: What is known.
        names: The scenarios.
        means: Their means by scenario and metric.
    """
    told = dict(means.group_by("metric").agg(pl.col("scenario").n_unique()).iter_rows())
    wait = next((metric for metric in _WAITS if told.get(metric, 0) == len(names)), None)
    if wait is None or len(names) < 2:
        return Weighed(pl.DataFrame(), "", "")
    waits = _interval_columns(means.filter(metric=wait), "wait_s")
    worlds = [evidence.world(name) for name in names]
    if any(world != worlds[0] for world in worlds):
        return Weighed(pl.DataFrame(), "", wait, Note("As the scenarios run different work, no cost is held against waits."))
    if told.get("cost", 0) == len(names):
        spent, unit = _interval_columns(means.filter(metric="cost"), "spent"), "money"
    else:
        resource = _what_differs(evidence, names)
        if resource is None:
            text = "All scenarios offer the same capacity and not all tell a cost, so no cost can be held against waits."
            return Weighed(pl.DataFrame(), "", wait, Note(text))
        spent, unit = _offered(evidence, names, resource), f"{_UNITS[resource]}-hours"
    rows = waits.join(spent, on="scenario", maintain_order="left")
    points = rows.select("spent", -pl.col("wait_s")).to_numpy()
    efficient = pl.Series("is_efficient", efficient_points(np.asarray(points, np.float64)))
    # The end of an interval may lie beyond zero, which neither of the two can.
    cut = pl.col("spent_low", "wait_s_low").clip(lower_bound=0)
    return Weighed(rows.with_columns(cut, efficient).with_columns(pl.selectors.float().round_sig_figs(7)), unit, wait)


def cost_frontier(weighed: Weighed, label: Callable[[str], str]) -> Figure | None:
    """Return the figure; None where there is nothing to weigh.

    Args:
        weighed: The scenarios.
        label: Returns what each is called.
    """
    if weighed.rows.is_empty():
        return None
    money = weighed.unit == "money"
    spending = "cost (money, by the rates in the scenarios)" if money else f"{weighed.unit} offered by the pools"
    waiting = "95 % of waits" if weighed.wait == "p95_wait_s" else "mean wait"
    told = weighed.rows.sort("is_efficient", "wait_s", descending=[True, False], maintain_order=True)
    drawn, left_out = _thinned(told)
    rows = drawn.with_columns(
        pl.col("scenario").map_elements(label, pl.String),
        *(
            pl.Series(name, [_told(row, column, kind) for row in drawn.iter_rows(named=True)], pl.String)
            for name, column, kind in (("spending", "spent", "number"), ("waits", "wait_s", "time"))
        ),
        verdict=pl.when("is_efficient").then(pl.lit("yes")).otherwise(pl.lit("no")),
    )
    efficient = drawn["is_efficient"].sum()
    plane = Plane(
        name="scenario",
        x="spent",
        y="wait_s",
        across=_ruler(rows, "spent"),
        upright=_ruler(rows, "wait_s"),
        x_title=spending,
        y_title=waiting,
        tooltip={
            "scenario": "scenario",
            "spending": "cost" if money else weighed.unit,
            "waits": waiting,
            "verdict": "efficient",
        },
        named=drawn.height if drawn.height <= _MOST_NAMES else int(efficient),
    )
    cheapest = [label(name) for name in weighed.efficient]
    caption = Caption(
        "What waiting less costs" if money else "What waiting less takes",
        f"Each point is a scenario: the further down, the less tasks wait ({waiting}); the further left, the less "
        f"{'it costs' if money else 'its pools offer, from the first submission to the last event'}. Bars are the 95 % "
        "intervals of both means over the replications, cut at zero. Filled points, joined by the line, are efficient: no "
        "other scenario waits less for no more. That goes by the means alone; where bars overlap, it may be otherwise.",
        f"Points of {spending} against {waiting}, with intervals. Efficient, the cheapest first: {_first(cheapest)}.",
    )
    notes = (
        [Note(f"Left out are {count(left_out, 'scenario')} that others beat, evenly; the CSV file has all.")]
        if left_out
        else []
    )
    return Figure(caption, told, (), (Panel("", frontier_chart(rows, plane)),), tuple(notes))


def _interval_columns(means: pl.DataFrame, column: str) -> pl.DataFrame:
    return means.select("scenario", **{column: "mean", f"{column}_low": "low", f"{column}_high": "high"})


def _what_differs(evidence: Evidence, names: Sequence[str]) -> str | None:
    """Return the first resource of which scenarios offer different amounts."""
    offers: dict[str, set[Any]] = {resource: set() for resource in CAPACITIES}
    for name in names:
        pools = _pools(evidence, name)
        for resource, amounts in offers.items():
            steady = sum(_amount(pool, resource) for pool in pools)
            amounts.add((steady, repr([[pool.get("timetable"), pool.get("autoscale")] for pool in pools])))
    return next((one for one, found in offers.items() if len(found) > 1 and any(steady for steady, _ in found)), None)


def _offered(evidence: Evidence, names: Sequence[str], resource: str) -> pl.DataFrame:
    """Return how much of a resource the pools of each scenario had, times the hours that count, with intervals."""
    hours: dict[str, list[float]] = {name: [] for name in names}
    for run in evidence.rows_of(names).iter_rows(named=True):
        had = {entry["pool"]: entry["provisioned"] for entry in run["provisioned"] or []}
        amount = sum(
            had[pool["name"]] if had.get(pool["name"]) is not None and _leading(pool) == resource else _amount(pool, resource)
            for pool in _pools(evidence, run["scenario"])
        )
        hours[run["scenario"]].append(amount * ((run["makespan_s"] or 0.0) - (run["warmup_s"] or 0.0)) / 3600)
    means = [(name, Interval.of(values)) for name, values in hours.items()]
    return pl.DataFrame(
        [(name, mean.mean, mean.low, mean.high) for name, mean in means],
        schema={"scenario": pl.String, **dict.fromkeys(("spent", "spent_low", "spent_high"), pl.Float64)},
        orient="row",
    )


def _pools(evidence: Evidence, name: str) -> list[dict[str, Any]]:
    return list((evidence.content(name).get("platform") or {}).get("pools") or [])


def _amount(pool: dict[str, Any], resource: str) -> float:
    if pool.get("nodes") is None:
        return float(pool.get(resource) or 0.0)
    return float(sum(kind["count"] * (kind.get(resource) or 0.0) for kind in pool["nodes"]))


def _leading(pool: dict[str, Any]) -> str | None:
    return next((resource for resource in CAPACITIES if _amount(pool, resource)), None)


def _thinned(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the efficient points and, of the others, as many as there is room for, evenly by their waits."""
    efficient, others = rows.filter("is_efficient"), rows.filter(~pl.col("is_efficient"))
    room = max(_MOST_POINTS - efficient.height, 20)
    kept = others if others.height <= room else others[[place * others.height // room for place in range(room)]]
    return pl.concat([efficient.head(_MOST_POINTS), kept]), rows.height - efficient.head(_MOST_POINTS).height - kept.height


def _ruler(rows: pl.DataFrame, column: str) -> Ruler:
    ends = pl.concat([rows[f"{column}_low"], rows[f"{column}_high"]])
    return Ruler.of(rows[column], ends, "time" if column == "wait_s" else "number")


def _told(row: dict[str, Any], column: str, kind: Any) -> str:
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    ends = "" if low is None else f", 95 % interval {human(low, kind)} to {human(high, kind)}"
    return human(row[column], kind) + ends


def _first(names: list[str]) -> str:
    return listed(names[:12]) + (", ..." if len(names) > 12 else "")

"""The figures on retraining: what strategies spend and bring, and who waits for it."""

from __future__ import annotations

import polars as pl

from pipesim.report import marks
from pipesim.report.data import ReportData
from pipesim.report.figure import Caption, Figure, Note, Panel
from pipesim.report.sentence import answer
from pipesim.report.series import Series, label_of
from pipesim.report.strategy_frontier import strategy_frontier
from pipesim.report.words import some
from pipesim.words import count

_MOST_STRATEGIES = 20
_SIMULATE = Note("No retraining strategy has been simulated yet:", "pipesim simulate scenarios/retraining/*.yaml")
_WORK = {"user": "user work", "retraining": "retraining"}
_STYLES = {"user": ("#0072B2", (1, 0)), "retraining": ("#D55E00", (7, 2))}


def retraining_frontier(data: ReportData) -> Figure:
    """What each strategy spends against how well its models perform."""
    strategies = data.strategies
    spending = strategies.spending
    caption = Caption(
        "What strategies spend, and how well their models perform",
        "Each point is a strategy: the further up, the better its models perform, over all models and all the time in which "
        f"they are live; the further right, the more is spent on retraining them {spending.span}. Performance is told in "
        "points of 100: one point is one hundredth, so 0.784 is 78.4 points. The bars through a point are the 95 % confidence "
        "intervals of both means over the replications, cut at zero. Filled points, joined by the line, are worth "
        "considering: no other strategy performs at least as well for less. That goes by the means alone; where bars overlap, "
        "it may be otherwise.",
        f"Points of spending on retraining against mean performance, with intervals. {answer(strategies)}",
    )
    rows = strategies.rows
    unknown = rows.filter(pl.col("spent").is_null())["scenario"].to_list()
    once = rows.filter(replications=1)["scenario"].to_list()
    notes = [] if rows.height else [_SIMULATE]
    if unknown:
        notes.append(Note(f"Not shown: {some(unknown)}, because it is not known what their retraining spends."))
    if once:
        notes.append(Note(f"Simulated only once, so without intervals: {some(once)}. How sure their figures are is not known."))
    drawn = (Panel("", strategy_frontier(strategies)),) if len(unknown) < rows.height else ()
    return Figure(caption, rows, (), drawn, tuple(notes))


def work_waits(data: ReportData) -> Figure:
    """How long users wait, and how long the retraining that competes with them."""
    names = data.strategies.names
    kept = set(data.strategies.by_interest()[:_MOST_STRATEGIES])
    order = [name for name in names if name in kept]
    rows = data.rows(
        """
        WITH shown AS (SELECT unnest($names) AS trace, unnest(range(len($names))) AS place),
        kinds AS (SELECT unnest($work) AS work, unnest($series) AS series, unnest(range(len($work))) AS position)
        SELECT trace AS strategy, series, sum(mean_wait_s ORDER BY replication) / count(*) AS mean_wait_s,
            sum(p95_wait_s ORDER BY replication) / count(*) AS p95_wait_s, count(*) AS replications,
            round(sum(with_wait) / count(*))::BIGINT AS attempts
        FROM analytics.work_waits JOIN shown USING (trace) JOIN kinds USING (work)
        WHERE origin = 'simulated' AND mean_wait_s IS NOT NULL
        GROUP BY trace, place, series, position ORDER BY place, position
        """,
        {"names": order or [""], "work": list(_WORK), "series": list(_WORK.values())},
    ).with_columns(pl.col("strategy").map_elements(label_of, pl.String))
    series = tuple(Series(label, "simulated", work, *_STYLES[work]) for work, label in _WORK.items())
    series = tuple(one for one in series if one.label in set(rows["series"]))
    caption = Caption(
        "Who waits: users and retraining",
        "A point is the mean wait of a task attempt, from queued to started; the tick at the other end of its line is the wait "
        "that 95 % of the attempts do not exceed. Retraining shares the platform with what users submit, so that a strategy "
        "that retrains much lets users wait. Replications are averaged; time is linear up to a minute, logarithmic beyond.",
        "Points and ticks for the mean and the 95 % quantile of the waits of user work and of retraining, for each strategy.",
    )
    notes = [] if names else [_SIMULATE]
    if len(names) > len(order):
        notes.append(Note(f"Shown are {len(order)} of {count(len(names), 'strategy', 'strategies')}, those that tell most."))
    if names and not rows.height:
        notes.append(Note("Nothing is shown, because it is not known when tasks were queued and started."))
    drawn = (Panel("", marks.ranges(rows, series, "strategy", ("mean_wait_s", "p95_wait_s"), "wait")),) if rows.height else ()
    return Figure(caption, rows, series, drawn, tuple(notes))

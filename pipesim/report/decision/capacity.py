"""How much is needed? The answer of a search for a capacity in a sentence, and the curve or the staircase around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from pipesim.report.axes import Ruler
from pipesim.report.bands import banded
from pipesim.report.decision import metrics
from pipesim.report.decision.cards import cards
from pipesim.report.decision.changes import changes, told
from pipesim.report.decision.evidence import Evidence
from pipesim.report.decision.staircase import staircase
from pipesim.report.figure import Caption, Figure, Note, Panel
from pipesim.report.parts import Grid, Part, section
from pipesim.report.series import MOST_STYLED, Series, label_of, styled
from pipesim.report.words import human, listed, some
from pipesim.words import count

#: What is sized, as it stands behind a number; of one and of more.
_RESOURCES = {
    "gpus": ("GPU", "GPUs"),
    "slots": ("slot", "slots"),
    "cpu_cores": ("CPU core", "CPU cores"),
    "memory_gb": ("GB of memory", "GB of memory"),
    "nodes": ("node", "nodes"),
}
_LONGEST_LABEL = 40
_HEIGHT = 300
_MOST_NAMED = 4


def capacity_part(evidence: Evidence, search: str, number: int = 1) -> Part:
    """Return the part on one search.

    Args:
        evidence: What is known.
        search: Its name.
        number: Which of the searches of the page it is.
    """
    rows = evidence.searches.filter(search=search)
    answers = rows.filter("is_answer")
    keys = _differing(evidence, answers)
    labels = _labels(evidence, answers, keys)
    first = answers.row(0, named=True)
    what = f"{first['pool']} and {first['second_pool']}" if first["second_pool"] else first["pool"]
    title = f"How much of {what} is needed?"
    best = _best(answers)
    figure, notes = (_mixes if first["second_pool"] else _curve)(rows, labels, best)
    answered = dict(answers.select("scenario", "simulated_as").iter_rows())
    tried = [answered[scenario] for scenario in labels]
    told = {
        answered[row["scenario"]]: (labels[row["scenario"]], f"{_need(row)} {_cost(row)}".strip())
        for row in answers.iter_rows(named=True)
    }
    found = cards(evidence, tried[1:], tried[0], told, keys) if len(tried) > 1 else []
    return Part(
        f"capacity-{number}",
        title,
        _sentence(evidence, answers, labels, best),
        tuple(notes),
        [section(f"capacity_{number}", figure, _table(answers, labels, number))],
        cards=tuple(found),
    )


def _best(answers: pl.DataFrame) -> dict[str, Any]:
    """Return the answer that costs least, or needs least where not all costs are known; of equal ones, the figure decides."""
    by = "cost_per_h" if answers["cost_per_h"].null_count() == 0 else "capacity"
    better = pl.when(pl.col("bound") == "<").then("mean").otherwise(-pl.col("mean"))
    return answers.sort(by, better, maintain_order=True).row(0, named=True)


def _differing(evidence: Evidence, answers: pl.DataFrame) -> list[str]:
    """Return the keys in which the scenarios of a search differ, but for what was sized."""
    contents = [evidence.content(name) for name in answers["simulated_as"]]
    row = answers.row(0, named=True)
    sized = tuple(f"platform.pools.{row[pool]}." for pool in ("pool", "second_pool"))
    found = [change.key for content in contents for change in changes(contents[0], content)]
    return [key for key in dict.fromkeys(found) if not (key.startswith(sized) and _is_capacity(key))]


def _labels(evidence: Evidence, answers: pl.DataFrame, keys: Sequence[str]) -> dict[str, str]:
    """Return what the scenarios of a search are called: by the value of the one key in which they differ, else by name."""
    plain = {name: label_of(name) for name in answers["scenario"]}
    if len(keys) != 1:
        return plain
    contents = {row["scenario"]: evidence.content(row["simulated_as"]) for row in answers.iter_rows(named=True)}
    found = {name: _at(content, keys[0]) for name, content in contents.items()}
    values = {name: told(value) for name, value in found.items()}
    short = all(value and len(value) <= _LONGEST_LABEL for value in values.values())
    if not short or len(set(values.values())) < len(values):
        return plain
    numbers = all(isinstance(value, int | float) for value in found.values())
    return {name: f"{keys[0].split('.')[-1]} {value}" if numbers else value for name, value in values.items()}


def _is_capacity(key: str) -> bool:
    return key.split(".")[-1] in (*_RESOURCES, "count")


def _at(content: Any, key: str) -> Any:
    """Return what stands at a dotted path of a scenario; empty where nothing does, or a list lies on the way."""
    for step in key.split("."):
        content = content.get(step, "") if isinstance(content, dict) else ""
    return content


def _sentence(evidence: Evidence, answers: pl.DataFrame, labels: dict[str, str], best: dict[str, Any]) -> str:
    """Return the answer: how much of what, with which scenario, what the figure is then, how sure that is, what others need."""
    label, order = labels[best["scenario"]], (evidence.content(best["simulated_as"]).get("policy") or {}).get("order")
    which = label if label == order or not isinstance(order, str) else f"{label} (order {order})"
    keep = "keeps" if _single(best) else "keep"
    said = (
        f"With {which}, {_amounts(best)} {keep} {best['objective']} with {100 * best['confidence']:.4g} % confidence "
        f"({_figure(best)}, over {count(best['replications'], 'replication')}{_length(evidence, best)})"
    )
    if best["cost_per_h"] is not None:
        said += f"; that costs {human(best['cost_per_h'], 'number')} an hour"
    others = [row for row in answers.iter_rows(named=True) if row["scenario"] != best["scenario"]]
    if others:
        needs = [f"{labels[row['scenario']]} needs {_short_amounts(row)}" for row in others[:_MOST_NAMED]]
        more = len(others) - _MOST_NAMED
        said += f"; {listed([*needs, *([f'{more:,} others are in the table'] if more > 0 else [])])}"
    return f"{said}."


def _figure(row: dict[str, Any]) -> str:
    kind = metrics.kind(row["metric"])
    ends = "" if row["low"] is None else f", 95 % interval {human(row['low'], kind)} to {human(row['high'], kind)}"
    return f"{human(row['mean'], kind)}{ends}"


def _length(evidence: Evidence, row: dict[str, Any]) -> str:
    work = evidence.content(row["simulated_as"]).get("workload") or {}
    if work.get("kind") == "synthetic":
        days = work["days"]
        return f" of {days:.4g} {'day' if days == 1 else 'days'}"
    return " of the log" if work else ""


def _single(row: dict[str, Any]) -> bool:
    return bool(row["capacity"] == 1 and row["second_pool"] is None)


def _amount(number: int, resource: str) -> str:
    return count(number, *_RESOURCES[resource])


def _amounts(row: dict[str, Any]) -> str:
    first = f"{_amount(row['capacity'], row['resource'])} in the pool {row['pool']}"
    if row["second_pool"] is None:
        return first
    return f"{first} and {_amount(row['second_capacity'], row['second_resource'])} in the pool {row['second_pool']}"


def _short_amounts(row: dict[str, Any]) -> str:
    cost = "" if row["cost_per_h"] is None else f" ({human(row['cost_per_h'], 'number')} an hour)"
    if row["second_pool"] is None:
        return f"{row['capacity']:,}{cost}"
    first, second = (_amount(row[f"{p}capacity"], row[f"{p}resource"]) for p in ("", "second_"))
    return f"{first} and {second}{cost}"


def _need(row: dict[str, Any]) -> str:
    return f"Needs {_amounts(row)}: {metrics.name(row['metric'])} {_figure(row)}."


def _cost(row: dict[str, Any]) -> str:
    return "" if row["cost_per_h"] is None else f"It costs {human(row['cost_per_h'], 'number')} an hour."


def _table(answers: pl.DataFrame, labels: dict[str, str], number: int) -> Grid:
    first = answers.row(0, named=True)
    heads = ["Scenario", f"{first['pool']}: {_RESOURCES[first['resource']][1]}"]
    if first["second_pool"]:
        heads.append(f"{first['second_pool']}: {_RESOURCES[first['second_resource']][1]}")
    heads += [metrics.title(first["metric"]), "95 % interval", "Confidence", "Replications", "Cost an hour"]
    kind = metrics.kind(first["metric"])
    rows = []
    for row in answers.iter_rows(named=True):
        amounts = [row["capacity"], *([row["second_capacity"]] if row["second_pool"] else [])]
        ends = "-" if row["low"] is None else f"{human(row['low'], kind)} to {human(row['high'], kind)}"
        sure = [f"{100 * row['confidence']:.4g} %", human(row["replications"], "count"), human(row["cost_per_h"], "number")]
        rows.append([labels[row["scenario"]], *(f"{n:,}" for n in amounts), human(row["mean"], kind), ends, *sure])
    reading = (
        f"The least that keeps {first['objective']} in the mean over the replications, with that confidence: the end of the "
        "one-sided interval of the mean lies on the right side. It says nothing of single replications. A dash means that no "
        "price is known: --price tells it, or a cost of the pool in the scenario."
    )
    return Grid(f"needed-{number}", reading, heads, rows)


def _shown(labels: dict[str, str], best: dict[str, Any], answers: pl.DataFrame) -> tuple[list[str], list[Note]]:
    """Return the scenarios that are drawn: all, or those that need least."""
    if len(labels) <= MOST_STYLED:
        return list(labels), []
    order = answers.sort("cost_per_h", "capacity", nulls_last=True, maintain_order=True)["scenario"].to_list()
    kept = [best["scenario"], *(name for name in order if name != best["scenario"])][:MOST_STYLED]
    left = [labels[name] for name in labels if name not in kept]
    return [name for name in labels if name in kept], [
        Note(f"The chart has room for the {MOST_STYLED} scenarios that need least; left out: {some(left)}. The table has all.")
    ]


def _curve(rows: pl.DataFrame, labels: dict[str, str], best: dict[str, Any]) -> tuple[Figure, list[Note]]:
    """Return the figure over the capacity, one line a scenario, with the objective as a line across."""
    import altair as alt

    names, notes = _shown(labels, best, rows.filter("is_answer"))
    series = styled([labels[name] for name in names])
    known = rows.filter(pl.col("mean").is_not_null())
    told = known.filter(pl.col("scenario").is_in(names)).select(
        "capacity", "mean", pl.col("low").clip(lower_bound=0), "high", "met", "is_answer",
        series=pl.col("scenario").replace_strict(labels, return_dtype=pl.String),
    ).with_columns(pl.selectors.float().round_sig_figs(7))  # fmt: skip
    if known.height < rows.height:
        most = rows.filter(pl.col("mean").is_null())["capacity"].max()
        notes.append(Note(f"{_amount(int(most), best['resource'])} and fewer are less than the largest task needs."))  # type: ignore[arg-type]
    kind = metrics.kind(best["metric"])
    ends = pl.concat([told["low"], told["high"], pl.Series([best["threshold"]])])
    ruler = Ruler.of(told["mean"], ends, kind)
    title = f"{_RESOURCES[best['resource']][1]} in the pool {best['pool']}"
    x = alt.X(
        field="capacity",
        type="quantitative",
        title=title,
        scale=alt.Scale(nice=False, zero=False, padding=8),
        axis=alt.Axis(format=",d", tickMinStep=1, tickCount=8),
    )
    y = alt.Y(field="mean", type="quantitative", title=metrics.name(best["metric"]), scale=ruler.scale(), axis=ruler.axis())
    chart = banded(
        told, series, x, y, _limit(best, y), _needed(told.filter("is_answer"), series, x, y), dotted=True, height=_HEIGHT
    )
    beyond = " Time is linear up to a second, logarithmic beyond." if ruler.wide else ""
    caption = Caption(
        f"{metrics.title(best['metric'])} over {title}",
        f"A line goes through the means over the replications, the band around it is their 95 % interval, cut at zero; the "
        f"broken line is the objective, {best['objective']}. Rings mark the smallest capacity that keeps it with "
        f"{100 * best['confidence']:.4g} % confidence.{beyond}",
        f"{metrics.title(best['metric'])} over {title}, with 95 % intervals and the objective {best['objective']}. "
        + " ".join(
            f"{labels[r['scenario']]} needs {_short_amounts(r)}." for r in rows.filter("is_answer").iter_rows(named=True)
        ),
    )
    return Figure(caption, _plain(rows), series, (Panel("", chart),), ()), notes


def _limit(best: dict[str, Any], y: Any) -> list[Any]:
    import altair as alt

    rule = alt.Chart(alt.InlineData(values=[{"mean": best["threshold"]}])).encode(y=y)
    word = rule.mark_text(text=best["objective"], align="right", baseline="bottom", dy=-3, fontSize=10, color="#a34700")
    return [rule.mark_rule(color="#a34700", strokeDash=[5, 4]), word.encode(x=alt.value("width"))]


def _needed(answers: pl.DataFrame, series: Sequence[Series], x: Any, y: Any) -> list[Any]:
    import altair as alt

    from pipesim.report.marks import colour, opacity, present, values_of

    base = alt.Chart(values_of(answers)).encode(x=x, y=y, color=colour(present(answers, series)), opacity=opacity())
    ring = base.mark_point(filled=False, size=190, strokeWidth=2)
    text = base.mark_text(dy=-15, fontSize=12, fontWeight="bold").encode(text=alt.Text(field="capacity", type="quantitative"))
    return [ring, text]


def _mixes(rows: pl.DataFrame, labels: dict[str, str], best: dict[str, Any]) -> tuple[Figure, list[Note]]:
    """Return how much of the second pool is needed over how much of the first, one staircase a scenario."""
    names, notes = _shown(labels, best, rows.filter("is_answer"))
    series = styled([labels[name] for name in names])
    told = rows.filter(pl.col("scenario").is_in(names)).with_columns(
        series=pl.col("scenario").replace_strict(labels, return_dtype=pl.String)
    )
    titles = [f"{_RESOURCES[best[f'{p}resource']][1]} in the pool {best[f'{p}pool']}" for p in ("", "second_")]
    prices = f"{human(best['price_per_h'], 'number')} and {human(best['second_price_per_h'], 'number')} an hour"
    caption = Caption(
        "Which mixes will do",
        f"Each step is the least of the second pool with which so much of the first keeps {best['objective']}; what lies above "
        f"and right of it will do, too. The cheapest mix has a ring; at {prices} for one of each, all mixes on the broken line "
        "cost as much as the cheapest of all. Faint crosses were tried and will not do.",
        f"Staircases of {titles[1]} over {titles[0]}. "
        + " ".join(
            f"{labels[r['scenario']]} needs {_short_amounts(r)}." for r in rows.filter("is_answer").iter_rows(named=True)
        ),
    )
    chart = staircase(told, series, titles[0], titles[1], best)
    return Figure(caption, _plain(rows), series, (Panel("", chart),), ()), notes


def _plain(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.drop("search").select(pl.exclude([c for c in rows.columns if rows[c].null_count() == rows.height]))

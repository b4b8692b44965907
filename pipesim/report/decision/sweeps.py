"""What does a key do? The figures of a sweep over the keys that it varies, as small multiples.

The key with the most numbers lies across, the next one tells lines apart, a third one panels; over further keys, figures are
averaged. Where no key has numbers, values lie below each other. So a sweep of a thousand scenarios takes as much room as one of
twelve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipesim.experiments.figures import METRICS, figure_values, mean_intervals
from pipesim.report.axes import Ruler
from pipesim.report.bands import banded
from pipesim.report.decision import metrics
from pipesim.report.decision.evidence import Evidence
from pipesim.report.decision.interval_dots import interval_dots
from pipesim.report.figure import Caption, Figure, Note, Panel
from pipesim.report.parts import Part, section
from pipesim.report.series import MOST_STYLED, Series, styled
from pipesim.report.words import human, listed
from pipesim.words import count

#: The figures that are drawn where there are any.
_TIMES = ("p95_wait_s", "mean_wait_s", "mean_jct_s")
_DRAWN = (*_TIMES, "cost", "mean_performance", "retraining_cost")
_MOST_POOLS = 2
_MOST_PANELS = 6
_MOST_CATEGORIES = 30
_LONGEST_VALUE = 40
#: With a third key, as many figures are drawn, each with a panel for each of its values.
_FIGURES_OF_THREE = 3


@dataclass(frozen=True)
class Key:
    """A key that a sweep varies.

    Args:
        column: Its column in the points.
        path: Its dotted path.
        title: What stands for it: the end of its path; and what goes side by side with it.
        values: Its values in order, as people read them.
        numbers: The same as numbers; None where they are none.
    """

    column: str
    path: str
    title: str
    values: tuple[str, ...]
    numbers: tuple[float, ...] | None


def sweep_part(evidence: Evidence, sweep: str, number: int = 1) -> Part | None:
    """Return the part on one sweep; None where nothing of it is simulated.

    Args:
        evidence: What is known.
        sweep: Its name.
        number: Which of the sweeps of the page it is.
    """
    at_keys = evidence.sweeps.filter(sweep=sweep)
    members = at_keys["scenario"].unique(maintain_order=True).to_list()
    runs = evidence.rows_of(members)
    values = figure_values(runs)
    if values.is_empty():
        return None
    keys, points = _keys(at_keys)
    title = f"What do the keys of {sweep} do?"
    figures = _metrics(values)
    placed = values.join(points, on="scenario", maintain_order="left")
    shown, averaged = keys[:3], keys[3:]
    notes = []
    if averaged:
        told = listed([key.title for key in averaged])
        notes.append(Note(f"Averaged over {told}, as a chart has room for three keys; the CSV file has all."))
    missing = len(members) - runs["scenario"].n_unique()
    if missing:
        text = (
            f"Of {count(len(members), 'scenario')} of the sweep, {missing:,} have not been simulated; the same command goes on."
        )
        notes.append(Note(text, "pipesim simulate SWEEP.yaml"))
    if runs["replication"].n_unique() == 1:
        how = "Simulated only once, so without intervals: how sure the figures are is not known. Add replications:"
        notes.append(Note(how, "pipesim simulate SWEEP.yaml --replications 10"))
    lead = f"{count(runs['scenario'].n_unique(), 'scenario')} over {listed([_told(key) for key in keys])}"
    lead += _extremes(placed, keys, figures[0])
    sections = []
    for place, group in enumerate(_figure_groups(figures, shown), start=1):
        figure = _figure(placed, shown, group, keys)
        sections.append(section(f"sweep_{number}_{place}", figure))
    return Part(f"sweep-{number}", title, lead, tuple(notes), sections)


def _extremes(placed: pl.DataFrame, keys: Sequence[Key], metric: str) -> str:
    """Return where the first figure is least and where it is greatest, to follow a sentence."""
    means = mean_intervals(placed.filter(metric=metric), [key.column for key in keys]).sort("mean", maintain_order=True)
    if means.height < 2:
        return "."
    ends = []
    for row in (means.row(0, named=True), means.row(-1, named=True)):
        at = ", ".join(f"{key.title.split(' ')[0]} {key.values[row[key.column]]}" for key in keys)
        ends.append(f"{human(row['mean'], metrics.kind(metric))} at {at}")
    called = metrics.title(metric)
    return f": {called[:1].lower()}{called[1:]} from {ends[0]}, to {ends[1]}, in the mean."


def _figure_groups(figures: Sequence[str], keys: Sequence[Key]) -> list[list[str]]:
    """Return what is drawn together: all figures, each a panel; with a third key some figures, each by itself."""
    if len(keys) < 3:
        return [list(figures)]
    busiest = [figure for figure in figures if figure not in METRICS][:1]
    others = [figure for figure in figures if figure in METRICS and figure not in _TIMES]
    telling = [figures[0], *busiest, *others, *figures[1:]]
    return [[figure] for figure in list(dict.fromkeys(telling))[:_FIGURES_OF_THREE]]


def _metrics(values: pl.DataFrame) -> list[str]:
    """Return the figures to draw: those of `_DRAWN` that are told, and how busy the busiest pools are."""
    told = dict(values.group_by("metric").agg(pl.col("value").mean()).iter_rows())
    pools = sorted((metric for metric in told if metric not in METRICS), key=lambda metric: (-told[metric], metric))
    drawn = [metric for metric in _DRAWN if metric in told]
    return [*(m for m in drawn if m in _TIMES), *pools[:_MOST_POOLS], *(m for m in drawn if m not in _TIMES)]


def _keys(at_keys: pl.DataFrame) -> tuple[list[Key], pl.DataFrame]:
    """Return the keys, what lies across first, and the place of each scenario's value at each key, by its column."""
    places = at_keys.pivot("key", index="scenario", values="position", maintain_order=True)
    paths = [path for path in places.columns if path != "scenario"]
    alike: dict[tuple[int, ...], list[str]] = {}
    for path in paths:  # keys that go side by side have equal places everywhere
        alike.setdefault(tuple(places[path]), []).append(path)
    keys = [_key(at_keys, paths_of, f"key{n}") for n, paths_of in enumerate(alike.values())]
    points = places.select("scenario", *(pl.col(key.path).alias(key.column) for key in keys))
    across = sorted(keys, key=lambda key: (key.numbers is None, -len(key.values)))[:1]
    others = [key for key in keys if key not in across and len(key.values) > 1]
    # Few values tell lines apart, words rather than numbers.
    others.sort(key=lambda key: (len(key.values) > MOST_STYLED, key.numbers is not None, len(key.values)))
    return [*across, *others], points


def _key(at_keys: pl.DataFrame, paths: Sequence[str], column: str) -> Key:
    first = min(paths, key=lambda path: at_keys.filter(key=path)["number"].null_count())
    rows = at_keys.filter(key=first).unique("position").sort("position")
    values = [value if len(value) <= _LONGEST_VALUE else f"{value[: _LONGEST_VALUE - 1]}\u2026" for value in rows["value"]]
    if len(set(values)) < len(values):
        values = [f"{place + 1}: {value}" for place, value in enumerate(values)]
    numbers = None if rows["number"].null_count() else tuple(rows["number"])
    ends = [".".join(path.split(".")[-2:]) for path in (first, *(path for path in paths if path != first))]
    title = ends[0] if len(ends) == 1 else f"{ends[0]} (and with it {listed(ends[1:])})"
    return Key(column, first, title, tuple(values), numbers)


def _told(key: Key) -> str:
    ends = f"{key.values[0]} to {key.values[-1]}" if key.numbers and len(key.values) > 4 else listed(key.values[:12])
    return f"{key.title} ({ends}{', ...' if not key.numbers and len(key.values) > 12 else ''})"


def _figure(placed: pl.DataFrame, shown: Sequence[Key], drawn: Sequence[str], keys: Sequence[Key]) -> Figure:
    across, lines, panels = (*shown, None, None)[:3]
    assert across is not None
    kept = placed.filter(pl.col("metric").is_in(drawn))
    means = mean_intervals(kept, ["metric", *(key.column for key in shown)])
    notes: list[Note] = []
    if across.numbers is None and len(across.values) > _MOST_CATEGORIES:
        means = means.filter(pl.col(across.column) < _MOST_CATEGORIES)
        notes.append(Note(f"Shown are the first {_MOST_CATEGORIES} of {len(across.values):,} values of {across.title}."))
    means, series = _lines(means, lines, notes)
    if panels:
        chosen = _spread(len(panels.values), _MOST_PANELS)
        means = means.filter(pl.col(panels.column).is_in(chosen))
        if len(chosen) < len(panels.values):
            notes.append(_some(len(chosen), panels))
        made = [_panel(part, across, series, f"{panels.title} {panels.values[place]}") for place, part in _by(means, panels)]
    else:
        made = [_panel(means.filter(metric=metric), across, series, metrics.title(metric)) for metric in drawn]
    what = metrics.title(drawn[0]) if panels else "Waits, completion times, utilisation and cost"
    told = f"{what} over {across.title}" + (f", by {lines.title}" if lines else "") + (f" and {panels.title}" if panels else "")
    shapes = (
        "A line goes through the means over the replications, the band around it is their 95 % interval"
        if across.numbers
        else "A point is the mean over the replications, the bar its 95 % interval"
    )
    caption = Caption(
        told,
        f"{shapes}. Bands that overlap do not show that there is no difference, as scenarios share their random numbers.",
        f"{told}, with 95 % intervals, {count(len(made), 'panel')}.",
    )
    rows = mean_intervals(placed.filter(pl.col("metric").is_in(drawn)), ["metric", *(key.column for key in keys)])
    return Figure(caption, _with_values(rows, keys), series if lines else (), tuple(made), tuple(notes), beside=True)


def _lines(means: pl.DataFrame, lines: Key | None, notes: list[Note]) -> tuple[pl.DataFrame, tuple[Series, ...]]:
    """Return the rows with the label of their line, and the lines; of many values, some."""
    if lines is None:
        return means.with_columns(series=pl.lit("mean")), styled(["mean"])
    chosen = _spread(len(lines.values), MOST_STYLED)
    if len(chosen) < len(lines.values):
        notes.append(_some(len(chosen), lines))
    short = lines.numbers is not None
    labels = {place: f"{lines.title} {lines.values[place]}" if short else lines.values[place] for place in chosen}
    told = means.filter(pl.col(lines.column).is_in(chosen)).with_columns(
        series=pl.col(lines.column).replace_strict(labels, return_dtype=pl.String)
    )
    return told, styled(list(labels.values()))


def _panel(rows: pl.DataFrame, across: Key, series: Sequence[Series], title: str) -> Panel:
    import altair as alt

    metric = rows["metric"][0]
    told = rows.select("series", across.column, "mean", "low", "high", "replications").with_columns(
        pl.selectors.float().round_sig_figs(7)
    )
    # None of the figures can be below zero.
    told = told.with_columns(pl.col("low").clip(lower_bound=0))
    ruler = Ruler.of(told["mean"], pl.concat([told["low"], told["high"]]), metrics.kind(metric))
    values = across.numbers or across.values
    told = told.with_columns(value=pl.col(across.column).replace_strict(dict(enumerate(values)))).drop(across.column)
    if across.numbers is None:
        x = alt.X(field="mean", type="quantitative", title=None, scale=ruler.scale(), axis=ruler.axis())
        told = told.sort(pl.col("value").cast(pl.Enum(list(across.values))), maintain_order=True)
        chart = interval_dots(told, series, "value", x, side_by_side=len(series) > 1)
        return Panel(title, chart)
    told = told.sort("value", maintain_order=True)
    few = len(across.numbers) <= 8
    axis = alt.Axis(values=list(across.numbers), format="~g") if few else alt.Axis(format="~s", tickCount=6)
    scale = alt.Scale(nice=False, zero=False, padding=6)
    x = alt.X(field="value", type="quantitative", title=across.title, scale=scale, axis=axis)
    y = alt.Y(field="mean", type="quantitative", title=None, scale=ruler.scale(), axis=ruler.axis())
    return Panel(title, banded(told, series, x, y, dotted=True))


def _by(rows: pl.DataFrame, key: Key) -> list[tuple[int, pl.DataFrame]]:
    return [
        (int(place[0]), part)
        for place, part in rows.sort(key.column, maintain_order=True).group_by(key.column, maintain_order=True)
    ]


def _with_values(rows: pl.DataFrame, keys: Sequence[Key]) -> pl.DataFrame:
    """Return rows for people: the keys by their paths, with their values."""
    told = [pl.col(key.column).replace_strict(dict(enumerate(key.values)), return_dtype=pl.String) for key in keys]
    named = [one.alias(key.path) for one, key in zip(told, keys, strict=True)]
    return rows.select("metric", *named, "replications", "mean", "low", "high").with_columns(
        pl.selectors.float().round_sig_figs(7)
    )


def _spread(size: int, most: int) -> list[int]:
    """Return so many places of a list at most, from the first to the last, evenly."""
    return list(range(size)) if size <= most else [round(n * (size - 1) / (most - 1)) for n in range(most)]


def _some(shown: int, key: Key) -> Note:
    return Note(f"Shown are {shown} of {len(key.values):,} values of {key.title}, evenly; the CSV file has all.")

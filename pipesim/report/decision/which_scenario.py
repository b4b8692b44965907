"""Which scenario? Scenarios beside a baseline: in words, as differences with their intervals, and as a table of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipesim.experiments.comparison import Comparison, Difference
from pipesim.experiments.figures import METRICS, figure_values, mean_intervals
from pipesim.report.axes import Ruler
from pipesim.report.decision import metrics
from pipesim.report.decision.changes import changes, origins
from pipesim.report.decision.evidence import Evidence
from pipesim.report.decision.frontier import Weighed, cost_frontier, weigh
from pipesim.report.decision.interval_dots import interval_dots
from pipesim.report.decision.strategies import strategies_figure
from pipesim.report.figure import Caption, Figure, Note, Panel
from pipesim.report.parts import Card, Grid, Part, section
from pipesim.report.series import Series, label_of
from pipesim.report.words import human, listed, some
from pipesim.words import count

#: Of more scenarios than this, the charts and tables show those that tell most.
MOST_SHOWN = 20
_MOST_CARDS = 10
_MOST_CHANGES = 12
_MOST_PANELS = 8
_SAME = "no difference found"
#: What is found of a difference, and how it is drawn.
_FINDINGS = (
    Series("lower", "simulated", "lower", "#0072B2", (1, 0)),
    Series("higher", "simulated", "higher", "#D55E00", (1, 0)),
    Series(_SAME, "simulated", _SAME, "#6B6B6B", (1, 0)),
    Series("simulated once", "simulated", "simulated once", "#6B6B6B", (1, 0)),
)
_SHAPES = {"lower": "triangle-left", "higher": "triangle-right", _SAME: "circle", "simulated once": "cross"}
_BEST = {
    "p95_wait_s": "lets tasks wait least: 95 % of waits are under {}",
    "mean_wait_s": "lets tasks wait least: {}",
    "p95_jct_s": "completes runs soonest: 95 % of completion times are under {}",
    "mean_jct_s": "completes runs soonest: in {}",
}
_MORE = Note("One scenario alone cannot be compared; simulate another one with it:", "pipesim compare A.yaml B.yaml")
_TWICE = "pipesim compare A.yaml B.yaml --replications 10"


@dataclass(frozen=True)
class Group:
    """Scenarios that can be compared, as they run the same work, and which of them the others are compared with."""

    names: tuple[str, ...]
    baseline: str


def which_scenario(evidence: Evidence, group: Group, number: int = 1, *, retraining: bool = False) -> Part:
    """Return the part on some scenarios.

    Args:
        evidence: What is known.
        group: The scenarios.
        number: Of several such parts, which.
        retraining: Whether the frontier of retraining strategies is part of it.
    """
    ending = "" if number == 1 else f"_{number}"
    title = "Which scenario?" if number == 1 else f"Which scenario? Against {label_of(group.baseline)}"
    anchor = f"scenarios{ending}"
    if len(group.names) < 2:
        return Part(anchor, title, "", (_MORE,), [])
    compared = evidence.compared(group.names, group.baseline)
    if not compared.differences:
        without = Note(f"Of {some(list(map(label_of, group.names)))}, no figures are stored that could be compared.")
        return Part(anchor, title, "", (without,), [])
    means = mean_intervals(figure_values(evidence.rows_of(group.names)), ["scenario", "metric"])
    weighed = weigh(evidence, group.names, means)
    shown = _chosen(group, means, weighed)
    sections = [
        section(f"scenario_differences{ending}", _differences(compared, shown), _figures_table(shown, means, ending)),
    ]
    if frontier := cost_frontier(weighed):
        sections.append(section(f"scenario_frontier{ending}", frontier))
    if retraining and (strategies := strategies_figure(compared)):
        sections.append(section(f"strategy_frontier{ending}", strategies))
    notes = [*_notes(evidence, group, compared, shown, means), *([weighed.note] if weighed.note else [])]
    return Part(
        anchor, title, _lead(compared, means), tuple(notes), sections, cards=tuple(_cards(evidence, group, compared, shown))
    )


def cards(
    evidence: Evidence, names: Sequence[str], baseline: str, told: Mapping[str, tuple[str, str]], keys: Sequence[str] = ()
) -> list[Card]:
    """Return what changed in each scenario against a baseline, which comes first, and what comes of it.

    Args:
        evidence: What is known.
        names: The scenarios; the first `_MOST_CARDS` are told.
        baseline: What they are held against.
        told: What each is called, and what is said of it.
        keys: The keys that are told before others; by default those of the sweep that a scenario belongs to.
    """
    found = []
    for name in dict.fromkeys([baseline, *names[:_MOST_CARDS]]):
        first = keys or evidence.keys_of(name) or evidence.keys_of(baseline)
        changed = changes(evidence.content(baseline), evidence.content(name), first)
        changed += origins(evidence.manifest(baseline), evidence.manifest(name))
        same = "the baseline" if name == baseline else "the same as the baseline, or what it was made from is not known"
        title, text = told.get(name, (label_of(name), ""))
        found.append(Card(title, tuple(changed[:_MOST_CHANGES]), max(len(changed) - _MOST_CHANGES, 0), text, same))
    return found


def _chosen(group: Group, means: pl.DataFrame, weighed: Weighed) -> list[str]:
    """Return the scenarios to show beside the baseline: all, or those that are efficient and then those that wait least."""
    others = [name for name in group.names if name != group.baseline]
    if len(others) <= MOST_SHOWN:
        return [group.baseline, *others]
    metric = leading(means)
    order = means.filter(metric=metric).sort("mean", maintain_order=True)["scenario"].to_list() if metric else others
    best = [name for name in dict.fromkeys([*weighed.efficient, *order, *others]) if name != group.baseline]
    kept = set(best[:MOST_SHOWN])
    return [group.baseline, *(name for name in others if name in kept)]


def leading(means: pl.DataFrame) -> str | None:
    """Return the figure that scenarios are chosen by: the first of those that most of them tell."""
    told = dict(means.group_by("metric").len().iter_rows())
    most = max((told.get(metric, 0) for metric in metrics.LEADING), default=0)
    return next((metric for metric in metrics.LEADING if told.get(metric, 0) == most > 0), None)


def _lead(compared: Comparison, means: pl.DataFrame) -> str:
    """Return which scenario waits least, and how sure it is that it waits less than the baseline."""
    metric = leading(means)
    told = means.filter(metric=metric).sort("mean", maintain_order=True) if metric else means.clear()
    if metric is None or told.is_empty():
        return f"{count(len({d.scenario for d in compared.differences}), 'scenario')} against {label_of(compared.baseline)}."
    best = told.row(0, named=True)
    label, base = label_of(best["scenario"]), label_of(compared.baseline)
    value = human(best["mean"], metrics.kind(metric))
    among = f"Of {count(told.height, 'scenario')}, {label} {_BEST[metric].format(value)} on average"
    found = next((d for d in compared.differences if (d.scenario, d.metric) == (best["scenario"], metric)), None)
    if found is None:
        return f"{among}; it is the baseline." if label == base else f"{among}."
    share = found.share_in_words()
    said = f"{among}, against {human(found.baseline_mean, metrics.kind(metric))} with {base}{f': {share}' if share else ''}."
    if found.finding is None:
        return f"{said} They were simulated once together, so how sure that is is not known."
    return said if found.finding == "lower" else f"{said} That may be chance: no difference was found."


def _cards(evidence: Evidence, group: Group, compared: Comparison, shown: Sequence[str]) -> list[Card]:
    found: dict[str, list[Difference]] = {}
    for one in compared.differences:
        found.setdefault(one.scenario, []).append(one)
    told = {name: (label_of(name), _in_words(ones)) for name, ones in found.items()}
    return cards(evidence, [name for name in shown if name != group.baseline], group.baseline, told)


def _in_words(differences: Sequence[Difference]) -> str:
    """Return in what a scenario differs from the baseline, and in what no difference was found."""
    said = []
    for one in differences:
        if one.finding == _SAME:
            continue
        kind, share = metrics.kind(one.metric), one.share_in_words()
        values = f"{human(one.mean, kind)} against {human(one.baseline_mean, kind)}"
        said.append(f"{metrics.name(one.metric)} {f'{share}, {values}' if share else values}")
    same = [metrics.name(one.metric) for one in differences if one.finding == _SAME]
    said += [f"no difference found: {listed(same)}"] if same else []
    return f"{'; '.join(said)}."


def _differences(compared: Comparison, shown: Sequence[str]) -> Figure:
    """Return the differences, one panel a figure."""
    rows = pl.DataFrame([_row(one) for one in compared.differences], infer_schema_length=None)
    kept = rows.filter(pl.col("scenario").is_in([label_of(name) for name in shown]))
    told = [metric for metric in METRICS if metric in set(kept["figure"])][:_MOST_PANELS]
    panels = tuple(_panel(metric, kept.filter(figure=metric)) for metric in told)
    caption = Caption(
        f"How scenarios differ from {label_of(compared.baseline)}",
        "Each point is the mean difference over the replications, taken within each, as replications of equal number share "
        "their random numbers; the bar is its 95 % interval. Left of the line the figure is lower than with "
        f"{label_of(compared.baseline)}, right of it higher. Triangles are differences that were found at a level of 5 % for "
        "all of the comparison together (Holm), circles those that may be chance, even where a bar leaves out zero.",
        f"Differences of scenarios to {label_of(compared.baseline)} with 95 % intervals, one panel a figure.",
    )
    series = tuple(one for one in _FINDINGS if one.label in set(kept["series"]))
    return Figure(caption, rows, series, panels, (), beside=True)


def _row(found: Difference) -> dict[str, Any]:
    return {
        "scenario": label_of(found.scenario),
        "figure": found.metric,
        "series": found.finding or "simulated once",
        "unit": found.unit,
        "pairs": found.pairs,
        "baseline_mean": found.baseline_mean,
        "mean": found.mean,
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
        "relative": found.relative,
        "relative_low": found.relative_low,
        "relative_high": found.relative_high,
        "p_value": found.p_value,
    }


def _panel(metric: str, rows: pl.DataFrame) -> Panel:
    import altair as alt

    # As shares, where the baseline has something of which there is a share.
    share = rows["relative"].null_count() == 0
    column, kind = ("relative", "share") if share else ("difference", metrics.kind(metric))
    told = [
        {
            "scenario": row["scenario"],
            "series": row["series"],
            "difference": row[column],
            "low": row[f"{column}_low"],
            "high": row[f"{column}_high"],
            "mean": human(row["mean"], metrics.kind(metric)),
            "baseline": human(row["baseline_mean"], metrics.kind(metric)),
        }
        for row in rows.iter_rows(named=True)
    ]
    drawn = pl.DataFrame(told, schema_overrides=dict.fromkeys(("low", "high"), pl.Float64)).with_columns(
        pl.selectors.float().round_sig_figs(7)
    )
    ends = pl.concat([drawn[name] for name in ("difference", "low", "high")] + [pl.Series([0.0])])
    ruler = Ruler.of(ends, kind, zero=False)  # type: ignore[arg-type]
    scale = alt.Scale(nice=False, zero=False, domain=[ruler.low, ruler.high])
    axis = alt.Axis(format="+~%", tickCount=5) if share else ruler.axis()
    across = alt.X(field="difference", type="quantitative", title="difference", scale=scale, axis=axis)
    return Panel(metrics.title(metric), interval_dots(drawn, _FINDINGS, "scenario", across, zero=True, shapes=_SHAPES))


def _figures_table(shown: Sequence[str], means: pl.DataFrame, ending: str) -> Grid:
    """Return the means of the scenarios that are shown, with their intervals."""
    told = set(means["metric"])
    columns = [metric for metric in METRICS if metric in told]
    columns += sorted(metric for metric in told if metric.startswith("utilization."))
    cells = {(row["scenario"], row["metric"]): row for row in means.iter_rows(named=True)}
    replications = {row["scenario"]: row["replications"] for row in means.iter_rows(named=True)}

    def cell(scenario: str, metric: str) -> str:
        row = cells.get((scenario, metric))
        return metrics.with_interval(metric, row["mean"], row["low"], row["high"]) if row else human(None, "number")

    rows = [[label_of(name), human(replications.get(name), "count"), *(cell(name, m) for m in columns)] for name in shown]
    reading = (
        "Means over the replications, in brackets with their 95 % confidence intervals; the baseline comes first. Scenarios "
        "whose intervals overlap may differ all the same, as they share their random numbers: the chart above tells. A dash "
        "means that the scenario does not tell the figure."
    )
    return Grid(f"figures{ending}", reading, ["Scenario", "Replications", *map(metrics.title, columns)], rows)


def _notes(evidence: Evidence, group: Group, compared: Comparison, shown: Sequence[str], means: pl.DataFrame) -> list[Note]:
    notes = []
    if len(shown) < len(group.names):
        which = f"{len(shown) - 1} of {len(group.names) - 1:,} scenarios beside {label_of(group.baseline)}"
        notes.append(Note(f"Shown are {which}: those worth considering, then those that wait least. The CSV file has all."))
    once = sorted({label_of(one.scenario) for one in compared.differences if one.finding is None})
    if once:
        text = f"Only one replication in common with the baseline, so without intervals: {some(once)}."
        notes.append(Note(f"{text} How sure their differences are is not known; simulate more replications:", _TWICE))
    told: dict[str, set[str]] = {}
    for scenario, metric in means.select("scenario", "metric").iter_rows():
        told.setdefault(metric, set()).add(scenario)
    missing = {m: [n for n in group.names if n not in have] for m, have in told.items() if m in METRICS}
    for metric, without in missing.items():
        if without:
            which = some(list(map(label_of, without)))
            notes.append(Note(f"{metrics.title(metric)}: not told of {which}, because {metrics.why_missing(metric)}."))
    silent = [label_of(name) for name in group.names if name not in set(means["scenario"])]
    if silent:
        notes.append(Note(f"No figures are stored of {some(silent)}; simulate them again.", "pipesim simulate SCENARIO.yaml"))
    base = evidence.world(group.baseline)
    unlike = {key for name in group.names for key, value in evidence.world(name).items() if value != base[key]}
    if unlike:
        keys = listed([key.replace("_", " ") for key in base if key in unlike])
        notes.append(Note(f"The scenarios differ in {keys}, so what they are compared in may come from that."))
    return notes

"""Which scenario? Scenarios beside a baseline: in words, as differences with their intervals, and as a table of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from pipesim.experiments.comparison import SAME, Comparison, Difference
from pipesim.experiments.figures import METRICS, figure_values, mean_intervals
from pipesim.report.decision import metrics
from pipesim.report.decision.cards import MOST_CARDS, cards
from pipesim.report.decision.differences import differences_figure
from pipesim.report.decision.evidence import Evidence
from pipesim.report.decision.frontier import Weighed, cost_frontier, weigh
from pipesim.report.decision.groups import Group
from pipesim.report.decision.strategies import strategies_figure, strategies_sentence
from pipesim.report.figure import Note
from pipesim.report.parts import Card, Grid, Part, section
from pipesim.report.words import human, listed, some
from pipesim.words import count

#: Of more scenarios than this, the charts and tables show those that tell most.
MOST_SHOWN = 20
_BEST = {
    "p95_wait_s": "lets tasks wait least: 95 % of waits are under {}",
    "mean_wait_s": "lets tasks wait least: {}",
    "p95_jct_s": "completes runs soonest: 95 % of completion times are under {}",
    "mean_jct_s": "completes runs soonest: in {}",
}
_MORE = Note("One scenario alone cannot be compared; simulate another one with it:", "pipesim compare A.yaml B.yaml")
_TWICE = "pipesim compare A.yaml B.yaml --replications 10"


def which_scenario(evidence: Evidence, group: Group, number: int = 1, *, retraining: bool = False) -> Part:
    """Return the part on some scenarios.

    Args:
        evidence: What is known.
        group: The scenarios.
        number: Of several such parts, which.
        retraining: Whether the frontier of retraining strategies is part of it.
    """
    ending = "" if number == 1 else f"_{number}"
    title = f"Which scenario of {group.sweep}?" if group.sweep else "Which scenario?"
    if number > 1 and not group.sweep:
        title = f"Which scenario? Against {group.base}"
    anchor = f"scenarios{ending}"
    if len(group.names) < 2:
        return Part(anchor, title, "", (_MORE,), [])
    compared = _with_something(evidence.compared(group.names, group.baseline))
    if not compared.differences:
        without = Note(f"Of {some(list(map(group.label, group.names)))}, no figures are stored that could be compared.")
        return Part(anchor, title, "", (without,), [])
    means = mean_intervals(figure_values(evidence.rows_of(group.names)), ["scenario", "metric"])
    weighed = weigh(evidence, group.names, means)
    shown = _chosen(group, means, weighed)
    sections = [
        section(
            f"scenario_differences{ending}",
            differences_figure(compared, group, shown),
            _figures_table(group, shown, means, ending),
        ),
    ]
    if retraining and (strategies := strategies_figure(compared)):
        sections.insert(0, section(f"strategy_frontier{ending}", strategies))
    if frontier := cost_frontier(weighed, group.label):
        sections.append(section(f"scenario_frontier{ending}", frontier))
    notes = [*_notes(evidence, group, compared, shown, means), *([weighed.note] if weighed.note else [])]
    told = _cards(evidence, group, compared, shown, weighed)
    lead = _lead(compared, group, means)
    if retraining:
        lead = f"{strategies_sentence(compared)} {lead}".strip()
    return Part(anchor, title, lead, tuple(notes), sections, cards=tuple(told))


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


def _with_something(compared: Comparison) -> Comparison:
    """Return a comparison without the figures that are zero everywhere, as the energy of pools for which no rate is given."""
    told = {one.metric for one in compared.differences if one.mean or one.baseline_mean}
    return replace(compared, differences=tuple(one for one in compared.differences if one.metric in told))


def leading(means: pl.DataFrame) -> str | None:
    """Return the figure that scenarios are chosen by: the first of those that most of them tell."""
    told = dict(means.group_by("metric").len().iter_rows())
    most = max((told.get(metric, 0) for metric in metrics.LEADING), default=0)
    return next((metric for metric in metrics.LEADING if told.get(metric, 0) == most > 0), None)


def _lead(compared: Comparison, group: Group, means: pl.DataFrame) -> str:
    """Return which scenario waits least, and how sure it is that it waits less than the baseline."""
    metric = leading(means)
    told = means.filter(metric=metric).sort("mean", maintain_order=True) if metric else means.clear()
    if metric is None or told.is_empty():
        return f"{count(len({d.scenario for d in compared.differences}), 'scenario')} against {group.base}."
    best = told.row(0, named=True)
    label, base = group.label(best["scenario"]), group.base
    value = human(best["mean"], metrics.kind(metric))
    among = f"Of {count(told.height, 'scenario')}, {label} {_BEST[metric].format(value)} on average"
    found = next((d for d in compared.differences if (d.scenario, d.metric) == (best["scenario"], metric)), None)
    if found is None:
        return f"{among}; it is the baseline." if label == base else f"{among}."
    share = _share(found)
    said = f"{among}, against {human(found.baseline_mean, metrics.kind(metric))} with {base}{f': {share}' if share else ''}."
    if found.finding is None:
        return f"{said} They were simulated once together, so how sure that is is not known."
    return said if found.finding == "lower" else f"{said} That may be chance, as all differences are judged together."


def _cards(evidence: Evidence, group: Group, compared: Comparison, shown: Sequence[str], weighed: Weighed) -> list[Card]:
    found: dict[str, list[Difference]] = {}
    for one in compared.differences:
        found.setdefault(one.scenario, []).append(one)
    told = {name: (group.label(name), _in_words(found[name]) if name in found else "") for name in shown}
    others = [name for name in shown if name != group.baseline]
    if len(others) > MOST_CARDS:
        best = set(weighed.efficient)
        others.sort(key=lambda name: name not in best)
    return cards(evidence, others, group.baseline, told)


def _in_words(differences: Sequence[Difference]) -> str:
    """Return in what a scenario differs from the baseline, and in what no difference was found."""
    said = []
    for one in differences:
        if one.finding == SAME:
            continue
        kind, share = metrics.kind(one.metric), _share(one)
        values = f"{human(one.mean, kind)} against {human(one.baseline_mean, kind)}"
        said.append(f"{metrics.name(one.metric)} {f'{share}, {values}' if share else values}")
    same = [metrics.name(one.metric) for one in differences if one.finding == SAME]
    said += [f"no difference found: {listed(same)}"] if same else []
    return f"{'; '.join(said)}."


def _share(found: Difference) -> str | None:
    """Return a difference as a share; with the interval of the difference itself where there is none of the share."""
    share = found.share_in_words()
    if share is None or found.relative_low is not None or found.low is None or found.high is None:
        return share
    ends = " to ".join(human(end, metrics.kind(found.metric)) for end in (found.low, found.high))
    return f"{share} (95 % interval of the difference {ends})"


def _figures_table(group: Group, shown: Sequence[str], means: pl.DataFrame, ending: str) -> Grid:
    """Return the means of the scenarios that are shown, with their intervals."""
    told = set(means.filter(pl.col("mean") != 0)["metric"])
    columns = [metric for metric in METRICS if metric in told]
    columns += sorted(metric for metric in told if metric.startswith("utilization."))
    cells = {(row["scenario"], row["metric"]): row for row in means.iter_rows(named=True)}
    replications = {row["scenario"]: row["replications"] for row in means.iter_rows(named=True)}

    def cell(scenario: str, metric: str) -> str:
        row = cells.get((scenario, metric))
        return metrics.with_interval(metric, row["mean"], row["low"], row["high"]) if row else human(None, "number")

    rows = [[group.label(name), human(replications.get(name), "count"), *(cell(name, m) for m in columns)] for name in shown]
    reading = (
        "Means over the replications, in brackets with their 95 % confidence intervals, cut at zero. The baseline comes first. "
        "Scenarios whose intervals overlap may differ all the same, as they share their random numbers: the chart above tells. "
        "A dash means that the scenario does not tell the figure."
    )
    return Grid(f"figures{ending}", reading, ["Scenario", "Replications", *map(metrics.title, columns)], rows)


def _notes(evidence: Evidence, group: Group, compared: Comparison, shown: Sequence[str], means: pl.DataFrame) -> list[Note]:
    notes = []
    if len(shown) < len(group.names):
        which = f"{len(shown) - 1} of {len(group.names) - 1:,} scenarios beside {group.base}"
        notes.append(Note(f"Shown are {which}: those worth considering, then those that wait least. The CSV file has all."))
    once = sorted({group.label(one.scenario) for one in compared.differences if one.finding is None})
    if once:
        text = f"Only one replication in common with the baseline, so without intervals: {some(once)}."
        notes.append(Note(f"{text} How sure their differences are is not known; simulate more replications:", _TWICE))
    told: dict[str, set[str]] = {}
    for scenario, metric in means.select("scenario", "metric").iter_rows():
        told.setdefault(metric, set()).add(scenario)
    missing = {m: [n for n in group.names if n not in have] for m, have in told.items() if m in METRICS}
    for metric, without in missing.items():
        if without:
            which = some(list(map(group.label, without)))
            notes.append(Note(f"{metrics.title(metric)}: not told of {which}, because {metrics.why_missing(metric)}."))
    told_of = set(means["scenario"])
    silent = [group.label(name) for name in group.names if name not in told_of]
    if silent:
        notes.append(Note(f"No figures are stored of {some(silent)}; simulate them again.", "pipesim simulate SCENARIO.yaml"))
    base = evidence.world(group.baseline)
    unlike = {key for name in group.names for key, value in evidence.world(name).items() if value != base[key]}
    if unlike:
        keys = listed([key.replace("_", " ") for key in base if key in unlike])
        notes.append(Note(f"The scenarios differ in {keys}, so what they are compared in may come from that."))
    return notes

"""Tables of figures for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipesim.words import count

if TYPE_CHECKING:
    from pipesim.experiments.capacity import Answer, Mix, Trial
    from pipesim.experiments.comparison import Comparison, Difference, Strategy
    from pipesim.experiments.intervals import Interval
    from pipesim.experiments.sharing import Reproduced
    from pipesim.ingest import Preview
    from pipesim.ingest.datasets import Dataset
    from pipesim.quality import Quality


def preview_table(found: Preview) -> str:
    """Return what `pipesim ingest --dry-run` found."""
    parts = []
    for table, (total, first) in found.rows.items():
        rows = [{name: str(value) for name, value in row.items()} for row in first.to_dicts()]
        parts.append(f"{table}: {count(total, 'row')}, the first of which {'is' if total == 1 else 'are'}")
        width = max(map(len, first.columns))
        shown = [f"  {name:<{width}}  " + "  ".join(f"{row[name][:32]:<32}" for row in rows) for name in first.columns]
        parts += [line.rstrip() for line in shown]
        parts += [f"  the log does not say: {', '.join(found.unsaid[table])}"] * bool(found.unsaid[table])
    parts += [f"nothing reads {', '.join(names)} of {file}" for file, names in found.unused.items()]
    for row in found.refused.iter_rows(named=True):
        place = f"{row['file']}:{row['line']}"
        parts.append(f"{count(row['lines'], 'line')} would be refused for {row['rule']}, the first at {place}: {row['detail']}")
        parts.append(f"  {row['raw'][:200]}")
    return "\n".join(parts) or "no rows"


def datasets_table(known: Sequence[tuple[Dataset, str]]) -> str:
    """Return what `pipesim datasets list` shows: of each data set what it is, its files, and the command that ingests it."""
    parts = []
    for dataset, command in known:
        parts.append(f"{dataset.name}: {dataset.title}")
        for file in dataset.files:
            about = f"about {file.about_bytes:,} bytes" if file.about_bytes else "size not published"
            size = about if file.bytes is None else f"{file.bytes:,} bytes"
            parts.append(f"  {file.url} ({size}{'' if file.sha256 else ', no checksum published'})")
        parts += [f"  note: {dataset.notes}"] * bool(dataset.notes)
        parts += [f"  licence: {dataset.licence}", f"  cite: {dataset.citation}", f"  page: {dataset.page}"]
        parts += [f"  pipesim datasets fetch {dataset.name}", f"  {command}", ""]
    return "\n".join(parts).rstrip()


def runs_table(runs: list[dict[str, Any]], waits: Sequence[Interval]) -> str:
    """Return one line a run of `pipesim simulate`.

    Args:
        runs: The runs' figures.
        waits: The interval of each run's mean wait, by the batches of the run.
    """

    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:,.1f}"

    titles = ("mean wait s", "+-", "p95 wait s", "mean jct s")
    header = f"{'scenario':<24}{'repl.':>6}{'runs':>10}{'tasks':>10}{''.join(f'{t:>14}' for t in titles)}  utilization"
    lines = []
    for run, wait in zip(runs, waits, strict=True):
        sure = None if wait.low is None or wait.high is None else (wait.high - wait.low) / 2
        figures = (run["mean_wait_s"], sure, run["p95_wait_s"], run["mean_jct_s"])
        used = ", ".join(f"{pool} {'-' if part is None else format(part, '.0%')}" for pool, part in run["utilization"].items())
        lines.append(
            f"{run['scenario']:<24}{run['replication']:>6}{run['pipelines']:>10,}{run['tasks']:>10,}"
            f"{''.join(f'{seconds(figure):>14}' for figure in figures)}  {used}"
        )
    return "\n".join([header, *lines, "+-: half the 95 % interval of the mean wait, by batches of the run"])


def interval_table(metric: str, intervals: Mapping[str, Interval], replications: Mapping[str, int]) -> str:
    """Return one line a scenario: a figure with its interval, and of how many replications."""
    lines = [f"{'scenario':<40}{'repl.':>6}{metric:>18}{'95 % interval':>28}"]
    for name, found in intervals.items():
        mean = "-" if found.mean is None else _amount(found.mean)
        lines.append(f"{name:<40}{replications[name]:>6}{mean:>18}{_ends(found.low, found.high, _amount):>28}")
    return "\n".join(lines)


def capacity_table(found: Answer) -> str:
    """Return what `pipesim capacity` found: the answer in a sentence, then the curve."""
    point = next(point for point in found.curve if point.capacities == (found.capacity,))
    metric = found.objective.split()[0]
    ends = _ends(point.low, point.high, _amount)
    head = (
        f"{found.scenario}: {found.pool} needs {found.capacity:,} {found.resource}. With {found.confidence:.0%} confidence the "
        f"mean keeps {found.objective}: it is {_amount(point.mean or 0.0)} ({ends}) over "
        f"{count(found.replications, 'replication')}."
    )
    title = f"{found.resource:>12}{metric:>18}{'95 % interval':>28}  met"
    return "\n".join([head, title, *(capacity_line(point, metric) for point in found.curve)])


def capacity_line(point: Trial, metric: str) -> str:
    """Return what one capacity, or one mix of capacities, leads to."""
    capacities = " + ".join(f"{capacity:,}" for capacity in point.capacities)
    if point.mean is None:
        return f"{capacities:>12}  smaller than the largest task"
    cells = f"{_amount(point.mean):>{max(18, len(metric))}}{_ends(point.low, point.high, _amount):>28}"
    return f"{capacities:>12}{cells}  {'yes' if point.met else 'no'}"


def mix_table(found: Mix) -> str:
    """Return what `pipesim capacity` found for two pools: the answer in a sentence, then the mixes that will just do."""
    amounts = [
        f"{n:,} {resource} of {pool}" for n, resource, pool in zip(found.capacities, found.resources, found.pools, strict=True)
    ]
    head = (
        f"{found.scenario}: {' and '.join(amounts)} are the cheapest mix that keeps {found.objective} with "
        f"{found.confidence:.0%} confidence: {_amount(found.cost_per_h)} an hour."
    )
    lines = [f"{found.pools[0]:>14}{found.pools[1]:>14}{'cost an hour':>16}"]
    for first, second in found.frontier:
        cost = first * found.prices[0] + second * found.prices[1]
        lines.append(f"{first:>14,}{second:>14,}{_amount(cost):>16}{'  *' if (first, second) == found.capacities else ''}")
    return "\n".join([head, *lines])


def comparison_table(compared: Comparison) -> str:
    """Return what `pipesim compare` found: each figure that differs, then the frontier of strategies."""
    from pipesim.experiments.comparison import SAME
    from pipesim.experiments.figures import METRICS

    lines = []
    for scenario in dict.fromkeys(found.scenario for found in compared.differences):
        mine = [found for found in compared.differences if found.scenario == scenario]
        lines.append(f"{scenario}, against {compared.baseline}:")
        lines += [f"  {_difference(found, METRICS[found.metric][1])}" for found in mine if found.finding != SAME]
        same = [METRICS[found.metric][1] for found in mine if found.finding == SAME]
        lines += [f"  no difference found: {', '.join(same)}"] if same else []
    if compared.frontier:
        lines += ["", *_frontier(compared.frontier)]
    return "\n".join(lines)


def reproduced_table(found: Reproduced) -> str:
    """Return one line a scenario of `pipesim reproduce`: whether its runs are equal, and which tables are not."""
    lines = []
    for name in dict.fromkeys(run.scenario for run in found.runs):
        mine = [run for run in found.runs if run.scenario == name]
        wrong = [run for run in mine if run.different]
        if wrong:
            tables = ", ".join(sorted({table for run in wrong for table in run.different}))
            lines.append(f"{name}: different in {len(wrong):,} of {count(len(mine), 'replication')}: {tables}")
        else:
            how = "same bytes" if all(run.same_bytes for run in mine) else "same values in other bytes"
            lines.append(f"{name}: equal, {how} ({count(len(mine), 'replication')})")
    return "\n".join(lines)


def quality_table(found: Quality) -> str:
    """Return what `pipesim quality` found: one line a score, then what each means."""

    def figure(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    met = {True: "yes", False: "no", None: "-"}
    header = f"{'score':<42}{'value':>9}{'floor':>9}{'baseline':>10}  {'goal':<16}met"
    rows = list(found.scores.iter_rows(named=True))
    lines = [
        f"{row['title']:<42}{figure(row['value']):>9}{figure(row['floor']):>9}{figure(row['baseline']):>10}"
        f"  {row['goal']:<16}{met[row['ok']]}"
        for row in rows
    ]
    judged = [row["ok"] for row in rows if row["ok"] is not None]
    notes = [
        "floor: real days beside real days; baseline: one arrival law for each hour of the week, everything else independent",
        f"model {found.model} meets {sum(judged)} of {count(len(judged), 'goal')}, compared on {count(found.days, 'day')}",
    ]
    meaning = [f"- {row['title']}{' (' + row['cell'] + ')' if row['cell'] else ''}: {row['words']}" for row in rows]
    return "\n".join([header, *lines, *notes, "", *meaning])


def _difference(found: Difference, name: str) -> str:
    """Say how a figure differs, as `mean wait: 31 % lower (95 % interval 28 to 34 %), 12.1 against 17.5 seconds`."""
    unit = "" if found.unit in ("count", "0..1") else f" {found.unit}"
    values = f"{_amount(found.mean)} against {_amount(found.baseline_mean)}{unit}"
    share = found.share_in_words()
    if share is None:
        ends = _ends(found.low, found.high, _amount)
        return f"{name}: {values}{'' if ends == '-' else f' (95 % interval of the difference {ends})'}"
    return f"{name}: {share}, {values}"


def _frontier(strategies: Sequence[Strategy]) -> list[str]:
    unit = strategies[0].unit
    lines = [f"{'strategy':<28}{'performance':>12}{'95 % interval':>18}{unit:>13}{'95 % interval':>22}{'further point':>15}"]
    for one in strategies:
        performance = _ends(one.performance_low, one.performance_high, lambda share: f"{100 * share:.1f}")
        cells = (
            f"{100 * one.performance:>12.1f}{performance:>18}",
            f"{_amount(one.spent):>13}{_ends(one.spent_low, one.spent_high, _amount):>22}",
            f"{'-' if one.per_point is None else _amount(one.per_point):>15}",
        )
        lines.append(f"{'*' if one.efficient else ' '} {one.scenario:<26}{''.join(cells)}")
    note = f"further point: {unit} for one more hundredth of performance, beyond the line with a star before"
    return [*lines, f"* no other strategy performs better for less; {note}"]


def _ends(low: float | None, high: float | None, text: Callable[[float], str]) -> str:
    return "-" if low is None or high is None else f"{text(low)} - {text(high)}"


def _amount(value: float) -> str:
    digits = 0 if abs(value) >= 100 or not value else 1 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f}"

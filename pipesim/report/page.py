"""The page: the figures, the key figures and what they were made from, in one HTML file that needs no network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pipesim import __version__
from pipesim.analytics import input_manifests
from pipesim.identity import safe_name
from pipesim.lake import Lake
from pipesim.report.data import ReportData, open_data
from pipesim.report.decision import Evidence, decision_parts
from pipesim.report.figure import MISSING, Note
from pipesim.report.likeness import MEASURE
from pipesim.report.parts import Part, as_text, csv_link, section
from pipesim.report.score_table import outcome, score_table
from pipesim.report.sentence import answer
from pipesim.report.series import Series, label_of
from pipesim.report.strategy_table import strategy_table
from pipesim.report.template import fill, unchecked
from pipesim.report.words import Kind, human, listed, some
from pipesim.words import count

_RETRAINING = "Which retraining strategy?"
_LIKENESS = "How like the log is the synthetic trace?"


def write_report(lake: Lake, name: str = "report", *, stored: bool = False) -> Path:
    """Write the report on everything in the lake: one HTML file that opens anywhere, without a network.

    Equal lakes give equal bytes.

    Args:
        lake: The store.
        name: The report becomes `reports/<name>.html`, and what it was made from `reports/<name>.json`.
        stored: Whether to take the stored analytics tables, by a caller who has just built them, and not to compute them anew.

    Returns:
        The path of the HTML file.

    Raises:
        RequestError: If the name cannot be a file's name.
        WorkError: If an analytics query that the report needs is wrong.
    """
    target = lake.reports / f"{safe_name(name, 'report')}.html"
    with open_data(lake, stored=stored) as data:
        page = render(data, lake)
    manifest = {"kind": "report", "name": name, "inputs": input_manifests(lake), "pipesim": __version__}
    with lake.transaction() as tx:
        tx.stage(target).write_text(page, encoding="utf-8", newline="\n")
        tx.write_json(manifest, target.with_suffix(".json"))
    return target


def render(data: ReportData, lake: Lake) -> str:
    """Return the page as text."""
    return fill(
        title="pipesim report",
        summary=_summary(data),
        facts=[{"label": one.label, "text": _fact(data, one)} for one in data.series],
        notes=_notes(data),
        key_figures=_key_figures(data),
        parts=unchecked(lambda: _parts(data, lake)),
        manifests=_manifests(data, lake),
    )


def _parts(data: ReportData, lake: Lake) -> list[Part]:
    """Return what decisions need, retraining strategies, the likeness to the log and the traces; first what has an answer."""
    from pipesim.report.figures import COMPARISON, RETRAINING

    retraining = [section(name, make(data)) for name, make in RETRAINING.items()]
    told = Part("retraining", _RETRAINING, answer(data.strategies), (), retraining)
    if data.strategies.names:
        retraining[0]["strategies"] = strategy_table(data.strategies)
    else:
        told = replace(told, notes=retraining[0]["figure"].notes, sections=[one for one in retraining if one["panels"]])
    traces = Part("", "", "", (), [section(name, make(data)) for name, make in COMPARISON.items()])
    decisions = decision_parts(Evidence.of_lake(lake, data.con), data.strategies.names)
    parts = [*decisions, told, *_likeness(data, lake)]
    return [*(part for part in parts if part.lead), traces, *(part for part in parts if not part.lead)]


def _likeness(data: ReportData, lake: Lake) -> list[Part]:
    """Return how like the log the synthetic traces are; how to measure it, if nobody has; nothing where there are none."""
    from pipesim.report.figures import LIKENESS

    scores = data.rows("FROM analytics.quality_scores ORDER BY position")
    if scores.is_empty():
        return [Part("quality", _LIKENESS, "", (MEASURE,), [])] if data.has("synthetic") else []
    model, fitted = scores["model"][0], lake.current(lake.models)
    told = f"This is about the model {model}; the present one, {fitted}, has not been measured:"
    sections = [section(name, make(data)) for name, make in LIKENESS.items()]
    cells = data.rows("FROM analytics.quality_cells ORDER BY position")
    return [
        Part(
            "quality",
            _LIKENESS,
            outcome(scores),
            () if fitted in (model, None) else (Note(told, MEASURE.command),),
            [one for one in sections if one["panels"]],
            score_table(scores),
            {"quality_scores": csv_link(scores), "quality_cells": csv_link(cells)},
        )
    ]


def _notes(data: ReportData) -> list[Note]:
    notes = [note for origin, note in MISSING.items() if not data.has(origin)]
    shown = {one.trace for one in data.series if one.origin == "simulated"}
    strategies = [label_of(name) for name in data.strategies.names if name not in shown]
    if data.choice.left_out:
        left_out = some(data.choice.left_out)
        notes.append(Note(f"The charts have room for fewer scenarios than there are; left out: {left_out}."))
    if strategies:
        which = some(strategies)
        text = f"The key figures and the charts of the traces have no room for these retraining strategies: {which}."
        notes.append(Note(f"{text} All strategies are compared under \u201c{_RETRAINING}\u201d."))
    return notes


def _summary(data: ReportData) -> str:
    if not data.series:
        return "There is nothing to report on yet."
    scenarios = sum(one.origin == "simulated" and one.trace not in data.strategies.names for one in data.series)
    parts = {"observed": "what the logs show", "synthetic": "the synthetic trace made from the fitted workload model"}
    said = [text for origin, text in parts.items() if data.has(origin)]
    if scenarios:
        said.append(count(scenarios, "simulated scenario"))
    if data.strategies.names:
        said.append(count(len(data.strategies.names), "retraining strategy", "retraining strategies"))
    return f"This report {'compares' if len(said) > 1 else 'shows'} {listed(said)}."


def _fact(data: ReportData, one: Series) -> str:
    runs, tasks, replications = data.con.execute(
        "SELECT round(avg(runs))::BIGINT, round(avg(tasks))::BIGINT, count(*) "
        "FROM analytics.scenario_summary WHERE origin = ? AND trace = ?",
        [one.origin, one.trace],
    ).fetchall()[0]
    first, last = data.con.execute(
        "SELECT min(hour), max(hour) FROM analytics.arrivals_by_hour WHERE origin = ? AND trace = ?", [one.origin, one.trace]
    ).fetchall()[0]
    text = f"{count(runs, 'pipeline run')} with {count(tasks, 'task')}"
    if first is not None:
        text += f", submitted from {first.day} {first:%b %Y} to {last.day} {last:%b %Y}"
    if one.origin == "observed":
        files, sources = data.con.execute(
            "SELECT count(DISTINCT source_file), string_agg(DISTINCT source, ', ' ORDER BY source) FROM observed.pipeline_runs"
        ).fetchall()[0]
        text += f", read from {count(files, 'log file')} ({sources})"
    elif one.origin == "synthetic":
        text += f", stored as {one.trace}"
    else:
        text += ", simulated once" if replications == 1 else f", the mean of {replications:,} replications"
    return text


_KEY_FIGURES: dict[str, tuple[str, Kind]] = {
    "Replications": ("count(*)", "count"),
    "Runs": ("avg(runs)", "count"),
    "Tasks": ("avg(tasks)", "count"),
    "Failed attempts": ("avg(failed_attempts)", "count"),
    "Mean wait": ("avg(mean_wait_s)", "time"),
    "Median wait": ("avg(p50_wait_s)", "time"),
    "95 % wait": ("avg(p95_wait_s)", "time"),
    "99 % wait": ("avg(p99_wait_s)", "time"),
    "Mean completion": ("avg(mean_jct_s)", "time"),
    "95 % completion": ("avg(p95_jct_s)", "time"),
    "Makespan": ("avg(makespan_s)", "time"),
    "GPU-hours": ("avg(gpu_hours)", "count"),
}


def _key_figures(data: ReportData) -> dict[str, Any]:
    columns = ", ".join(sql for sql, _ in _KEY_FIGURES.values())
    found = data.con.execute(
        f"SELECT series, {columns} FROM analytics.scenario_summary JOIN report_series USING (origin, trace) "
        "GROUP BY position, series ORDER BY position"
    ).fetchall()
    kinds = [kind for _, kind in _KEY_FIGURES.values()]
    rows = [[label, *(human(v, kind) for v, kind in zip(values, kinds, strict=True))] for label, *values in found]
    whole = data.rows("SELECT * FROM analytics.scenario_summary ORDER BY origin, trace, replication")
    return {"heads": ["Trace", *_KEY_FIGURES], "rows": rows, "csv": csv_link(as_text(whole))}


def _manifests(data: ReportData, lake: Lake) -> list[dict[str, str]]:
    files = {one.label: lake.synthetic_folder(one.trace) / "manifest.json" for one in data.series if one.origin == "synthetic"}
    shown = [one.trace for one in data.series if one.origin == "simulated"]
    for scenario in dict.fromkeys([*shown, *data.strategies.names]):
        first = min(lake.replications(scenario), default=0)
        files[label_of(scenario)] = lake.simulated_folder("manifests", scenario, first) / "manifest.json"
    for (model,) in data.con.execute("SELECT DISTINCT model FROM analytics.quality_scores").fetchall():
        files["likeness to the log"] = lake.lake / "quality" / safe_name(model, "model") / "manifest.json"
    return [{"label": label, "text": file.read_text(encoding="utf-8")} for label, file in files.items() if file.is_file()]

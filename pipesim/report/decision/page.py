"""One page for one decision: only what concerns the scenarios that a command has just simulated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipesim import __version__
from pipesim.errors import RequestError
from pipesim.identity import file_hash, safe_name
from pipesim.lake import Lake
from pipesim.report.decision.evidence import Evidence
from pipesim.report.decision.groups import Group
from pipesim.report.decision.made import how_made
from pipesim.report.decision.parts import searches_parts, sweep_parts
from pipesim.report.decision.trust import trust_parts
from pipesim.report.decision.which_scenario import MOST_SHOWN, which_scenario
from pipesim.report.parts import Part
from pipesim.report.series import label_of
from pipesim.report.template import fill, unchecked
from pipesim.report.words import listed, some
from pipesim.words import count

#: What the report on everything is called, which the pipeline renews in place.
_OF_EVERYTHING = "report"


def check_name(name: str) -> str:
    """Return the name if it can be that of a page, before anything is simulated.

    Raises:
        RequestError: If it cannot be a file's name, or is that of the report on everything.
    """
    if safe_name(name, "report") == _OF_EVERYTHING:
        raise RequestError(
            f"{name!r} is the report on everything, which `pipesim report` writes",
            where="--report",
            remedy="give this page a name of its own",
        )
    return name


def write_decision(lake: Lake, name: str, evidence: Evidence, baseline: str | None = None) -> Path:
    """Write the page on some scenarios: one HTML file that opens anywhere, without a network.

    Args:
        lake: The store.
        name: The page becomes `reports/<name>.html`, and what it was made from `reports/<name>.json`.
        evidence: What is known of the scenarios.
        baseline: What they are compared with; by default the first.

    Returns:
        The path of the HTML file.

    Raises:
        RequestError: If the name will not do.
    """
    target = lake.reports / f"{check_name(name)}.html"
    page = decision_page(evidence, f"pipesim report: {name}", baseline)
    trials = [one for one in evidence.searches["simulated_as"] if one is not None]
    used = {name: number for name in (*evidence.names, *trials) for number in [lake.replications(name)]}
    files = [lake.simulated_folder("manifests", one, n) / "manifest.json" for one, numbers in used.items() for n in numbers]
    inputs = {str(file.relative_to(lake.lake)): file_hash(file) for file in files}
    manifest = {"kind": "decision", "name": name, "inputs": inputs, "pipesim": __version__}
    with lake.transaction() as tx:
        tx.stage(target).write_text(page, encoding="utf-8", newline="\n")
        tx.write_json(manifest, target.with_suffix(".json"))
    return target


def decision_page(evidence: Evidence, title: str, baseline: str | None = None) -> str:
    """Return the page on some scenarios as text, the same for equal evidence.

    Args:
        evidence: What is known of the scenarios.
        title: Its heading.
        baseline: What they are compared with; by default the first.
    """
    names = evidence.names or evidence.searches.filter("is_answer")["simulated_as"].to_list()
    return fill(
        title=title,
        summary=_summary(evidence),
        facts=[],
        notes=[],
        key_figures={"heads": [], "rows": [], "csv": ""},
        parts=unchecked(lambda: _parts(evidence, names, baseline)),
        manifests=_manifests(evidence, names),
    )


def _parts(evidence: Evidence, names: Sequence[str], baseline: str | None) -> list[Part]:
    parts = searches_parts(evidence)
    if evidence.names:
        sweeps = evidence.sweeps["sweep"].unique()
        whole = len(sweeps) == 1 and set(evidence.names) <= set(evidence.sweeps["scenario"])
        group = Group(tuple(evidence.names), baseline or evidence.names[0], sweeps[0] if whole else "")
        parts += [which_scenario(evidence, group, retraining=True), *sweep_parts(evidence)]
    return [*parts, *trust_parts(evidence), how_made(evidence, names)]


def _summary(evidence: Evidence) -> str:
    said = []
    sweeps = evidence.sweeps["sweep"].unique(maintain_order=True).to_list()
    if evidence.names:
        of = f" ({'sweep' if len(sweeps) == 1 else 'sweeps'} {some(sweeps)})" if sweeps else ""
        said.append(f"{count(len(evidence.names), 'scenario')}{of}, simulated in {count(evidence.runs.height, 'run')}")
    if evidence.searches.height:
        searched = evidence.searches["scenario"].unique(maintain_order=True).to_list()
        said.append(f"{count(evidence.searches.height, 'trial')} of capacities of {some(list(map(label_of, searched)))}")
    return f"This page is about {listed(said)}."


def _manifests(evidence: Evidence, names: Sequence[str]) -> list[dict[str, str]]:
    found = {name: evidence.manifest(name) for name in names[:MOST_SHOWN]}
    return [
        {"label": label_of(name), "text": json.dumps(manifest, indent=1, sort_keys=True) + "\n"}
        for name, manifest in found.items()
        if manifest
    ]

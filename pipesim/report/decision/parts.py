"""The parts of a page that decisions need, in order: of everything that a lake holds, or of what a command has just made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from pipesim.experiments.calibration.names import Names
from pipesim.report.decision.capacity import capacity_part
from pipesim.report.decision.evidence import Evidence
from pipesim.report.decision.groups import groups_of
from pipesim.report.decision.sweeps import sweep_part
from pipesim.report.decision.trust import trust_parts
from pipesim.report.decision.which_scenario import which_scenario
from pipesim.report.figure import Note
from pipesim.report.parts import Part
from pipesim.report.series import label_of
from pipesim.report.words import some

#: Of more groups of comparable scenarios, sweeps or searches, the first are shown.
_MOST = 4
_SEARCH = Note(
    "Nobody has asked yet how much capacity an objective takes:",
    'pipesim capacity SCENARIO.yaml --pool NAME --slo "p95_wait_s < 600"',
)


def decision_parts(evidence: Evidence, strategies: Collection[str]) -> list[Part]:
    """Return the parts on all that a lake holds.

    Args:
        evidence: What is known.
        strategies: The retraining strategies, which have a part of their own.
    """
    calibrated = evidence.calibration_errors["scenario"].unique()
    apart = set(evidence.searches["simulated_as"]).union(strategies, *(Names.of(name).compared for name in calibrated))
    names = [name for name in evidence.names if name not in apart]
    groups = groups_of(evidence, names)
    alone = [label_of(group.names[0]) for group in groups if len(group.names) == 1]
    compared = [group for group in groups if len(group.names) > 1] or groups[:1]
    parts = [which_scenario(evidence, group, number) for number, group in enumerate(compared[:_MOST], start=1)]
    notes = []
    if alone and len(groups) > 1:
        notes.append(Note(f"No other scenario ran the same work, so not compared: {some(alone)}."))
    if rest := [group.sweep or label_of(group.baseline) for group in compared[_MOST:]]:
        notes.append(Note(f"Not shown are the comparisons within, or against, {some(rest)}."))
    searches = searches_parts(evidence)
    if not searches and names:
        searches = [Part("capacity", "How much is needed?", "", (_SEARCH,), [])]
    return _noted(parts, notes) + sweep_parts(evidence) + searches + trust_parts(evidence)


def sweep_parts(evidence: Evidence) -> list[Part]:
    """Return the parts on the sweeps, the first of many."""
    sweeps = evidence.sweeps["sweep"].unique(maintain_order=True).to_list()
    known = set(evidence.names)
    there = [name for name in sweeps if known & set(evidence.sweeps.filter(sweep=name)["scenario"])]
    found = [sweep_part(evidence, name, number) for number, name in enumerate(there[:_MOST], start=1)]
    left = [Note(f"Not shown are the sweeps {some(there[_MOST:])}.")] if there[_MOST:] else []
    return _noted([part for part in found if part], left)


def searches_parts(evidence: Evidence) -> list[Part]:
    """Return the parts on the searches for a capacity, the first of many."""
    searches = evidence.searches["search"].unique(maintain_order=True).to_list()
    left = [Note(f"Not shown are the searches {some(searches[_MOST:])}.")] if searches[_MOST:] else []
    return _noted([capacity_part(evidence, name, number) for number, name in enumerate(searches[:_MOST], start=1)], left)


def _noted(parts: list[Part], notes: Sequence[Note]) -> list[Part]:
    """Return parts with notes at the last of them."""
    return [*parts[:-1], replace(parts[-1], notes=(*parts[-1].notes, *notes))] if parts and notes else parts

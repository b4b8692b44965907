"""How it was made: the work, the seeds, the replications, the engine and the version that figures come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipesim.report.decision.evidence import Evidence
from pipesim.report.parts import Grid, Part
from pipesim.report.series import label_of
from pipesim.report.words import UNKNOWN, some

_READING = (
    "Equal seeds give equal work in all scenarios: the first replication draws with the seed itself, each further one with one "
    "derived from it and its number. The same files, log or model, seeds and version give the same figures again, to the byte."
)


def how_made(evidence: Evidence, names: Sequence[str]) -> Part:
    """Return the part on what scenarios were made from; those that were made alike stand in one row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        alike.setdefault(_made(evidence, name), []).append(label_of(name))
    rows = [[some(labels), *made] for made, labels in alike.items()]
    heads = ["Scenarios", "Work", "Seed", "Replications", "Engine", "Version of pipesim"]
    return Part("made", "How it was made", "", (), [], grids=(Grid("made-from", _READING, heads, rows),))


def _made(evidence: Evidence, name: str) -> tuple[str, ...]:
    manifest = evidence.manifest(name)
    work: dict[str, Any] = manifest.get("workload") or {}
    if work.get("kind") == "synthetic":
        told = f"synthetic, {work['days']:.12g} days, scale {work['scale']:.12g}, from the workload model {work['model']}"
        seed = str(work["seed"])
    elif work.get("kind") == "replay":
        told, seed = "the log again" + (f" (ingested as {work['ingests']})" if "ingests" in work else ""), UNKNOWN
    else:
        told, seed = UNKNOWN, UNKNOWN
    replications = f"{len(evidence.lake.replications(name)):,}"
    return told, seed, replications, str(manifest.get("engine", UNKNOWN)), str(manifest.get("pipesim", UNKNOWN))

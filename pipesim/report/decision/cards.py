"""What changed in each scenario against another, beside what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipesim.report.decision.changes import changes, origins
from pipesim.report.decision.evidence import Evidence
from pipesim.report.parts import Card
from pipesim.report.series import label_of

#: Of how many scenarios, beside the baseline, the changes are told.
MOST_CARDS = 10
_MOST_CHANGES = 12


def cards(
    evidence: Evidence, names: Sequence[str], baseline: str, told: Mapping[str, tuple[str, str]], keys: Sequence[str] = ()
) -> list[Card]:
    """Return what changed in each scenario against a baseline, which comes first, and what comes of it.

    Args:
        evidence: What is known.
        names: The scenarios; the first `MOST_CARDS` are told.
        baseline: What they are held against.
        told: What each is called, and what is said of it.
        keys: The keys that are told before others; by default those of the sweep that a scenario belongs to.
    """
    found = []
    for name in dict.fromkeys([baseline, *names[:MOST_CARDS]]):
        first = keys or evidence.keys_of(name) or evidence.keys_of(baseline)
        changed = changes(evidence.content(baseline), evidence.content(name), first)
        changed += origins(evidence.manifest(baseline), evidence.manifest(name))
        same = "the baseline" if name == baseline else "the same as the baseline, or what it was made from is not known"
        title, text = told.get(name, (label_of(name), ""))
        found.append(Card(title, tuple(changed[:_MOST_CHANGES]), max(len(changed) - _MOST_CHANGES, 0), text, same))
    return found

"""Which scenarios can be compared: those that run the same work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pipesim.report.decision.evidence import Evidence
from pipesim.report.series import label_of

#: What other scenarios are compared with, where it is among them.
_BASELINE = "as-is"


@dataclass(frozen=True)
class Group:
    """Scenarios that can be compared, as they run the same work.

    Args:
        names: Their names.
        baseline: Which of them the others are compared with.
        sweep: The sweep that they are all of, if so.
    """

    names: tuple[str, ...]
    baseline: str
    sweep: str = ""

    def label(self, name: str) -> str:
        """Return what a scenario is called: in a sweep, by its values alone."""
        return name.removeprefix(f"{self.sweep}-") if self.sweep else label_of(name)

    @property
    def base(self) -> str:
        """What the baseline is called."""
        return self.label(self.baseline)


def groups_of(evidence: Evidence, names: Sequence[str]) -> list[Group]:
    """Return the scenarios that run the same work together, each sweep for itself; first those with the usual baseline."""
    swept: dict[str, str] = {}
    for sweep, scenario in evidence.sweeps.select("sweep", "scenario").unique(maintain_order=True).iter_rows():
        swept.setdefault(scenario, sweep)
    known = set(names)
    worlds: dict[tuple[str, str], list[str]] = {}
    for name in dict.fromkeys([*(name for name in swept if name in known), *names]):
        worlds.setdefault((swept.get(name, ""), json.dumps(evidence.world(name), sort_keys=True)), []).append(name)
    found = [Group(tuple(ones), _BASELINE if _BASELINE in ones else ones[0], sweep) for (sweep, _), ones in worlds.items()]
    return sorted(found, key=lambda group: (group.baseline != _BASELINE, bool(group.sweep), -len(group.names), group.names))

"""What a store says of itself in one small object, `state.json`: whether there is anything new, and what is being committed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

#: The object's name.
STATE = "state.json"
#: The mark that all files have the columns of this version.
_COLUMNS = ".staging/columns.json"
#: The area of everything that simulations left, by far the largest; it is brought only to those who ask for it.
SIMULATED = "lake/simulated"
#: The areas of every home.
AREAS = (
    *(f"lake/{name}" for name in ("observed", "quarantine", "synthetic", "simulated", "quality", "analytics")),
    "models",
    "reports",
    "scenarios",
    _COLUMNS,
)


def area_of(path: str) -> str | None:
    """Return the area that a file belongs to, given its path within the home; None for what stays on its machine."""
    parts = PurePosixPath(path).parts
    if parts[0] == "lake" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0] if parts[0] in AREAS else path if path == _COLUMNS else None


@dataclass(frozen=True)
class Change:
    """A commit: objects to be moved into their places, each with its place, and what is to be removed."""

    id: str
    moves: tuple[tuple[str, str], ...]
    removals: tuple[str, ...]

    @property
    def areas(self) -> set[str]:
        """The areas that it changes."""
        return {area for path in (*self.removals, *(target for _, target in self.moves)) if (area := area_of(path))}


@dataclass(frozen=True)
class State:
    """What the object says.

    Args:
        marks: For each area the commit that changed it last. Marks are only ever compared: a new one means that there is news.
        pending: The commit that is being carried out, or was when its machine died.
        tag: The tag of the object that said so.
    """

    marks: Mapping[str, str]
    pending: Change | None = None
    tag: str = field(default="", compare=False)

    @classmethod
    def read(cls, data: bytes, tag: str) -> State:
        """Return what the object says."""
        told: dict[str, Any] = json.loads(data)
        pending = told["pending"]
        change = pending and Change(pending["id"], tuple(map(tuple, pending["moves"])), tuple(pending["removals"]))
        return cls(told["marks"], change, tag)

    def data(self) -> bytes:
        """Return the object's content."""
        change = self.pending
        pending = change and {"id": change.id, "moves": change.moves, "removals": change.removals}
        return json.dumps({"marks": dict(self.marks), "pending": pending}, sort_keys=True).encode()

    def concerns(self, areas: Iterable[str]) -> bool:
        """Tell whether a commit that is being carried out changes any of these areas."""
        return self.pending is not None and not self.pending.areas.isdisjoint(areas)

"""Who simulates which scenarios in a home just now, so that two processes never simulate the same ones at once.

Else both would do the same work; or, where scenarios of one name differ, each would replace and drop what the other stored.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

from pipesim.lake import Lake
from pipesim.store import Transaction

_CLAIM = "simulates.json"
_ASK_EVERY_S = 0.2
#: What this thread has claimed so far, with the homes' folders; it does not wait for itself.
_OWN: ContextVar[frozenset[tuple[Path, str]]] = ContextVar("claimed", default=frozenset())


@contextmanager
def claimed(lake: Lake, names: Sequence[str], say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Wait until no other process simulates any of these scenarios, and keep others from it while the context is open.

    What an outer context has claimed stays claimed until that one ends; inner ones are to claim nothing else, as two processes
    that each wait for what the other has claimed would wait for ever.

    Args:
        lake: The home.
        names: The names of the scenarios.
        say: Called once with a sentence if there is something to wait for.

    Raises:
        WorkError: If another process holds the commit lock for too long, or there is no room on the disk.
    """
    wanted = {name for name in names if (lake.root, name) not in _OWN.get()}
    if not wanted:
        yield
        return
    with lake.telling_of_room():
        holder = Transaction(
            lake
        )  # nothing is committed; its folder goes when it closes, or when the lake recovers from a crash
    try:
        waiting = False
        with lake.telling_of_room():
            while taken := _taken(lake, holder.scratch, wanted):
                if say and not waiting:
                    say(f"another process simulates {taken} in this home just now; waiting for it")
                waiting = True
                time.sleep(_ASK_EVERY_S)
        token = _OWN.set(_OWN.get() | {(lake.root, name) for name in wanted})
        try:
            yield
        finally:
            _OWN.reset(token)
    finally:
        holder.close()


def _taken(lake: Lake, own: Path, names: set[str]) -> str | None:
    """Claim the scenarios, or return one that a living process has claimed."""
    with lake.hold("commit"):
        for claim in own.parent.glob(f"*/{_CLAIM}"):
            if (others := names & _claimed_by(claim)) and _lives(claim.parent):
                return min(others)
        (own / _CLAIM).write_text(json.dumps(sorted(names)), encoding="utf-8")
    return None


def _claimed_by(claim: Path) -> set[str]:
    try:
        return set(json.loads(claim.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):  # given up just now, or its process died while it wrote
        return set()


def _lives(folder: Path) -> bool:
    try:
        with FileLock(folder / "owner.lock", timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # given up just now
        return False

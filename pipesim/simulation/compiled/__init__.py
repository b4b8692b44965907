"""The compiled engine: the rules of the reference engine as one loop over arrays, which Numba turns into machine code.

`world` names the arrays, `layout` and `model_layout` lay them out, `loop` is the loop, `turns` the life of an attempt,
`machines` what is free, `service`, `starting` and `promises` a pass over a pool, `upkeep` the models, `happenings` all else.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from numba import carray, cfunc, types  # type: ignore[attr-defined]

from pipesim.errors import RequestError
from pipesim.identity import content_hash
from pipesim.simulation.calendar import LATER
from pipesim.simulation.compiled import loop
from pipesim.simulation.compiled.layout import build, is_extended
from pipesim.simulation.compiled.model_layout import no_upkeep
from pipesim.simulation.compiled.world import (
    ASKED,
    BEGUN,
    CALENDAR,
    CHANGES,
    COVERED,
    DONE,
    ENDED,
    EXHAUSTED,
    EXTENDED,
    INTERRUPTED,
    LAST,
    LEFT,
    MORE,
    NO_NUMBER,
    NOW,
    PROVISIONED,
    ROOM,
    RUNNING,
    SEEN,
    SUBMITTED,
    World,
)
from pipesim.simulation.engine import (
    NEVER,
    Interruptions,
    Provisioning,
    Rules,
    Schedule,
    SimulationInput,
    Tell,
    Waiting,
)
from pipesim.simulation.own_order import OwnOrderError, ask_own_order, is_compiled
from pipesim.simulation.upkeep import NoRetrainingsLeftError, Retrainings, Upkeep

#: How long the loop runs before it comes back to Python, so that an interrupt is served and progress can be told.
_STRETCH_S = 0.05
_FIRST, _LONGEST = 1 << 6, 1 << 16

#: The parts that are compiled each when it is first needed, and rules that need it: what is always there, models with nothing
#: else, and everything.
PARTS = {"plain": Rules(), "lifecycle": Rules(), "rules": Rules(most_attempts=1)}


def run(given: SimulationInput, tell: Tell | None = None) -> Schedule:
    """Simulate from the first submission until nothing is left to happen. The result is that of the reference engine.

    Args:
        given: The scenario and the trace.
        tell: Called every so often with the share of the simulated time that has passed, 0..1.

    Raises:
        RequestError: If a user's own order is not compiled.
        OwnOrderError: If a user's own order raises, or gives no number.
    """
    own = _as_function(given.rules.own)
    make_ready(part_of(given))
    return _run(given, tell, 0 if own is None else own.address)


def part_of(given: SimulationInput) -> str:
    """Return which of `PARTS` a simulation needs."""
    if is_extended(given):
        return "rules"
    return "plain" if given.upkeep is None else "lifecycle"


def _run(given: SimulationInput, tell: Tell | None, own_address: int) -> Schedule:
    world, stretches, stretch = build(given, own_address), 0, _FIRST
    origin = int(given.run_submitted[0])
    span = max(1, min(given.rules.horizon, int(given.run_submitted[given.submissions - 1])) - origin)
    rules = 1 if world.rules[EXTENDED] else None
    upkeep = 1 if world.rules[EXTENDED] or given.upkeep is not None else None
    while True:
        began = time.perf_counter()
        found = loop.simulate(world, stretch, rules, upkeep)
        if found == DONE:
            return _schedule(given, world)
        if found == CALENDAR:
            world, stretches = _read_on(given, world, stretches), stretches + 1
        elif found == ROOM:
            world = _with_room(world)
        elif found == NO_NUMBER:
            _complain(given, world)
        elif found == MORE:
            raise NoRetrainingsLeftError(int(world.n[EXHAUSTED]), int(world.n[NOW]), world.used)
        else:
            took = time.perf_counter() - began
            stretch = min(_LONGEST, max(1, int(stretch * min(4.0, _STRETCH_S / max(took, 1e-6)))))
            if tell:
                tell(min(1.0, (int(world.n[NOW]) - origin) / span))


def _as_function(own: Callable[[Waiting], float] | None) -> Any:
    """Return a user's order as a function of machine code that takes the address of the fields of a `Waiting`."""
    if own is None:
        return None
    if not is_compiled(own):
        raise RequestError(
            "the order is a Python function, which only the engine `reference` can call",
            where="policy.order",
            remedy="simulate with `--engine reference`, or compile the function with numba.njit",
        )

    @cfunc(types.float64(types.CPointer(types.float64)))  # type: ignore[no-untyped-call]
    def order(address: Any) -> float:
        w = carray(address, 11)
        waiting = Waiting(int(w[0]), w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10])
        try:
            return float(own(waiting))
        except Exception:  # noqa: BLE001 - all that Numba can catch; it is asked again, in Python, what was wrong
            return np.nan

    return order


def _complain(given: SimulationInput, world: World) -> None:
    """Ask a user's order in Python what is wrong with an attempt."""
    row, *numbers = world.asked.tolist()
    ask_own_order(given.rules.own, Waiting(int(row), *numbers))
    raise OwnOrderError(int(world.n[ASKED]), "it gave NaN, but a number when it was asked again")


def _read_on(given: SimulationInput, world: World, number: int) -> World:
    """Have the next stretch of the calendar."""
    assert given.calendar is not None
    changes = given.calendar.stretch(number)
    world.n[[SEEN, CHANGES, COVERED]] = 0, len(changes.at), changes.until
    return world._replace(change_at=changes.at, change_what=changes.what, change_place=changes.place, change_size=changes.size)


def _with_room(world: World) -> World:
    """Have twice the room for what is written down."""
    pools, running = len(world.changed), int(world.counts.sum() + world.waiting.sum())
    bigger: dict[str, npt.NDArray[Any]] = {}
    for name in (name for name in World._fields if name.startswith(("note_", "cut_"))):
        old = getattr(world, name)
        used = int(world.n[PROVISIONED if name.startswith("note") else INTERRUPTED])
        bigger[name] = np.zeros((2 * used + pools + running + 64, *old.shape[1:]), old.dtype)
        bigger[name][:used] = old[:used]
    return world._replace(**bigger)


def _schedule(given: SimulationInput, world: World) -> Schedule:
    """Return what has happened."""
    n, attempts = world.n, len(given.attempt_hold)
    if world.rules[EXTENDED]:
        left = bool(n[LEFT])
    else:
        left = bool(n[SUBMITTED] < given.submissions or n[RUNNING] or world.waiting.sum() or n[BEGUN] != ENDED)
    stopped = given.rules.horizon if left and given.rules.horizon < LATER else int(n[LAST])
    cuts = np.lexsort((world.cut_attempt[: n[INTERRUPTED]], world.cut_ended[: n[INTERRUPTED]]))
    no_node = given.nodes is None
    return Schedule(
        queued=world.queued,
        started=world.started,
        ended=world.ended,
        outcome=world.outcome,
        task_state=world.task_state,
        node=np.full(attempts, -1, np.int32) if no_node else world.node,
        nodes=np.zeros(attempts, np.int32) if no_node else world.nodes,
        interruptions=Interruptions(*(getattr(world, f"cut_{field.name}")[cuts] for field in fields(Interruptions))),
        provisioning=_provisioning(given, world),
        stranded=world.stranded + world.strand_amount.astype(np.float64) * (stopped - world.strand_since).astype(np.float64),
        stopped=stopped,
        retrainings=None if given.upkeep is None else _retrainings(given.upkeep, world),
    )


def _retrainings(upkeep: Upkeep, world: World) -> Retrainings:
    """Return what became of the retrainings."""
    submitted = world.run_submitted[upkeep.retrainings]
    submitted[submitted == LATER] = NEVER
    return Retrainings(submitted, world.fired_way, world.replaces, world.postponed)


def _provisioning(given: SimulationInput, world: World) -> Provisioning:
    """Put what was there at the beginning before the notes; of several at an instant the last counts."""
    pools, notes = len(given.capacity), int(world.n[PROVISIONED])
    at = np.concatenate((np.full(pools, given.run_submitted[0], np.int64), world.note_at[:notes]))
    pool = np.concatenate((np.arange(pools, dtype=np.int32), world.note_pool[:notes]))
    amount = np.concatenate((given.capacity, world.note_amount[:notes]))
    order = np.lexsort((np.arange(len(at)), pool, at))
    at, pool, amount = at[order], pool[order], amount[order]
    last = np.append((np.diff(at) != 0) | (np.diff(pool) != 0), True)
    return Provisioning(at[last], pool[last], amount[last])


def is_ready(part: str) -> bool:
    """Whether the machine code of one of `PARTS` is there already, from an earlier run on this machine."""
    return _mark(part).is_file()


@functools.cache
def make_ready(part: str) -> None:
    """Compile one of `PARTS`, or load it where that has been done on this machine, by simulating a task of no time."""
    one, none = np.ones(1, np.int64), np.zeros(1, np.int64)
    given = SimulationInput(
        run_submitted=none,
        run_tasks=np.arange(2),
        task_parents=none.astype(np.int32),
        task_children=np.zeros(2, np.int64),
        children=np.zeros(0, np.int64),
        task_attempts=np.arange(2),
        attempt_class=none.astype(np.int32),
        attempt_hold=none,
        attempt_outcome=none.astype(np.int8),
        attempt_key=none.astype(np.float64),
        class_pool=none.astype(np.int32),
        class_demand=one[:, None],
        capacity=one[:, None],
        rules=PARTS[part],
    )
    if part == "lifecycle":
        given = replace(given, upkeep=no_upkeep(given))
    if is_ready(part):
        _run(given, None, 0)
        return
    lock: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    with contextlib.suppress(OSError):  # where nothing can be kept, it is compiled each time
        _cache().mkdir(parents=True, exist_ok=True)
        if os.access(_cache(), os.W_OK):
            # Several processes that need it at once would all compile it.
            lock = FileLock(_cache() / f"loop.{part}.lock")
    with lock:
        _run(given, None, 0)
        with contextlib.suppress(OSError):
            _mark(part).touch()


def _cache() -> Path:
    return Path(str(loop.simulate.stats.cache_path))  # type: ignore[attr-defined]


def _mark(part: str) -> Path:
    return _cache() / f"loop.{part}.{_version()}.ready"


@functools.cache
def _version() -> str:
    """Return the hash of the sources of the engine."""
    return content_hash(*(file.read_text(encoding="utf-8") for file in sorted(Path(__file__).parent.glob("*.py"))))


def _forget_old_code() -> None:
    """Numba compiles a function anew when its file has changed, but not when that of a function it calls has."""
    if any(_mark(part).is_file() for part in PARTS):
        return
    for file in _cache().glob("loop.*"):
        if file.suffix in (".nbi", ".nbc", ".ready"):
            with contextlib.suppress(OSError):  # another process was quicker, or it is not ours to remove
                file.unlink()


_forget_old_code()

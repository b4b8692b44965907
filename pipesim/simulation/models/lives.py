"""The lives of versions: from when until when each was live, and exactly how it performed meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from pipesim.lifecycle.decay import DAY_US
from pipesim.simulation.calendar import LATER
from pipesim.simulation.engine import NEVER, PASSES, Schedule, SimulationInput
from pipesim.simulation.upkeep import AT_BEGINNING, DEPLOYS, TRAINS, Float64, Int64, Upkeep

Mask = npt.NDArray[np.bool_]

#: A season is taken for so many straight pieces; its mean is then off by less than a thousandth of its swing.
_PIECES = 48
#: So many pieces at a time, some 100 bytes each, or those of one life.
_MOST_PIECES = 1_000_000


@dataclass(frozen=True)
class Lives:
    """L lives, by model, then by time. A version that is deployed twice has two.

    Args:
        model: [L] The model.
        run: [L] The run that trained the version, or `AT_BEGINNING`.
        begin: [L] When it went live.
        end: [L] When another version took its place, or the end of time.
        retired: [L] Whether another version took its place.
        performance: [L] As it went live.
    """

    model: Int64
    run: Int64
    begin: Int64
    end: Int64
    retired: Mask
    performance: Float64

    def part(self, first: int, last: int) -> Lives:
        """Return the lives from one number to before another."""
        return Lives(*(getattr(self, field.name)[first:last] for field in fields(self)))


@dataclass(frozen=True)
class Measures:
    """How versions did in the time that counts, [L] each.

    Args:
        live_s: Seconds of it in which they were live.
        area: The integral of performance over these.
        below_s: Seconds of them below an objective.
    """

    live_s: Float64
    area: Float64
    below_s: Float64


def ends_of_tasks(given: SimulationInput, schedule: Schedule) -> Int64:
    """Return when each task that succeeded did, [T]; `NEVER` for the others."""
    ended = np.maximum.reduceat(schedule.ended, given.task_attempts[:-1]) if len(schedule.ended) else np.zeros(0, np.int64)
    return np.where(np.isin(schedule.task_state, PASSES), ended, NEVER)


def trained_at(given: SimulationInput, schedule: Schedule) -> Int64:
    """Return when each run had first trained its version, [R]; `NEVER` where it did not."""
    upkeep = given.upkeep
    assert upkeep is not None
    ends = ends_of_tasks(given, schedule)
    of_run = np.repeat(np.arange(len(given.run_submitted)), np.diff(given.run_tasks))
    trains = ((upkeep.task_role & TRAINS) > 0) & (ends != NEVER)
    found = np.full(len(given.run_submitted), LATER, np.int64)
    np.minimum.at(found, of_run[trains], ends[trains])
    return np.where(found < LATER, found, NEVER)


def lives_of(given: SimulationInput, schedule: Schedule) -> Lives:
    """Return the lives of the versions of a schedule, which is that of runs that took place.

    A version goes live whenever its run deploys it, or first trains it, and has done both.
    """
    upkeep = given.upkeep
    assert upkeep is not None
    of_run = np.repeat(np.arange(len(given.run_submitted)), np.diff(given.run_tasks))
    ends = ends_of_tasks(given, schedule)
    trained = trained_at(given, schedule)[of_run]
    goes_live = np.maximum(ends, trained)
    deploys = np.flatnonzero(((upkeep.task_role & DEPLOYS) > 0) & (ends != NEVER) & (trained != NEVER))
    deploys = deploys[goes_live[deploys] <= upkeep.end]
    there = np.flatnonzero(~np.isnan(upkeep.beginning))
    model = np.concatenate([there, upkeep.run_model[of_run[deploys]]]).astype(np.int64)
    run = np.concatenate([np.full(len(there), AT_BEGINNING), of_run[deploys]]).astype(np.int64)
    begin = np.concatenate([np.full(len(there), given.run_submitted[0]), goes_live[deploys]]).astype(np.int64)
    order = np.lexsort((run, begin, model))
    model, run, begin = model[order], run[order], begin[order]
    # Of several at one instant the last run counts.
    last = np.append((model[1:] != model[:-1]) | (begin[1:] != begin[:-1]), True) if len(model) else np.zeros(0, np.bool_)
    model, run, begin = model[last], run[last], begin[last]
    retired = np.append(model[1:] == model[:-1], False) if len(model) else np.zeros(0, np.bool_)
    end = np.where(retired, np.append(begin[1:], upkeep.end), max(upkeep.end, int(given.run_submitted[0])))
    performance = np.where(run == AT_BEGINNING, upkeep.beginning[model], upkeep.performance[run])
    return Lives(model, run, begin, end, retired, performance)


def performance_at(lives: Lives, upkeep: Upkeep, life: Int64, instant: Int64, struck: Int64 | None = None) -> Float64:
    """Return the performance of lives at instants, [n], within 0..1.

    Args:
        lives: All lives.
        upkeep: How models decay.
        life: [n] The life.
        instant: [n] The instant, at which a shock has already struck.
        struck: [n] How many shocks have struck by then, where that is known.
    """
    return np.clip(_unbounded(lives, upkeep, life, instant, struck), 0.0, 1.0)


def _unbounded(lives: Lives, upkeep: Upkeep, life: Int64, instant: Int64, struck: Int64 | None) -> Float64:
    model = lives.model[life]
    elapsed = instant - lives.begin[life]
    if struck is None:
        struck = _struck(upkeep, model, instant) - _struck(upkeep, model, lives.begin[life])
    loss = upkeep.gradual[model] * (elapsed / DAY_US) + upkeep.jump[model] * struck
    season = upkeep.season[model]
    turn = (elapsed % season) / season
    loss = loss + upkeep.swing[model] * (0.5 - 0.5 * np.cos(2 * np.pi * turn))
    return np.asarray(lives.performance[life] - loss)


def _struck(upkeep: Upkeep, model: Int64, instant: Int64) -> Int64:
    """Return how many shocks there are of all models before each one, and of that one up to an instant."""
    owner = np.repeat(np.arange(upkeep.models), np.diff(upkeep.first_shock))
    asks = np.repeat([False, True], [len(owner), len(model)])
    at = np.concatenate([upkeep.shocks, instant])
    order = np.lexsort((asks, at, np.concatenate([owner, model])))
    found = np.empty(len(at), np.int64)
    found[order] = np.cumsum(~asks[order])
    return found[len(owner) :]


def measure(lives: Lives, upkeep: Upkeep, since: int, objective: float | None) -> Measures:
    """Return how versions did from an instant on, exactly but for seasons (see `_PIECES`).

    Performance is piecewise linear between shocks, so its integral and the time below an objective are sums. Lives are gone
    through in batches, as seasons make many pieces of them.
    """
    cuts = (lives.end - lives.begin) // np.maximum(upkeep.season[lives.model] // _PIECES, 1)
    pieces = np.cumsum(1 + np.where(upkeep.swing[lives.model] > 0, cuts, 0))
    first = 0
    found: list[Measures] = []
    while first < len(pieces) or not found:
        before = pieces[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(pieces, before + _MOST_PIECES, side="right")))
        found.append(_measure(lives.part(first, last), upkeep, since, objective))
        first = last
    return Measures(*(np.concatenate([getattr(part, field.name) for part in found]) for field in fields(Measures)))


def _measure(lives: Lives, upkeep: Upkeep, since: int, objective: float | None) -> Measures:
    begin, end = np.maximum(lives.begin, since), np.maximum(lives.end, since)
    begin = np.minimum(begin, end)
    life, start = _pieces(lives, upkeep, begin, end)
    stop = np.where(np.append(life[1:] == life[:-1], False) if len(life) else False, np.append(start[1:], 0), end[life])
    model = lives.model[life]
    struck = _struck(upkeep, model, start) - _struck(upkeep, model, lives.begin[life])
    first = _unbounded(lives, upkeep, life, start, struck)
    last = _unbounded(lives, upkeep, life, stop, struck)  # just before a shock at that instant
    seconds = (stop - start) / 1e6
    count = len(lives.model)
    under = np.zeros(len(life)) if objective is None else _part_below(first, last, objective)

    def a_life(values: Float64) -> Float64:
        return np.bincount(life, weights=seconds * values, minlength=count).astype(np.float64)

    return Measures(a_life(np.ones(len(life))), a_life(_mean_above_zero(first, last)), a_life(under))


def _pieces(lives: Lives, upkeep: Upkeep, begin: Int64, end: Int64) -> tuple[Int64, Int64]:
    """Cut each life where a shock strikes and, if it has seasons, often enough; returns the lives and begins of the pieces."""
    every = np.arange(len(begin))
    after, until = _struck(upkeep, lives.model, begin), _struck(upkeep, lives.model, end)
    many = until - after
    shock = np.repeat(after - np.cumsum(many) + many, many) + np.arange(many.sum())
    step = np.maximum(upkeep.season[lives.model] // _PIECES, 1)
    # Pieces lie on multiples of a step from the beginning of the life.
    first = (begin - lives.begin) // step + 1
    cuts = np.where(upkeep.swing[lives.model] > 0, np.maximum((end - lives.begin - 1) // step - first + 1, 0), 0)
    multiple = np.repeat(first - np.cumsum(cuts) + cuts, cuts) + np.arange(cuts.sum())
    of_cut = np.repeat(every, cuts)
    life = np.concatenate([every, np.repeat(every, many), of_cut])
    start = np.concatenate([begin, upkeep.shocks[shock], lives.begin[of_cut] + multiple * step[of_cut]])
    order = np.lexsort((start, life))
    return life[order], start[order]


def _mean_above_zero(first: Float64, last: Float64) -> Float64:
    """Return the mean of a line from one value to another where what is below 0 counts as 0."""
    high, low = np.maximum(first, last), np.minimum(first, last)
    rise = np.where(high > low, high - low, 1.0)
    crossing = np.maximum(high, 0.0) ** 2 / (2 * rise)
    return np.where(low >= 0, (first + last) / 2, np.where(high <= 0, 0.0, crossing))


def _part_below(first: Float64, last: Float64, objective: float) -> Float64:
    """Return the part of a line from one value to another that lies below an objective."""
    high, low = np.maximum(first, last), np.minimum(first, last)
    rise = np.where(high > low, high - low, 1.0)
    return np.where(low >= objective, 0.0, np.where(high < objective, 1.0, (objective - low) / rise))


def looks(lives: Lives, phase: int, grid: int, most: int) -> tuple[Int64, Int64, Int64, int]:
    """Return the looks of the monitor at live versions: the life, the instant and the number of each, from 0 at deployment on.

    Args:
        lives: All lives.
        phase: An instant of a look.
        grid: From one look to the next.
        most: If there are more looks than this, only every n-th is returned.

    Returns:
        These, and n.
    """
    first = (lives.begin - phase) // grid + 1
    many = np.maximum(-((phase - lives.end) // grid) - first, 0)
    every = max(1, -(-int(many.sum()) // most))
    kept = many // every
    life = np.repeat(np.arange(len(many)), kept)
    number = (np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept) + 1) * every
    instant = phase + (first[life] + number - 1) * grid
    life = np.concatenate([np.arange(len(many)), life])
    instant, number = np.concatenate([lives.begin, instant]), np.concatenate([np.zeros(len(many), np.int64), number])
    order = np.lexsort((instant, life))
    return life[order], instant[order], number[order], every

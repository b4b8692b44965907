"""The models of the compiled engine: which versions are live, when their triggers fire (see `reference.upkeep`).

When each model is next to be trained again stands in the leaves of a tree, of which each node has the lesser of the two below
it: the root is what comes first, and a change costs the height of the tree.
"""

from __future__ import annotations

import numpy as np

from pipesim.lifecycle import decay
from pipesim.simulation.calendar import LATER, MONDAY
from pipesim.simulation.compiled.jit import inner
from pipesim.simulation.compiled.world import CLOSES, COOLDOWN, END, EXHAUSTED, LAST, NOW, OPENS, RELATIVE, SUBMISSIONS, World
from pipesim.simulation.engine import CODE, GAIN, NEVER
from pipesim.simulation.upkeep import DEPLOYS, NO_VERSION, TRAINS

_PENDING = CODE["PENDING"]
_DAY = int(decay.DAY_US)

_shocks_until = inner(decay.shocks_until)
_lost = inner(decay.lost)
_falls_below = inner(decay.falls_below)
_on_grid = inner(decay.on_grid)
_gathered = inner(decay.gathered)
_opens = inner(decay.opens)


@inner
def settled(w: World, task: int, run: int, passed: bool) -> None:
    """A task is over: that may train a version, make it live, or end a retraining."""
    now = w.n[NOW]
    if passed and w.task_role[task]:
        model, deploys = w.run_model[run], (w.task_role[task] & DEPLOYS) > 0
        first_trained = (w.task_role[task] & TRAINS) > 0 and w.trained[run] == NEVER
        if first_trained:
            w.trained[run] = now
        if deploys:
            w.deployed[run] = now
        is_live = (deploys or first_trained) and w.trained[run] != NEVER and w.deployed[run] != NEVER
        # Of two at one instant the later run counts.
        if is_live and not (w.live_since[model] == now and w.live[model] > run):
            w.live[model], w.live_since[model], w.live_trained[model] = run, now, w.trained[run]
            w.live_performance[model], w.wanted[model] = w.performance[run], LATER
            look_ahead(w, model, now)
    if run >= w.upkeep[SUBMISSIONS]:
        for other in range(w.run_tasks[run], w.run_tasks[run + 1]):
            if w.task_state[other] == _PENDING:
                return
        model = w.run_model[run]
        w.under_way[model] = -1
        look_ahead(w, model, now)


@inner
def look_ahead(w: World, model: int, earliest: int) -> None:
    """See when the model is next to be trained again, if nothing else happens to it."""
    end, found, found_way = w.upkeep[END], LATER, -1
    some = w.first_retraining[model] < w.first_retraining[model + 1]
    if some and w.under_way[model] < 0 and w.live[model] != NO_VERSION:
        earliest = max(earliest, w.ready_at[model])
        for way in range(len(w.way_grid)):
            first = max(earliest, w.live_trained[model] + w.way_age[way])
            if w.way_volume[way] > 0.0:
                per_day, growth = w.data_per_day[model], w.data_growth[0]
                first = max(first, _gathered(w.live_trained[model], w.run_submitted[0], w.way_volume[way], per_day, growth))
            if first > end:
                continue
            if w.way_drifts[way]:
                look = _seen_below(w, model, way, first)
            else:
                look = _on_grid(first, w.way_phase[way], w.way_grid[way])
            if look < found and look <= end:
                found, found_way = look, way
    w.due_way[model] = found_way
    _be_due(w, model, found)


@inner
def _be_due(w: World, model: int, instant: int) -> None:
    """Let the model be due at an instant, or as soon as the hours of the day allow it, if that is before the end."""
    if w.upkeep[OPENS] >= 0 and instant < LATER:
        instant = _opens(instant, MONDAY, _DAY, w.upkeep[OPENS], w.upkeep[CLOSES])
    _set_due(w, model, instant if instant <= w.upkeep[END] else LATER)


@inner
def _seen_below(w: World, model: int, way: int, earliest: int) -> int:
    """The first look at which performance is seen to be too low.

    It is `decay.first_seen_below`, written out as that calls others, which machine code would not find.
    """
    margin = max(w.live_performance[model] - w.way_below[way], w.way_drop[way])
    if margin >= w.live_performance[model]:
        return LATER  # as nothing is below 0
    since, last, end = w.live_since[model], w.first_shock[model + 1], w.upkeep[END]
    first = _shocks_until(w.shocks, w.first_shock[model], last, since)
    gradual, jump, swing, season = w.gradual[model], w.jump[model], w.swing[model], w.season[model]
    surely = _falls_below(since, margin, gradual, jump, w.shocks, first, last)
    sooner = surely
    if swing > 0.0:
        sooner = min(surely, _falls_below(since, margin - swing, gradual, jump, w.shocks, first, last))
    if sooner > end:
        return LATER
    look = _on_grid(max(earliest, sooner), w.way_phase[way], w.way_grid[way])
    while look <= end:
        if look >= surely:
            return look
        struck = _shocks_until(w.shocks, first, last, look) - first
        if _lost(look - since, struck, gradual, jump, swing, season) > margin:
            return look
        look += w.way_grid[way]
    return LATER


@inner
def _set_due(w: World, model: int, instant: int) -> None:
    place = len(w.due_at) // 2 + model
    w.due_at[place] = instant
    while place > 1:
        place //= 2
        w.due_at[place] = min(w.due_at[2 * place], w.due_at[2 * place + 1])


@inner
def _first_due(w: World) -> int:
    """The model at the root of the tree, the first of several."""
    place, leaves = 1, len(w.due_at) // 2
    while place < leaves:
        place *= 2
        if w.due_at[place] != w.due_at[place // 2]:
            place += 1
    return place - leaves


@inner
def fire(w: World) -> int:
    """Submit the retrainings whose triggers fire now.

    Returns how many attempts are in `due` then, or -1 if a model has none left. Models that waited longest for their budget
    come first, then those with the least number.
    """
    now, size, ready = w.n[NOW], 0, 0
    while w.due_at[1] <= now:
        model = _first_due(w)
        _set_due(w, model, LATER)
        place = size
        while place > 0 and w.wanted[w.due_models[place - 1]] > w.wanted[model]:
            w.due_models[place] = w.due_models[place - 1]
            place -= 1
        w.due_models[place] = model
        size += 1
    for i in range(size):
        model = w.due_models[i]
        place = w.first_retraining[model] + w.used[model]
        if place == w.first_retraining[model + 1]:
            w.n[EXHAUSTED] = model
            return -1
        if not _may_spend(w, model, w.charge[place]):
            continue
        run = w.retrainings[place]
        w.used[model] += 1
        w.under_way[model], w.wanted[model] = run, LATER
        w.ready_at[model] = max(now + w.upkeep[COOLDOWN], now + 1)
        w.fired_way[place], w.replaces[place] = w.due_way[model], w.live[model]
        w.n[LAST] = w.run_submitted[run] = now
        for task in range(w.run_tasks[run], w.run_tasks[run + 1]):
            if w.upkeep[RELATIVE]:
                for attempt in range(w.task_attempts[task], w.task_attempts[task + 1]):
                    w.key[attempt] += float(now)
            if w.missing_parents[task] == 0:
                w.due[ready] = w.task_attempts[task]
                ready += 1
    return ready


@inner
def _may_spend(w: World, model: int, charge: int) -> bool:
    """Take a retraining out of the model's budget, or put it off until the next period."""
    budget, now = w.budget[model], w.n[NOW]
    if budget < 0:
        return True
    period, runs, hours = w.budget_period[budget], w.budget_runs[budget], w.budget_hours[budget]
    number = (now - MONDAY) // period
    if w.spent_period[budget] != number:
        w.spent_period[budget], w.spent_runs[budget], w.spent_hours[budget] = number, 0, 0
    if w.spent_runs[budget] < runs and charge <= hours - w.spent_hours[budget]:
        w.spent_runs[budget] += 1
        w.spent_hours[budget] += charge
        return True
    w.postponed[model] += 1
    w.wanted[model] = min(w.wanted[model], now)
    ever = runs > 0 and charge <= hours
    _be_due(w, model, MONDAY + (number + 1) * period if ever else LATER)
    return False


@inner
def model_key(w: World, run: int, order: int) -> float:
    """The order key of a run: what its model would gain, or the age of its live version, the most first."""
    model, now = w.run_model[run], w.n[NOW]
    if model < 0:
        return 0.0
    if w.live[model] == NO_VERSION:
        return -np.inf
    if order != GAIN:
        return float(w.live_trained[model] - w.upkeep[END])
    since, first, last = w.live_since[model], w.first_shock[model], w.first_shock[model + 1]
    struck = _shocks_until(w.shocks, first, last, now) - _shocks_until(w.shocks, first, last, since)
    loss = _lost(now - since, struck, w.gradual[model], w.jump[model], w.swing[model], w.season[model])
    return max(0.0, w.live_performance[model] - loss) - w.aim[model]

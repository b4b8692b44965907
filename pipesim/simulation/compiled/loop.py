"""The event loop of the compiled engine.

Nothing is allocated inside the loop. Attempts that run lie in one 4-ary heap by the instant at which they end; submissions are
a cursor over the sorted runs. Attempts that wait lie in one heap a line: a line is a demand class under backfill, where a pass
compares the heads of the lines that fit, and a whole pool without, where only its head counts. As each attempt belongs to one
line, all lines share arrays of the length of the attempts.

The loop comes back to Python every so often, so that an interrupt is served and progress can be told.
"""

from __future__ import annotations

from pipesim.simulation.calendar import LATER
from pipesim.simulation.compiled.box import boxed
from pipesim.simulation.compiled.happenings import (
    HAPPENING,
    PASSING,
    end_instant,
    happen,
    has_room,
    next_happening,
    pass_over_pools,
)
from pipesim.simulation.compiled.heaps import pop_end, push, push_end, remove, sooner
from pipesim.simulation.compiled.jit import entry, inner
from pipesim.simulation.compiled.turns import (
    backoff,
    drop_stale,
    hold_more,
    joined,
    queue,
    release,
    skip_below,
    sleep,
    stand_in_line,
    without,
)
from pipesim.simulation.compiled.upkeep import fire, look_ahead, settled
from pipesim.simulation.compiled.world import (
    AGAIN,
    ALIVE,
    BEGUN,
    CALENDAR,
    COUNTS_HELD,
    COVERED,
    DONE,
    END,
    ENDED,
    FAIL,
    FRESH,
    GIVES_MORE,
    HAS_UPKEEP,
    HORIZON,
    LAST,
    LEFT,
    LISTS_RUNNING,
    MORE,
    MOST_ATTEMPTS,
    NOW,
    OPEN,
    ORDER,
    PASS,
    PLAIN_PASS,
    QUEUES_AT_ONCE,
    RESUME,
    ROOM,
    RUNNING,
    SUBMISSIONS,
    SUBMITTED,
    World,
)
from pipesim.simulation.engine import NEVER, NEWEST, Int64


@entry
def simulate(world: World, stretch: int, rules: int | None, upkeep: int | None) -> int:
    """Let so many instants pass; returns why it came back.

    It is one function, as everything that happens often is then in local variables, which makes it twice as fast as looking
    into the struct each time; whatever only some scenarios need is elsewhere, behind `rules is not None`.

    Args:
        world: All arrays.
        stretch: How many instants.
        rules: None: the code of all but plain rules (static orders, greedy or no backfill, no interruptions) is left out, as it
            takes long to compile and costs time.
        upkeep: None: the code of models is left out, which is there wherever that of all rules is.
    """
    w = boxed(world, rules, upkeep)
    n, lists_running, at_once, plain_pass = w.n, w.rules[LISTS_RUNNING], w.rules[QUEUES_AT_ONCE], w.rules[PLAIN_PASS]
    gives_more, counts_held = w.rules[GIVES_MORE], w.rules[COUNTS_HELD]
    run_submitted, run_tasks, task_attempts, attempt_task = w.run_submitted, w.run_tasks, w.task_attempts, w.attempt_task
    task_children, children, missing_parents, task_state = w.task_children, w.children, w.missing_parents, w.task_state
    attempt_class, hold, outcome, meaning, key = w.attempt_class, w.hold, w.outcome, w.meaning, w.key
    class_pool, class_demand, class_line, line_start = w.class_pool, w.class_demand, w.class_line, w.line_start
    pool_lines, free, changed, active, lively, able = w.pool_lines, w.free, w.changed, w.active, w.lively, w.able
    queued, started, ended, ends, runs = w.queued, w.started, w.ended, w.ends, w.runs
    keys, since, who, waiting, due, below = w.keys, w.since, w.who, w.waiting, w.due, w.below
    failures, most_attempts, horizon = w.failures, w.rules[MOST_ATTEMPTS], w.rules[HORIZON]
    submissions, dimensions, newest_first = w.upkeep[SUBMISSIONS], free.shape[1], w.rules[ORDER] == NEWEST
    has_upkeep, attempt_run, due_at, end = w.rules[HAS_UPKEEP], w.attempt_run, w.due_at, w.upkeep[END]
    submitted, running, now, found = n[SUBMITTED], n[RUNNING], n[NOW], AGAIN
    if upkeep is not None and not n[BEGUN]:
        n[BEGUN] = ALIVE
        for model in range(len(w.aim)):
            look_ahead(w, model, now)
    for _ in range(stretch):
        resumed, happens = 0, LATER
        if rules is not None:
            n[SUBMITTED], n[RUNNING] = submitted, running
            if not has_room(w):
                found = ROOM
                break
            resumed, n[RESUME] = n[RESUME], 0
            if not resumed:
                if not n[LEFT] and due_at[1] == LATER:
                    found = DONE
                    break
                drop_stale(w)
                running = n[RUNNING]
                happens = next_happening(w)
        if not resumed:
            then = ends[0] if running else LATER
            if submitted < submissions:
                then = min(then, run_submitted[submitted])
            if upkeep is not None:
                then = min(then, due_at[1])
                if n[BEGUN] == ALIVE:
                    then = min(then, max(now, end))
            if rules is not None:
                then = min(then, happens)
                if min(then, horizon) > n[COVERED]:
                    found = CALENDAR
                    break
            if then > horizon or then == LATER:
                found = DONE
                break
            n[NOW] = now = then
        # Completions first, then submissions and all else; what holds nothing ends as it is queued and is a completion again.
        while resumed != PASSING:
            ready, wait, over = 0, 0, 1
            if running and ends[0] == now:
                attempt = runs[0]
                pop_end(ends, runs, running)
                running -= 1
                if rules is not None and lists_running:
                    if w.until[attempt] != now:
                        continue  # it was interrupted
                    w.until[attempt] = NEVER
                n[LAST] = now
                demand, means = attempt_class[attempt], meaning[attempt]
                if demand >= 0:
                    pool = class_pool[demand]
                    if rules is not None and gives_more:
                        release(w, attempt, demand)
                    else:
                        for dimension in range(dimensions):
                            free[pool, dimension] += class_demand[demand, dimension]
                        changed[pool] = True
                    ended[attempt] = now
                elif means != OPEN:
                    queued[attempt] = now
                    ended[attempt] = now
                task = attempt_task[attempt]
                is_last = attempt + 1 == task_attempts[task + 1]
                if rules is not None and means == FAIL:
                    failures[task] += 1
                    is_last = is_last or failures[task] == most_attempts
                    wait = backoff(w, task)
                if not is_last:
                    due[0] = attempt + 1
                    ready = 1
                else:
                    task_state[task] = outcome[attempt]
                    if means == PASS:
                        for place in range(task_children[task], task_children[task + 1]):
                            child = children[place]
                            missing_parents[child] -= 1
                            if missing_parents[child] == 0:
                                due[ready] = task_attempts[child]
                                ready += 1
                    elif means == FAIL:
                        skip_below(task, task_children, children, task_state, below)
                    if upkeep is not None and has_upkeep:
                        settled(w, task, attempt_run[attempt], means == PASS)
            elif submitted < submissions and run_submitted[submitted] == now:
                for task in range(run_tasks[submitted], run_tasks[submitted + 1]):
                    if missing_parents[task] == 0:
                        due[ready] = task_attempts[task]
                        ready += 1
                submitted += 1
                n[LAST] = now
            else:
                if rules is not None:
                    n[RUNNING] = running
                    more = happen(w)
                    running = n[RUNNING]
                    if more:
                        continue
                if upkeep is not None and n[BEGUN] == ALIVE and end <= now:
                    n[BEGUN] = ENDED
                    n[LAST] = now
                    n[LEFT] -= 1
                    continue
                if upkeep is None or due_at[1] > now:
                    break
                ready, over = fire(w), 0
                if ready < 0:
                    found = MORE
                    break
            if rules is not None:
                n[LEFT] += ready - over
            for place in range(ready):
                attempt = due[place]
                if rules is not None and wait:
                    sleep(w, attempt, wait)
                    continue
                demand = attempt_class[attempt]
                if demand < 0:
                    if rules is not None and lists_running:
                        w.until[attempt] = now
                    push_end(ends, runs, running, now, attempt)
                    running += 1
                    continue
                if (rules is not None or upkeep is not None) and not at_once:
                    queue(w, attempt)
                    continue
                queued[attempt] = now
                line, pool = class_line[demand], class_pool[demand]
                if waiting[line] == 0:
                    active[pool_lines[pool] + lively[pool]] = line
                    lively[pool] += 1
                first_by = -float(now) if newest_first else key[attempt]
                push(keys, since, who, line_start[line], waiting[line], first_by, now, attempt)
                waiting[line] += 1
                changed[pool] = True
                if rules is not None:
                    joined(w, attempt, demand)
        if found == MORE:
            break
        if rules is None and upkeep is not None:
            for place in range(n[FRESH]):
                stand_in_line(w, w.fresh[place])
            n[FRESH] = 0
        if rules is not None:
            n[RUNNING] = running
            if not plain_pass or n[FRESH]:
                why = pass_over_pools(w, resumed, plain_pass)
                running = n[RUNNING]
                if why != AGAIN:
                    n[RESUME] = PASSING if why == ROOM else HAPPENING
                    found = why
                    break
        for pool in range(len(changed)):
            if not changed[pool] or (rules is not None and not plain_pass):
                continue
            changed[pool] = False
            # Start what may start, in order; a line whose head does not fit is done with until the next pass.
            first, candidates = pool_lines[pool], 0
            for place in range(first, first + lively[pool]):
                line = active[place]
                if _fits(class_demand, attempt_class[who[line_start[line]]], free, pool):
                    able[candidates] = line
                    candidates += 1
            while candidates:
                best = 0
                for place in range(1, candidates):
                    if sooner(keys, since, who, line_start[able[place]], line_start[able[best]]):
                        best = place
                line = able[best]
                attempt = who[line_start[line]]
                demand = attempt_class[attempt]
                if not _fits(class_demand, demand, free, pool):  # any more, now that others have started
                    candidates -= 1
                    able[best] = able[candidates]
                    continue
                for dimension in range(dimensions):
                    free[pool, dimension] -= class_demand[demand, dimension]
                started[attempt] = now
                push_end(ends, runs, running, now + hold[attempt], attempt)
                running += 1
                remove(keys, since, who, line_start[line], waiting[line], line_start[line])
                waiting[line] -= 1
                if waiting[line] == 0:
                    candidates -= 1
                    able[best] = able[candidates]
                    lively[pool] = without(active, first, lively[pool], line)
                if rules is not None and counts_held:
                    hold_more(w, demand)
        if rules is not None:
            n[RUNNING] = running
            n[RESUME] = end_instant(w)
            running = n[RUNNING]
    n[SUBMITTED], n[RUNNING] = submitted, running
    return found


@inner
def _fits(class_demand: Int64, demand: int, free: Int64, pool: int) -> bool:
    for dimension in range(free.shape[1]):
        # While a pool shrinks, less than nothing is free.
        if class_demand[demand, dimension] > max(free[pool, dimension], 0):
            return False
    return True

"""The rules of service of a policy, as the engines read them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from pipesim.simulation.engine import CONSERVATIVE, EASY, GREEDY, NONE, Int64, Rules, Waiting
from pipesim.simulation.own_order import load_own_order
from pipesim.simulation.policies import ORDERS, looks_at
from pipesim.simulation.scenario import Policy, Scenario
from pipesim.simulation.scenario.lifecycle import Data
from pipesim.simulation.scenario.policy import Retries, own_policy

BACKFILLS = {"none": NONE, "greedy": GREEDY, "easy": EASY, "conservative": CONSERVATIVE}

#: How many different waits there are at most; the last holds for all further failures.
_MOST_WAITS = 64


def rules_of(policy: Policy, horizon: int, rows: pl.DataFrame) -> Rules:
    """Return the rules of a policy.

    Args:
        policy: The policy.
        horizon: The last instant that is simulated.
        rows: [A rows] What a user's own order is made with.

    Raises:
        RequestError: If a user's own order cannot be had.
    """
    return Rules(
        backfill=BACKFILLS[policy.backfill],
        order=looks_at(policy.order),
        own=_own_order(policy.order, rows),
        preempts=policy.preemption,
        # 0 would mean that nothing is kept.
        checkpoint=0 if policy.checkpoint_s is None else max(1, round(policy.checkpoint_s * 1e6)),
        restart=round(policy.restart_s * 1e6),
        most_attempts=policy.retries.limit or 0,
        backoff=_backoff(policy.retries),
        horizon=horizon,
        depth=policy.depth,
    )


def without_effect(scenario: Scenario) -> list[str]:
    """Return the keys of a scenario that say something at which none of its rules looks."""
    policy = scenario.policy
    interrupts = policy.preemption or any(pool.failures for pool in scenario.platform.pools)
    estimated = policy.order not in ORDERS or policy.order in ("sjf", "ljf") or isinstance(policy.deadline_s, str)
    unused = {
        "policy.tenants.weight": policy.order != "fair-share" and any(tenant.weight != 1 for tenant in policy.tenants),
        "policy.checkpoint_s": not interrupts and policy.checkpoint_s is not None,
        "policy.restart_s": not interrupts and policy.restart_s > 0,
        "policy.estimates": not estimated
        and policy.backfill not in ("easy", "conservative")
        and policy.estimates.kind != "oracle",
    }
    return [*(key for key, nothing_looks in unused.items() if nothing_looks), *_of_lifecycle(scenario)]


def _of_lifecycle(scenario: Scenario) -> list[str]:
    """Return the keys of a lifecycle that say something at which nothing looks."""
    lifecycle, policy = scenario.lifecycle, scenario.policy
    if lifecycle is None:
        return []
    ways = [] if lifecycle.trigger is None else lifecycle.trigger.ways()
    never, given = not ways, lifecycle.model_fields_set
    by_priority = policy.preemption or policy.order == "priority" or policy.order not in ORDERS
    unused = dict.fromkeys(("cooldown_h", "hours", "budgets"), never)
    unused["priority"] = never or not (by_priority or lifecycle.priority == 0)
    unused["data"] = not any(isinstance(part, Data) for way in ways for part in way)
    return [f"lifecycle.{name}" for name, nothing_looks in unused.items() if nothing_looks and name in given]


def _own_order(order: str, rows: pl.DataFrame) -> Callable[[Waiting], float] | None:
    named = own_policy(order)
    return None if named is None else load_own_order(*named, rows)


def _backoff(retries: Retries) -> Int64:
    """Return the waits after the first, second, ... failure, without those that repeat the one before in the end."""
    waits = [round(min(retries.longest_s, retries.backoff_s * retries.factor**n) * 1e6) for n in range(_MOST_WAITS)]
    while len(waits) > 1 and waits[-1] == waits[-2]:
        waits.pop()
    return np.array(waits, np.int64)

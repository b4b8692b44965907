"""The autoscalers of the reference engine."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pipesim.simulation.engine import SimulationInput
from pipesim.simulation.reference.pools import Pool


@dataclass
class Autoscaler:
    """Keeps what a pool holds and is waited for in it at a target share of its size."""

    pool: Pool
    least: int
    most: int
    step: int
    target: float
    cooldown: int
    delay: int
    ready: int  # the size that is there,
    orders: list[tuple[int, int]] = field(default_factory=list)  # and what is on its way: when it comes, how much
    cool_until: int = 0

    def wanted(self) -> int:
        """The size that there should be."""
        pool = self.pool
        held = [sum(held.ask.amounts[d] for held in pool.running.values()) for d in range(len(pool.declared))]
        need = max((h + w) / c for h, w, c in zip(held, pool.waiting, pool.declared, strict=True) if c)
        # The small number forgives what the division leaves over.
        steps = math.ceil((need * pool.declared_size / self.target - self.least) / self.step - 1e-9)
        size = self.least + max(0, steps) * self.step
        if any(pool.waiting) and not any(held):
            # What would be enough in all may still not do, as a task may need several nodes.
            size = max(size, self.ready + self.step)
        return min(self.most, size)

    def decide(self, now: int) -> bool:
        """Ask for capacity or let go of some; returns whether anything changes."""
        more = self.wanted() - self.ready - sum(amount for _, amount in self.orders)
        if not more:
            return False
        self.cool_until = now + self.cooldown
        if more > 0:
            self.orders.append((now + self.delay, more))
            return True
        # What is on its way is called off first, the latest first of all.
        while more and self.orders:
            at, amount = self.orders.pop()
            if amount + more > 0:
                self.orders.append((at, amount + more))
            more = min(0, amount + more)
        self.ready += more
        self.pool.resize(self.ready)
        return True

    def receive(self, now: int) -> None:
        """Take what has arrived."""
        self.ready += sum(amount for at, amount in self.orders if at <= now)
        self.orders = [order for order in self.orders if order[0] > now]
        self.pool.resize(self.ready)


def scalers_of(given: SimulationInput, pools: list[Pool]) -> list[Autoscaler]:
    """Return the autoscalers of those pools that have one."""
    if given.scaling is None:
        return []
    s = given.scaling
    return [
        Autoscaler(
            pool=pool,
            least=int(s.least[p]),
            most=int(s.most[p]),
            step=int(s.step[p]),
            target=float(s.target[p]),
            cooldown=int(s.cooldown[p]),
            delay=int(s.delay[p]),
            ready=pool.declared_size,
        )
        for p, pool in enumerate(pools)
        if s.most[p]
    ]

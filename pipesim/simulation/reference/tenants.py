"""What the tenants hold, as the reference engine counts it."""

from __future__ import annotations

from pipesim.simulation.calendar import LATER
from pipesim.simulation.engine import SimulationInput
from pipesim.simulation.reference.pools import Ask


class TenantUse:
    """What each tenant holds of each dimension on the whole platform, and its dominant share.

    The dominant share is the largest part that the tenant holds of any resource of any pool (Ghodsi et al., Dominant Resource
    Fairness, 2011), divided by its weight; pools count with the capacity that the scenario declares.
    """

    def __init__(self, given: SimulationInput) -> None:
        assert given.tenants is not None
        tenants, (pools, dimensions) = len(given.tenants.weight), given.capacity.shape
        self.weight: list[float] = given.tenants.weight.tolist()
        self.quota: list[list[int]] = given.tenants.quota.tolist()
        self.capacity: list[list[int]] = given.capacity.tolist()
        self.held = [[[0] * dimensions for _ in range(pools)] for _ in range(tenants)]
        self.used = [[0] * dimensions for _ in range(tenants)]
        self.share = [0.0] * tenants

    def hold(self, ask: Ask, sign: int) -> None:
        """Let the tenant of an attempt hold its resources, or no longer."""
        if ask.tenant < 0:
            return
        held, used = self.held[ask.tenant], self.used[ask.tenant]
        for dimension, amount in ask.demand:
            held[ask.pool][dimension] += sign * amount
            used[dimension] += sign * amount
        parts = (
            h / c for row, capacity in zip(held, self.capacity, strict=True) for h, c in zip(row, capacity, strict=True) if c
        )
        self.share[ask.tenant] = max(parts, default=0.0) / self.weight[ask.tenant]

    def has_quota(self, tenant: int) -> bool:
        """Whether the tenant may not hold as much as there is."""
        return tenant >= 0 and any(quota < LATER for quota in self.quota[tenant])

    def allows(self, ask: Ask) -> bool:
        """Whether the tenant may hold so much more."""
        if ask.tenant < 0:
            return True
        used, quota = self.used[ask.tenant], self.quota[ask.tenant]
        return all(used[dimension] + amount <= quota[dimension] for dimension, amount in ask.demand)

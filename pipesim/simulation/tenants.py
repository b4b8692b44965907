"""What is due to the tenants of the runs that are simulated: weights and quotas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipesim.simulation.calendar import LATER
from pipesim.simulation.engine import DIMENSIONS, Float64, Int32, Int64
from pipesim.simulation.machines import amounts_of
from pipesim.simulation.scenario import Policy
from pipesim.simulation.scenario.policy import Tenant


@dataclass(frozen=True)
class Dues:
    """What is due to the tenants that some rule tells apart. R runs, G tenants, D dimensions.

    Args:
        of_run: [R] The tenant of a run; -1 for one that no rule looks at.
        weight: [G] As in `Tenants`.
        quota: [G, D] As in `Tenants`.
        listed: [G] Its place in `policy.tenants`; -1 for one that is not there.
    """

    of_run: Int32
    weight: Float64
    quota: Int64
    listed: Int32


def dues_of(policy: Policy, tenant: pl.Series) -> Dues | None:
    """Return what is due to the tenants, or None where no rule looks at it.

    Under `fair-share` every tenant counts, and the runs of which the log names none are those of one more. Otherwise only
    those do that have a quota.

    Args:
        policy: The policy.
        tenant: [R] The name of the tenant of each run.
    """
    listed = {part.name: i for i, part in enumerate(policy.tenants)}
    names = tenant.unique().sort().to_list()
    if policy.order != "fair-share":
        names = [name for name in names if name in listed and _is_limited(policy.tenants[listed[name]])]
    if not names:
        return None
    numbers = pl.DataFrame({"tenant": names, "number": range(len(names))}, schema={"tenant": pl.String, "number": pl.Int32})
    of_run = tenant.to_frame("tenant").join(numbers, on="tenant", how="left", nulls_equal=True, maintain_order="left")
    parts = [policy.tenants[listed[name]] if name in listed else Tenant(name="unlisted") for name in names]
    return Dues(
        of_run["number"].fill_null(-1).to_numpy(),
        np.array([part.weight for part in parts]),
        np.array([_quota(part) for part in parts], np.int64),
        np.array([listed.get(name, -1) for name in names], np.int32),
    )


def strangers(policy: Policy, tenant: pl.Series) -> list[str]:
    """Return the tenants that the policy lists, but no run has."""
    there = set(tenant.unique().to_list())
    return [part.name for part in policy.tenants if part.name not in there]


def _is_limited(part: Tenant) -> bool:
    return part.quota is not None and any(amount is not None for amount in amounts_of(part.quota))


def _quota(part: Tenant) -> list[int]:
    if part.quota is None:
        return [LATER] * len(DIMENSIONS)
    return [LATER if amount is None else round(amount) for amount in amounts_of(part.quota)]

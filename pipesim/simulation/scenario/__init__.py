"""What a what-if consists of: the typed scenario, as it is written in YAML or built in Python.

Unknown keys are refused and every mistake is reported, not only the first. Units are in the names of the keys.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, field_validator
from pydantic_core import PydanticCustomError

from pipesim.errors import RequestError
from pipesim.identity import safe_name
from pipesim.simulation.scenario.lifecycle import Lifecycle
from pipesim.simulation.scenario.part import LARGEST, Amount, Count, Mistake, NotNegative, Part
from pipesim.simulation.scenario.platform import Platform, Pool
from pipesim.simulation.scenario.policy import Backfill, Order, Policy
from pipesim.simulation.scenario.workload import ReplayWorkload, SyntheticWorkload

__all__ = ["Backfill", "Lifecycle", "Order", "Platform", "Policy", "Pool", "ReplayWorkload", "Scenario", "SyntheticWorkload"]


def _days_or_auto(value: object) -> float | Literal["auto"]:
    if value == "auto":
        return "auto"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LARGEST:
        return float(value)
    raise PydanticCustomError("warmup", "give days from 0 on, or `auto`", {})


class Scenario(Part):
    """One what-if: this work, on this platform, under this policy.

    Args:
        name: Names the simulated trace and its folder in the lake: letters, digits, `.`, `_` and `-`.
        description: For people.
        workload: Where the submissions come from: the observed log, or a trace that is drawn from the fitted model.
        platform: The machines.
        policy: The order of service.
        lifecycle: How models decay and when they are trained again; without it, nobody looks at models.
        horizon_days: When the simulation stops, in days from the first submission; what is not done then is unfinished. Without
            it the simulation ends when all is done.
        warmup_days: The days that no figure counts, or `auto` to find them by the MSER-5 rule.
        replications: How often it is simulated, each time with other random numbers.

    Raises:
        pydantic.ValidationError: If built in Python with mistakes; it lists all of them.
    """

    name: str
    description: str | None = None
    workload: Annotated[ReplayWorkload | SyntheticWorkload, Field(discriminator="kind")] = ReplayWorkload()
    platform: Platform
    policy: Policy = Policy()
    lifecycle: Lifecycle | None = None
    horizon_days: Amount | None = None
    warmup_days: Annotated[
        float | Literal["auto"], PlainValidator(_days_or_auto, json_schema_input_type=NotNegative | Literal["auto"])
    ] = 0.0
    replications: Count = 1

    @field_validator("name")
    @classmethod
    def _name_is_safe(cls, name: str) -> str:
        try:
            return safe_name(name, "scenario")
        except RequestError as error:
            raise PydanticCustomError("name", "{text}", {"text": f"{error.message}; {error.remedy}"}) from error

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """A simulation must come to an end, and its figures must count something."""
        found: list[Mistake] = []
        horizon, warmup = given.get("horizon_days"), given.get("warmup_days")
        if isinstance(horizon, (int, float)) and isinstance(warmup, (int, float)) and warmup >= horizon:
            found.append((("warmup_days",), f"{warmup} leaves nothing of the horizon of {horizon} days"))
        order = _at(given, "policy", "order")
        if order in ("potential-improvement", "staleness") and given.get("lifecycle") is None:
            found.append((("policy", "order"), f"`{order}` looks at models, which only a scenario with a `lifecycle` has"))
        pools, limit = _at(given, "platform", "pools"), _at(given, "policy", "retries", "limit")
        if isinstance(pools, (list, tuple)) and horizon is None and limit is None:
            for i, pool in enumerate(pools):
                if _at(pool, "failures") is not None:
                    text = "a task might be interrupted for ever; set `policy.retries.limit` or `horizon_days`"
                    found.append((("platform", "pools", i, "failures"), text))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the scenario as plain JSON values, with every default filled in; `Scenario(**d)` makes it again."""
        return self.model_dump(mode="json")


def _at(part: Any, *path: str) -> Any:
    """Return what stands at a path of a part that may be built or still plain values, or None."""
    for key in path:
        part = part.get(key) if isinstance(part, dict) else getattr(part, key, None)
    return part

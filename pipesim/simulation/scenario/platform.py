"""The machines of a scenario: pools, what changes them while time passes, what they cost, and storage."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from pipesim.schema import TASK_TYPES
from pipesim.simulation.scenario.part import Amount, Count, Flag, Mistake, NotNegative, Part, Word

Placement = Literal["first-fit", "best-fit", "worst-fit", "spread", "pack"]
#: No pool has more nodes, or steps of its autoscaler.
MOST_NODES = 100_000
CAPACITIES = ("gpus", "slots", "cpu_cores", "memory_gb")


class Accepts(Part):
    """Which tasks a pool takes; every condition that is given must hold, and a task that does not say fails it.

    Args:
        task_types: The types of task that are taken.
        gpu_type: The model of GPU that the task asks for.
        gpus: Whether the task needs GPUs.
    """

    task_types: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    gpu_type: Word | None = None
    gpus: Flag | None = None

    @field_validator("task_types")
    @classmethod
    def _known_types(cls, types: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = [name for name in types or () if name not in TASK_TYPES]
        if unknown:
            raise PydanticCustomError(
                "task_types",
                "{unknown}: no such task type; there are {known}",
                {"unknown": ", ".join(unknown), "known": ", ".join(TASK_TYPES)},
            )
        return types


class Nodes(Part):
    """So many equal machines.

    Args:
        count: How many.
        gpus: GPUs of each.
        cpu_cores: CPU cores of each.
        memory_gb: Memory of each, in units of 10^9 bytes.
        slots: How many tasks each runs at once.
        gpu_type: The model of their GPUs; a task that asks for a model runs only on nodes that have it, or that say none.
    """

    count: Count
    gpus: Amount | None = None
    cpu_cores: Amount | None = None
    memory_gb: Amount | None = None
    slots: Count | None = None
    gpu_type: Word | None = None

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """A node that limits nothing is no node."""
        return _without_capacity(given, "a node")


class Failures(Part):
    """How often a node breaks: working and repair times are exponential. A pool without nodes breaks as a whole.

    Args:
        mtbf_h: Mean time between failures: hours of working from a repair to the next failure.
        repair_h: Mean hours from a failure until the node works again.
    """

    mtbf_h: Amount
    repair_h: Amount


class Step(Part):
    """From when on a pool has which part of its capacity.

    Args:
        from_h: Hours from the beginning of the period.
        share: The part of the capacity: 0 is none, 1 all; above 1 only of a pool without nodes.
    """

    from_h: NotNegative
    share: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class Timetable(Part):
    """How the capacity of a pool changes with time.

    Args:
        steps: In order of time; from each on the pool has that share of its capacity, until the next.
        period_h: After so many hours the steps begin again, counted from a Monday, 0:00 UTC (1970-01-05); 24 is a day, 168 a
            week. Without it the hours are counted from the first submission, and the last step holds for ever.
    """

    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    period_h: Amount | None = None

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Steps must be in order, and lie in the period."""
        return steps_out_of_order(given)


class Autoscale(Part):
    """A reactive autoscaler: it adds and removes capacity so that what is held and awaited is a target share of it.

    Amounts are numbers of nodes where the pool has nodes, else of its first resource: GPUs, slots, cores or gigabytes.

    Args:
        min: The least capacity.
        max: The greatest capacity.
        step: Capacity is changed by multiples of this from `min` on.
        target: The share of the capacity that is to be in use.
        cooldown_s: Seconds after a change in which there is no other.
        delay_s: Seconds from asking for capacity until it is there.
    """

    min: NotNegative
    max: Amount
    step: Amount = 1.0
    target: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    cooldown_s: NotNegative = 300.0
    delay_s: NotNegative = 120.0

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """The least is not more than the greatest."""
        least: Any = given.get("min")
        most: Any = given.get("max")
        step: Any = given.get("step", 1.0)
        if _are_numbers(least, most) and least > most:
            return [(("min",), f"{least} is above `max`, {most}")]
        if _are_numbers(least, most, step) and step > 0 and (most - least) / step > MOST_NODES:
            return [(("step",), f"there are more than {MOST_NODES:,} steps from `min` to `max`; take greater ones")]
        return []


class Cost(Part):
    """What a unit of a pool's first resource (a GPU, slot, core or gigabyte) costs and draws.

    Args:
        per_h: Money for each hour in which it is provisioned.
        per_used_h: Money for each hour in which it is held, besides.
        kwh_per_h: Energy for each hour in which it is provisioned.
        kwh_per_used_h: Energy for each hour in which it is held, besides.
    """

    per_h: NotNegative = 0.0
    per_used_h: NotNegative = 0.0
    kwh_per_h: NotNegative = 0.0
    kwh_per_used_h: NotNegative = 0.0


def _one_or_several(given: object) -> object:
    return [given] if isinstance(given, (dict, Nodes)) else given


class Pool(Part):
    """A resource pool: what it offers, how fast it is, and which tasks it takes.

    Args:
        name: Unique among the pools; a task whose row names it goes there.
        gpus: GPUs in all.
        cpu_cores: CPU cores in all.
        memory_gb: Memory in all, in units of 10^9 bytes.
        slots: How many tasks may run at once. What is not given of these four is not limited; a pool needs one of them,
            or nodes.
        nodes: Instead of these, the machines of which it consists; one kind or a list of kinds.
        placement: Which of the nodes that fit is taken: the first, as by default; the one with least free (`best-fit`) or with
            most (`worst-fit`, `spread`); `pack` splits at once over nodes what has no room on one.
        speed: Natural durations are divided by it.
        overhead_s: Seconds for which each attempt holds its resources besides: to be set up, or to be cleared away.
        gpu_type: The model of its GPUs, a description; `accepts` decides what goes where.
        accepts: Which tasks that name no pool are taken; by default those with GPUs if it has GPUs, the others if it has none,
            and all if it is the only pool.
        failures: How often its nodes break; by default never.
        timetable: How its capacity changes with time; by default it does not.
        autoscale: How its capacity follows the work; by default it does not.
        cost: What it costs and draws; by default nothing.
    """

    name: Word
    gpus: Amount | None = None
    cpu_cores: Amount | None = None
    memory_gb: Amount | None = None
    slots: Count | None = None
    nodes: (
        Annotated[
            tuple[Nodes, ...], Field(min_length=1), BeforeValidator(_one_or_several, json_schema_input_type=Nodes | list[Nodes])
        ]
        | None
    ) = None
    placement: Placement | None = None
    speed: Amount = 1.0
    overhead_s: NotNegative = 0.0
    gpu_type: Word | None = None
    accepts: Accepts | None = None
    failures: Failures | None = None
    timetable: Timetable | None = None
    autoscale: Autoscale | None = None
    cost: Cost | None = None

    def total(self, capacity: str) -> float | None:
        """Return how much of one of `CAPACITIES` it has in all; None where it does not limit it."""
        if self.nodes is None:
            amount: float | None = getattr(self, capacity)
            return amount
        amounts = [getattr(kind, capacity) for kind in self.nodes]
        if all(amount is None for amount in amounts):
            return None
        return float(sum(kind.count * (amount or 0) for kind, amount in zip(self.nodes, amounts, strict=True)))

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """A pool limits something, in one way; and one thing at most changes its capacity."""
        found = []
        nodes = given.get("nodes")
        amounts = [key for key in CAPACITIES if given.get(key) is not None]
        if nodes is None:
            found += _without_capacity(given, "a pool", " or nodes")
            if given.get("placement") is not None:
                found.append((("placement",), "only a pool with `nodes` has a choice where to place a task"))
        elif amounts:
            found.append((("nodes",), f"the nodes say what the pool has; leave out {', '.join(amounts)}"))
        if given.get("timetable") is not None and given.get("autoscale") is not None:
            found.append((("autoscale",), "a pool has a timetable or an autoscaler; leave out one of them"))
        scale: Any = given.get("autoscale")
        if scale is not None and isinstance(nodes, (list, tuple)) and len(nodes) > 1:
            found.append((("autoscale",), "it adds nodes of one kind; give each kind a pool of its own"))
        return found + cls._size_mistakes(given)

    @classmethod
    def _size_mistakes(cls, given: dict[str, Any]) -> list[Mistake]:
        """The capacity at the beginning lies between the autoscaler's limits; no timetable makes nodes of nothing."""
        found: list[Mistake] = []
        scale, table, nodes = (given.get(key) for key in ("autoscale", "timetable", "nodes"))
        size: Any
        if nodes is None:
            size = next((given[key] for key in CAPACITIES if given.get(key) is not None), None)
        else:
            counts = [kind.get("count") if isinstance(kind, dict) else getattr(kind, "count", None) for kind in _list_of(nodes)]
            size = sum(counts) if _are_numbers(*counts) else None
        if isinstance(scale, dict) and _are_numbers(size, scale.get("min"), scale.get("max")):
            least, most = scale["min"], scale["max"]
            if least <= most and not least <= size <= most:
                found.append((("autoscale",), f"the pool begins with {size}, which is not between {least} and {most}"))
        if nodes is not None and isinstance(table, dict) and isinstance(table.get("steps"), list):
            for i, step in enumerate(table["steps"]):
                if isinstance(step, dict) and _are_numbers(step.get("share")) and step["share"] > 1:
                    found.append((("timetable", "steps", i, "share"), "above 1 there are no nodes to take; raise `count`"))
        return found


class Store(Part):
    """The storage that tasks read from and write to.

    Args:
        read_mb_per_s: Rate of reading, in 10^6 bytes a second, of each attempt alone.
        write_mb_per_s: Rate of writing, likewise.
        latency_s: Seconds that each attempt spends before its first byte.
    """

    read_mb_per_s: Amount
    write_mb_per_s: Amount
    latency_s: NotNegative = 0.0


class CarbonStep(Part):
    """From when on electricity causes how much.

    Args:
        from_h: Hours from the beginning of the period.
        g_per_kwh: Grams a kilowatt-hour.
    """

    from_h: NotNegative
    g_per_kwh: NotNegative


class Carbon(Part):
    """How much carbon dioxide electricity causes, in grams a kilowatt-hour.

    Args:
        steps: In order of time, as those of a `Timetable`; a constant is one step from 0 on.
        period_h: As that of a `Timetable`.
    """

    steps: Annotated[tuple[CarbonStep, ...], Field(min_length=1)]
    period_h: Amount | None = None

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Steps must be in order, begin at 0, and lie in the period."""
        return steps_out_of_order(given, from_the_beginning=True)


class Platform(Part):
    """The machines: pools, storage, and what becomes of tasks that no pool could ever hold.

    Args:
        pools: In the order in which they are offered a task that names none.
        store: Absent: reading and writing take no time.
        oversized: `refuse` the scenario, or `reject` each task whose demand is above its pool's capacity.
        carbon: What the electricity of its pools causes; absent, nothing is said about it.
    """

    pools: tuple[Pool, ...]
    store: Store | None = None
    oversized: Literal["refuse", "reject"] = "refuse"
    carbon: Carbon | None = None

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Two pools of one name could not be told apart, and without a pool nothing runs."""
        pools = given.get("pools")
        if not isinstance(pools, (list, tuple)):
            return []
        if not pools:
            return [(("pools",), "give at least one pool")]
        return repeated_names(pools, "pool", "pools")


def repeated_names(parts: list[Any] | tuple[Any, ...], what: str, *where: str) -> list[Mistake]:
    """Return each part that has the name of an earlier one."""
    names = [part.get("name") if isinstance(part, dict) else getattr(part, "name", None) for part in parts]
    count = Counter(name for name in names if isinstance(name, str))
    return [
        ((*where, i, "name"), f"{name!r} is the name of an earlier {what}")
        for i, name in enumerate(names)
        if isinstance(name, str) and count[name] > 1 and name in names[:i]
    ]


def steps_out_of_order(given: dict[str, Any], *, from_the_beginning: bool = False) -> list[Mistake]:
    """Return the steps of a timetable that do not come after the one before, or lie outside of its period."""
    steps: Any = given.get("steps")
    period: Any = given.get("period_h")
    if not isinstance(steps, (list, tuple)):
        return []
    hours: list[Any] = [step.get("from_h") if isinstance(step, dict) else getattr(step, "from_h", None) for step in steps]
    found: list[Mistake] = []
    for i, hour in enumerate(hours):
        if not _are_numbers(hour):
            continue
        if i == 0 and hour != 0 and (period is not None or from_the_beginning):
            found.append((("steps", 0, "from_h"), "the first step must begin at 0"))
        if i and _are_numbers(hours[i - 1]) and hour <= hours[i - 1]:
            found.append((("steps", i, "from_h"), f"{hour} does not come after {hours[i - 1]}, the step before"))
        if _are_numbers(period) and hour >= period:
            found.append((("steps", i, "from_h"), f"{hour} is not before the end of the period, {period}"))
    return found


def _without_capacity(given: dict[str, Any], what: str, besides: str = "") -> list[Mistake]:
    if any(given.get(key) is not None for key in CAPACITIES):
        return []
    return [((), f"{what} needs at least one capacity: {', '.join(CAPACITIES)}{besides}")]


def _list_of(nodes: Any) -> list[Any]:
    return list(nodes) if isinstance(nodes, (list, tuple)) else [nodes]


def _are_numbers(*values: Any) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)

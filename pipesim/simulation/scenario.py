"""What a what-if consists of: the typed scenario, as it is written in YAML or built in Python.

Unknown keys are refused and every mistake is reported, not only the first. Units are in the names of the keys.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, Self, get_args

import polars as pl
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from pipesim.errors import RequestError
from pipesim.lake import safe_name
from pipesim.schema import TASK_TYPES

# Far above any platform, and far below where int64 thousandths or bytes would overflow.
_LARGEST = 1e9

Amount = Annotated[float, Strict(), Field(gt=0, le=_LARGEST, allow_inf_nan=False)]
Count = Annotated[int, Strict(), Field(ge=1, le=_LARGEST)]
Flag = Annotated[bool, Strict()]
Word = Annotated[str, Field(min_length=1)]
Order = Literal["fifo", "lifo", "sjf", "ljf", "smallest", "priority"]
Backfill = Literal["none", "greedy"]
_Mistake = tuple[tuple[str | int, ...], str]


class _Part(BaseModel):
    """A part of a scenario: immutable, without unknown keys, and complete in its complaints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[_Mistake]:
        """Return the mistakes that lie in several keys together; `given` is not validated yet."""
        return []

    @model_validator(mode="wrap")
    @classmethod
    def _complain_of_all(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # Pydantic runs checks across keys only once each key is sound, so a file would be mended in several rounds.
        across = cls.mistakes_across(given) if isinstance(given, dict) else []
        details = [_detail(loc, "across_keys", text, given) for loc, text in across]
        part = None
        try:
            part = handler(given)
        except ValidationError as error:
            accepted = ", ".join(cls.model_fields)
            for found in error.errors():
                text = f"unknown key; accepted here: {accepted}" if found["type"] == "extra_forbidden" else found["msg"]
                kind = "unknown_key" if found["type"] == "extra_forbidden" else found["type"]
                details.append(_detail(found["loc"], kind, text, found["input"]))
        if part is None or details:
            raise ValidationError.from_exception_data(cls.__name__, details)
        return part


def _detail(loc: tuple[str | int, ...], kind: str, text: str, value: Any) -> InitErrorDetails:
    # The text is passed as a context value because a template would trip over braces in it.
    return InitErrorDetails(type=PydanticCustomError(kind, "{text}", {"text": text}), loc=loc, input=value)


class ReplayWorkload(_Part):
    """Submit what the observed log submitted, when it did."""

    kind: Literal["replay"] = "replay"


class SyntheticWorkload(_Part):
    """Submit a synthetic trace, drawn from the fitted workload model.

    Args:
        kind: `synthetic`.
        days: The length of the synthetic horizon.
        scale: What the arrival rate is multiplied by; durations stay as they are.
        seed: The root seed of the draw.
    """

    kind: Literal["synthetic"] = "synthetic"
    days: Amount
    scale: Amount = 1.0
    seed: Annotated[int, Strict(), Field(ge=0, lt=2**63)] = 0


class Accepts(_Part):
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


class Pool(_Part):
    """A resource pool: what it offers, how fast it is, and which tasks it takes.

    Args:
        name: Unique among the pools; a task whose row names it goes there.
        gpus: GPUs in all.
        cpu_cores: CPU cores in all.
        memory_gb: Memory in all, in units of 10^9 bytes.
        slots: How many tasks may run at once.
        speed: Natural durations are divided by it.
        gpu_type: The model of its GPUs, a description; `accepts` decides what goes where.
        accepts: Which tasks that name no pool are taken.
    """

    name: Word
    gpus: Amount | None = None
    cpu_cores: Amount | None = None
    memory_gb: Amount | None = None
    slots: Count | None = None
    speed: Amount = 1.0
    gpu_type: Word | None = None
    accepts: Accepts | None = None

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[_Mistake]:
        """A pool that limits nothing is no pool."""
        capacities = ("gpus", "cpu_cores", "memory_gb", "slots")
        if any(given.get(key) is not None for key in capacities):
            return []
        return [((), f"a pool needs at least one capacity: {', '.join(capacities)}")]


class Store(_Part):
    """The storage that tasks read from and write to.

    Args:
        read_mb_per_s: Rate of reading, in 10^6 bytes a second, of each attempt alone.
        write_mb_per_s: Rate of writing, likewise.
        latency_s: Seconds that each attempt spends before its first byte.
    """

    read_mb_per_s: Amount
    write_mb_per_s: Amount
    latency_s: Annotated[float, Strict(), Field(ge=0, le=_LARGEST, allow_inf_nan=False)] = 0.0


class Platform(_Part):
    """The machines: pools, storage, and what becomes of tasks that no pool could ever hold.

    Args:
        pools: In the order in which they are offered a task that names none.
        store: Absent: reading and writing take no time.
        oversized: `refuse` the scenario, or `reject` each task whose demand is above its pool's capacity.
    """

    pools: tuple[Pool, ...]
    store: Store | None = None
    oversized: Literal["refuse", "reject"] = "refuse"

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[_Mistake]:
        """Two pools of one name could not be told apart, and without a pool nothing runs."""
        pools = given.get("pools")
        if not isinstance(pools, (list, tuple)):
            return []
        if not pools:
            return [(("pools",), "give at least one pool")]
        names = [pool.get("name") if isinstance(pool, dict) else getattr(pool, "name", None) for pool in pools]
        count = Counter(name for name in names if isinstance(name, str))
        return [
            (("pools", i, "name"), f"{name!r} is the name of an earlier pool")
            for i, name in enumerate(names)
            if isinstance(name, str) and count[name] > 1 and name in names[:i]
        ]


#: The columns of a task, and of its run, that an order may be computed from.
ORDER_COLUMNS = (
    "attempt", "task_name", "task_type", "raw_type", "framework", "pool", "cpu_cores", "gpus", "gpu_type", "memory_bytes",
    "read_bytes", "written_bytes", "cached", "pipeline_name", "trigger", "tenant", "user", "priority", "estimated_duration_s",
)  # fmt: skip


def expression(order: str) -> pl.Expr:
    """Return an order that is an SQL expression, the least value of which goes first.

    Raises:
        ValueError: If it does not parse, or names a column that there is not.
    """
    try:
        parsed = pl.sql_expr(order)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"neither an order ({', '.join(get_args(Order))}) nor an SQL expression: {error}") from error
    unknown = sorted(set(parsed.meta.root_names()) - set(ORDER_COLUMNS))
    if unknown:
        raise ValueError(
            f"neither an order ({', '.join(get_args(Order))}) nor a column ({', '.join(ORDER_COLUMNS)}): {', '.join(unknown)}"
        )
    return parsed


class Policy(_Part):
    """In what order waiting tasks start, and whether later ones may pass a first one that does not fit.

    Args:
        order: One of `Order`, or an SQL expression over `ORDER_COLUMNS`; the least value goes first.
        backfill: What may pass a task that does not fit.
    """

    order: Word = "fifo"
    backfill: Backfill = "none"

    @field_validator("order")
    @classmethod
    def _order_is_one(cls, order: str) -> str:
        if order not in get_args(Order):
            try:
                expression(order)
            except ValueError as error:
                raise PydanticCustomError("order", "{text}", {"text": str(error)}) from error
        return order


class Scenario(_Part):
    """One what-if: this work, on this platform, under this policy.

    Args:
        name: Names the simulated trace and its folder in the lake.
        description: For people.
        workload: Where the submissions come from.
        platform: The machines.
        policy: The order of service.
        replications: How often it is simulated, each time with other random numbers.

    Raises:
        pydantic.ValidationError: If built in Python with mistakes; it lists all of them.
    """

    name: str
    description: str | None = None
    workload: Annotated[ReplayWorkload | SyntheticWorkload, Field(discriminator="kind")] = ReplayWorkload()
    platform: Platform
    policy: Policy = Policy()
    replications: Count = 1

    @field_validator("name")
    @classmethod
    def _name_is_safe(cls, name: str) -> str:
        try:
            return safe_name(name, "scenario")
        except RequestError as error:
            raise PydanticCustomError("name", "{text}", {"text": f"{error.message}; {error.remedy}"}) from error

    def as_dict(self) -> dict[str, Any]:
        """Return the scenario as plain JSON values, with every default filled in; `Scenario(**d)` makes it again."""
        return self.model_dump(mode="json")

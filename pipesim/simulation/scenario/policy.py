"""The policy of a scenario: the order of service, what may pass what, and what becomes of what fails or is evicted."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

import polars as pl
from pydantic import BeforeValidator, Field, PlainValidator, field_validator
from pydantic_core import PydanticCustomError

from pipesim.simulation.scenario.part import LARGEST, Amount, Count, Flag, Mistake, NotNegative, Part, Word
from pipesim.simulation.scenario.platform import repeated_names

Order = Literal[
    "fifo", "lifo", "sjf", "ljf", "smallest", "priority", "edf", "fair-share", "las", "potential-improvement", "staleness",
]  # fmt: skip
Backfill = Literal["none", "greedy", "easy", "conservative"]

#: The columns of a task, and of its run, that an order may be computed from.
ORDER_COLUMNS = (
    "attempt", "task_name", "task_type", "raw_type", "framework", "pool", "cpu_cores", "gpus", "gpu_type", "memory_bytes",
    "read_bytes", "written_bytes", "cached", "pipeline_name", "trigger", "tenant", "user", "priority", "estimated_duration_s",
)  # fmt: skip

_OWN = re.compile(r"([A-Za-z_][\w.]*|[^:]+\.py):([A-Za-z_]\w*)")


def own_policy(order: str) -> tuple[str, str] | None:
    """Return the module (or the file, which ends in .py) and the name of a user's own order, or None if it is none."""
    found = _OWN.fullmatch(order)
    return (found[1], found[2]) if found else None


def expression(text: str) -> pl.Expr:
    """Return an SQL expression over the columns of a task.

    Raises:
        ValueError: If it does not parse, or names a column that there is not.
    """
    try:
        parsed = pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"no SQL expression: {error}") from error
    unknown = sorted(set(parsed.meta.root_names()) - set(ORDER_COLUMNS))
    if unknown:
        raise ValueError(f"not a column ({', '.join(ORDER_COLUMNS)}): {', '.join(unknown)}")
    return parsed


def _seconds_or_expression(value: object) -> float | str:
    if isinstance(value, str):
        try:
            expression(value)
        except ValueError as error:
            raise PydanticCustomError("expression", "neither seconds nor {text}", {"text": str(error)}) from error
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= LARGEST:
        return float(value)
    raise PydanticCustomError("expression", "give seconds above 0, or an SQL expression of them", {})


class Estimates(Part):
    """What the scheduler believes about how long a task will hold its resources.

    Args:
        kind: `oracle`: the truth; `history`: the mean over the observed log, of tasks of that name in the same pipeline, else
            of the same tenant, else of the same type, else of all; `noisy`: the truth times a lognormal factor of mean 1.
        noisy: The coefficient of variation of that factor; `estimates: {noisy: 0.5}` says both.
    """

    kind: Literal["oracle", "history", "noisy"] = "oracle"
    noisy: Amount | None = None

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Noise has a size, and nothing else has."""
        if (given.get("kind") == "noisy") != (given.get("noisy") is not None):
            return [((), "write `oracle`, `history` or `{noisy: 0.5}`, with the coefficient of variation")]
        return []


def _short_estimates(given: object) -> object:
    if isinstance(given, str):
        return {"kind": given}
    if isinstance(given, dict) and set(given) == {"noisy"}:
        return {"kind": "noisy", **given}
    return given


class Retries(Part):
    """What happens after an attempt that failed, by the trace or because its node broke.

    Args:
        limit: How many attempts of a task may fail; with the last of them the task has failed. By default as many as come.
        backoff_s: Seconds from the first failure until the next attempt is queued.
        factor: What each further wait is multiplied by.
        longest_s: No wait is longer.
    """

    limit: Count | None = None
    backoff_s: NotNegative = 0.0
    factor: Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)] = 1.0
    longest_s: Amount = 86_400.0


class Quota(Part):
    """How much a tenant may hold at once on the whole platform, of what the pools limit; by default as much as there is.

    Args:
        gpus: GPUs.
        cpu_cores: CPU cores.
        memory_gb: Memory, in units of 10^9 bytes.
        slots: Tasks in pools of slots.
    """

    gpus: NotNegative | None = None
    cpu_cores: NotNegative | None = None
    memory_gb: NotNegative | None = None
    slots: NotNegative | None = None


class Tenant(Part):
    """What is due to a tenant; one that is not listed has weight 1 and no quota.

    Args:
        name: As in `pipeline_runs.tenant`.
        weight: What its dominant share is divided by under `fair-share`.
        quota: What it may hold at once; by default as much as there is.
    """

    name: Word
    weight: Amount = 1.0
    quota: Quota | None = None


class Policy(Part):
    """In what order waiting tasks start, whether later ones may pass a first one that does not fit, and what interrupts them.

    Args:
        order: Who goes first: `fifo`; `lifo`, the latest; `sjf`, the shortest job; `ljf`, the longest; `smallest`, the least
            part of its pool; `priority`; `edf`, the earliest deadline; `fair-share` of tenants; `las`, the least attained
            service; with a lifecycle `potential-improvement` and `staleness`. Or an SQL expression over the columns of a task,
            such as `"estimated_duration_s * gpus"`, or a function of one's own, `module:name` or `file.py:name`; the least
            value goes first.
        backfill: What may pass a task that does not fit: nothing; whatever fits (`greedy`); what does not delay the first that
            waits (`easy`), or any that waits (`conservative`), by what is believed of durations.
        depth: How many that wait in a pool `conservative` promises a time, from the first in order on; the others wait.
        estimates: What `sjf`, `ljf`, `estimated_duration_s`, `easy` and `conservative` take for the duration of a task.
        deadline_s: For `edf`, which needs it: seconds from the submission of a run, a number or an SQL expression.
        retries: What happens after a failed attempt.
        preemption: Whether a task of a run of higher priority may evict others.
        checkpoint_s: An interrupted attempt keeps its work in multiples of so many seconds; by default it loses all.
        restart_s: What an interrupted attempt needs besides when it starts again.
        tenants: Weights and quotas.
    """

    order: Word = "fifo"
    backfill: Backfill = "none"
    depth: Count = 500
    estimates: Annotated[
        Estimates, BeforeValidator(_short_estimates, json_schema_input_type=Literal["oracle", "history"] | Estimates)
    ] = Estimates()
    deadline_s: Annotated[float | str, PlainValidator(_seconds_or_expression, json_schema_input_type=Amount | Word)] | None = (
        None
    )
    retries: Retries = Retries()
    preemption: Flag = False
    checkpoint_s: Amount | None = None
    restart_s: NotNegative = 0.0
    tenants: tuple[Tenant, ...] = ()

    @field_validator("order")
    @classmethod
    def _order_is_one(cls, order: str) -> str:
        if order not in get_args(Order) and own_policy(order) is None:
            try:
                expression(order)
            except ValueError as error:
                text = f"neither an order ({', '.join(get_args(Order))}), nor a function (module:name), and {error}"
                raise PydanticCustomError("order", "{text}", {"text": text}) from error
        return order

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Deadlines and the order by them belong together; two tenants of one name could not be told apart."""
        found: list[Mistake] = []
        if given.get("order") == "edf" and given.get("deadline_s") is None:
            found.append((("deadline_s",), "`edf` needs to know it: seconds from the submission of a run"))
        if given.get("deadline_s") is not None and given.get("order") != "edf":
            found.append((("deadline_s",), "only the order `edf` looks at it"))
        tenants = given.get("tenants")
        if isinstance(tenants, (list, tuple)):
            found += repeated_names(tenants, "tenant", "tenants")
        return found

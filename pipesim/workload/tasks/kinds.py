"""What tasks of one kind (task type x framework) ask for, how their attempts end, and what they read and write."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from pipesim.trace import Trace
from pipesim.workload.laws.law import ConstantLaw, Law, table_law
from pipesim.workload.laws.quantities import Correlation, Quantity, fit_correlation, fit_quantity
from pipesim.workload.laws.resolution import find_resolution
from pipesim.workload.part import Part
from pipesim.workload.tasks.attempts import KIND, NATURAL, NOT_BEGUN, UNSUCCESSFUL, size_class
from pipesim.workload.tasks.preprocessing import DataTimeChoice, fit_data_time, with_data

DEMAND = ("gpus", "cpu_cores", "memory_bytes", "gpu_type", "pool")
MIN_OUTCOMES = 20
_MAX_COMBINATIONS = 2_000


class Demands(Part):
    """The observed combinations of resources, drawn jointly, and for each tenant how often it asked for which.

    Attributes:
        size: The size class that chooses the duration cell.
        tasks: How many tasks asked for the combination.
        of_tenant: Ascending, once for each combination that the tenant asked for; NULL for runs without a tenant.
        of_row: Which combination that is.
        of_tasks: How many of the tenant's tasks asked for it.
    """

    gpus: tuple[float | None, ...]
    cpu_cores: tuple[float | None, ...]
    memory_bytes: tuple[int | None, ...]
    gpu_type: tuple[str | None, ...]
    pool: tuple[str | None, ...]
    size: tuple[str | None, ...]
    tasks: tuple[int, ...]
    of_tenant: tuple[str | None, ...]
    of_row: tuple[int, ...]
    of_tasks: tuple[int, ...]


class Outcome(Part):
    """One way for an attempt to end.

    Attributes:
        status: The terminal state, or UNKNOWN where the log says none.
        probability: Of an attempt ending so.
        retry: Probability that another attempt follows, while there are fewer than `max_attempts`.
        held: Law of the seconds it took; NULL for the states after which the natural duration was worked.
    """

    status: str
    probability: float = Field(ge=0, le=1)
    retry: float = Field(ge=0, le=1)
    held: Law | None


class Kind(Part):
    """Everything that depends on the kind of task, except its duration.

    Attributes:
        max_attempts: The most that any task of the log had.
        reads_asset: Probability that a task reads a data asset.
        correlation: Of the normal scores of (bytes read, duration, bytes written); where the duration follows the data, its
            noise stands in its place.
        data_time: Whether the duration follows the amount of data; NULL where the log does not tell.
    """

    task_type: str | None
    framework: str | None
    demands: Demands
    outcomes: tuple[Outcome, ...]
    max_attempts: int = Field(ge=1)
    read: Quantity
    written: Quantity
    reads_asset: float = Field(ge=0, le=1)
    correlation: Correlation
    data_time: DataTimeChoice | None = None

    @property
    def name(self) -> str:
        """The kind's name in the names of random streams."""
        return f"{self.task_type or '-'}/{self.framework or '-'}"


def fit_kinds(attempts: pl.DataFrame, trace: Trace) -> tuple[Kind, ...]:
    """Return every kind of task among the attempts (what `attempts.prepare` returns of the trace)."""
    readers = trace["task_io"].filter(pl.col("direction") == "read").select("run_id", "task_id").unique()
    readers = readers.with_columns(reads=pl.lit(True))
    attempts = with_data(attempts.join(readers, on=["run_id", "task_id"], how="left", maintain_order="left"), trace)
    most = int(attempts["attempt"].max())  # type: ignore[arg-type]
    ended = ended_attempts(attempts, most)
    pooled = _outcomes(ended, {})
    rare = {o.status: o for o in pooled}
    kinds = []
    for (task_type, framework), rows in attempts.sort(KIND, maintain_order=True).group_by(KIND, maintain_order=True):
        begun = rows.filter(~pl.col("status").is_in(NOT_BEGUN))
        # What never began may lack its demand, and bytes are whole only once the work is done.
        asked, done = (part if part.height else rows for part in (begun, rows.filter("natural")))
        mine = ended.filter(
            pl.col("task_type").eq_missing(pl.lit(task_type)), pl.col("framework").eq_missing(pl.lit(framework))
        )
        data_time = fit_data_time(rows)
        kinds.append(
            Kind(
                task_type=task_type,
                framework=framework,
                demands=_demands(asked),
                outcomes=_outcomes(mine, rare) if mine.height >= MIN_OUTCOMES else pooled,
                max_attempts=most,
                read=fit_quantity(done["read_bytes"]),
                written=fit_quantity(done["written_bytes"]),
                reads_asset=int(asked["reads"].fill_null(False).sum()) / asked.height,
                correlation=fit_correlation(_noise(done, data_time), ("read_bytes", "seconds", "written_bytes")),
                data_time=data_time,
            )
        )
    return tuple(kinds)


def _noise(done: pl.DataFrame, choice: DataTimeChoice | None) -> pl.DataFrame:
    """Put the noise in the place of the seconds where these follow the data."""
    if choice is None or choice.law is None:
        return done
    amounts, seconds = (done[c].cast(pl.Float64).fill_null(np.nan).to_numpy() for c in (choice.law.unit, "seconds"))
    return done.with_columns(seconds=pl.Series(choice.law.factors(amounts, seconds)).fill_nan(None))


def ended_attempts(attempts: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the attempts that ended, with whether another followed, NULL where none could."""
    following = pl.col("attempt").shift(-1).over("run_id", "task_id").is_not_null()
    return attempts.with_columns(followed=pl.when(pl.col("attempt") < most).then(following)).filter(
        pl.col("status").is_in((*NATURAL, *UNSUCCESSFUL)) & ~pl.col("censored")
    )


def _outcomes(ended: pl.DataFrame, rare: dict[str, Outcome]) -> tuple[Outcome, ...]:
    """Return the frequencies of the ways to end.

    Whether an unsuccessful attempt was retried comes from `rare` where a status has under 20 rows, and how long it took where
    under 20 rows tell.
    """
    outcomes = []
    for (status,), rows in ended.sort("status", maintain_order=True).group_by("status", maintain_order=True):
        outcome = {"status": status, "probability": rows.height / ended.height, "retry": 0.0, "held": None}
        if status in UNSUCCESSFUL:
            seconds = rows["seconds"].drop_nulls().to_numpy()
            of_all = rare.get(str(status))
            if of_all is not None and len(seconds) < MIN_OUTCOMES:
                outcome["held"] = of_all.held
            else:
                told = len(seconds) > 0
                outcome["held"] = table_law(seconds, resolution=find_resolution(seconds)) if told else ConstantLaw(value=0.0)
            if of_all is not None and rows.height < MIN_OUTCOMES:
                outcome["retry"] = of_all.retry
            else:
                outcome["retry"] = rows["followed"].mean() or 0.0
        outcomes.append(Outcome.model_validate(outcome))
    return tuple(outcomes)


def demand_rows(demands: Demands, tasks: pl.DataFrame) -> pl.Series:
    """Return for each task of the kind the row of `demands` that it asks for, -1 where none is like it.

    Args:
        demands: The combinations of the kind.
        tasks: The columns `DEMAND` of tasks of the kind.
    """
    types = {"gpus": pl.Float64, "cpu_cores": pl.Float64, "memory_bytes": pl.Int64, "gpu_type": pl.String, "pool": pl.String}
    known = pl.DataFrame({c: getattr(demands, c) for c in DEMAND}, schema=types)
    asked = tasks.select(DEMAND)
    if known["pool"].null_count() == known.height:
        asked = asked.with_columns(pool=pl.lit(None, dtype=pl.String))
    exact, rounded = (
        some.join(known.with_row_index("row"), on=DEMAND, how="left", nulls_equal=True, maintain_order="left")["row"]
        for some in (asked, asked.with_columns(_rounded_memory()))
    )
    return exact.fill_null(rounded).cast(pl.Int64).fill_null(-1).alias("demand")


def _rounded_memory() -> pl.Expr:
    step = np.log(1.05)
    rounded = ((pl.col("memory_bytes").log() / step).round() * step).exp().round().cast(pl.Int64)
    return pl.when(pl.col("memory_bytes") > 0).then(rounded).otherwise("memory_bytes").alias("memory_bytes")


def _demands(rows: pl.DataFrame) -> Demands:
    """Count the combinations of a kind's tasks.

    A pool is kept only if the kind always ran in that one: else the scenario chooses. Memory that was measured rather than
    asked for would make every task a combination of its own: it is then rounded to 5 %.
    """
    tasks = rows.group_by("run_id", "task_id", maintain_order=True).first()
    tied = rows["pool"].drop_nulls().n_unique() == 1 and rows["pool"].null_count() == 0
    tasks = tasks.select("tenant", *DEMAND[:-1], pool="pool" if tied else pl.lit(None, dtype=pl.String))
    if tasks.select(DEMAND).n_unique() > _MAX_COMBINATIONS:
        tasks = tasks.with_columns(_rounded_memory())
    counted = tasks.group_by(DEMAND).agg(pl.len().alias("tasks")).sort(DEMAND).with_columns(size=size_class(pl.col("gpus")))
    rows = counted.select(DEMAND).with_row_index("row")
    of = tasks.join(rows, on=DEMAND, nulls_equal=True).group_by("tenant", "row").len().sort("tenant", "row")
    return Demands(
        **{c: tuple(counted[c].to_list()) for c in (*DEMAND, "size", "tasks")},
        of_tenant=tuple(of["tenant"].to_list()),
        of_row=tuple(of["row"].to_list()),
        of_tasks=tuple(of["len"].to_list()),
    )

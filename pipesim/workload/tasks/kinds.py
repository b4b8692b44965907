"""What tasks of one kind (task type x framework) ask for, how their attempts end, and what they read and write."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from pipesim.workload.laws.law import ConstantLaw, Law, table_law
from pipesim.workload.laws.quantities import Correlation, Quantity, fit_correlation, fit_quantity
from pipesim.workload.laws.resolution import find_resolution
from pipesim.workload.part import Part
from pipesim.workload.tasks.attempts import KIND, NATURAL, NOT_BEGUN, UNSUCCESSFUL, size_class

DEMAND = ("gpus", "cpu_cores", "memory_bytes", "gpu_type", "pool")
_MIN_OUTCOMES = 20
_MAX_COMBINATIONS = 2_000


class Demands(Part):
    """The observed combinations of resources, drawn jointly; `size` is the size class that chooses the duration cell."""

    gpus: tuple[float | None, ...]
    cpu_cores: tuple[float | None, ...]
    memory_bytes: tuple[int | None, ...]
    gpu_type: tuple[str | None, ...]
    pool: tuple[str | None, ...]
    size: tuple[str | None, ...]
    tasks: tuple[int, ...]


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
        correlation: Of the normal scores of (bytes read, duration, bytes written).
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

    @property
    def name(self) -> str:
        """The kind's name in the names of random streams."""
        return f"{self.task_type or '-'}/{self.framework or '-'}"


def fit_kinds(attempts: pl.DataFrame, task_io: pl.DataFrame) -> tuple[Kind, ...]:
    """Return every kind of task among the attempts (what `attempts.prepare` returns)."""
    readers = task_io.filter(pl.col("direction") == "read").select("run_id", "task_id").unique()
    readers = readers.with_columns(reads=pl.lit(True))
    attempts = attempts.join(readers, on=["run_id", "task_id"], how="left", maintain_order="left")
    most = int(attempts["attempt"].max())  # type: ignore[arg-type]
    ended = _ended(attempts, most)
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
        kinds.append(
            Kind(
                task_type=task_type,
                framework=framework,
                demands=_demands(asked),
                outcomes=_outcomes(mine, rare) if mine.height >= _MIN_OUTCOMES else pooled,
                max_attempts=most,
                read=fit_quantity(done["read_bytes"]),
                written=fit_quantity(done["written_bytes"]),
                reads_asset=int(asked["reads"].fill_null(False).sum()) / asked.height,
                correlation=fit_correlation(done, ("read_bytes", "seconds", "written_bytes")),
            )
        )
    return tuple(kinds)


def _ended(attempts: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return the attempts that ended, with whether another followed, NULL where none could."""
    following = pl.col("attempt").shift(-1).over("run_id", "task_id").is_not_null()
    return attempts.with_columns(followed=pl.when(pl.col("attempt") < most).then(following)).filter(
        pl.col("status").is_in((*NATURAL, *UNSUCCESSFUL)) & ~pl.col("censored")
    )


def _outcomes(ended: pl.DataFrame, rare: dict[str, Outcome]) -> tuple[Outcome, ...]:
    """Return the frequencies of the ways to end.

    How long an unsuccessful attempt took, and whether it was retried, comes from `rare` where a status has under 20 rows.
    """
    outcomes = []
    for (status,), rows in ended.sort("status", maintain_order=True).group_by("status", maintain_order=True):
        outcome = {"status": status, "probability": rows.height / ended.height, "retry": 0.0, "held": None}
        if status in UNSUCCESSFUL:
            if rows.height < _MIN_OUTCOMES and status in rare:
                outcome |= {"retry": rare[str(status)].retry, "held": rare[str(status)].held}
            else:
                seconds = rows["seconds"].drop_nulls().to_numpy()
                held = table_law(seconds, resolution=find_resolution(seconds)) if len(seconds) else ConstantLaw(value=0.0)
                outcome |= {"retry": rows["followed"].mean() or 0.0, "held": held}
        outcomes.append(Outcome.model_validate(outcome))
    return tuple(outcomes)


def _demands(rows: pl.DataFrame) -> Demands:
    """Count the combinations of a kind's tasks.

    A pool is kept only if the kind always ran in that one: else the scenario chooses. Memory that was measured rather than
    asked for would make every task a combination of its own: it is then rounded to 5 %.
    """
    tasks = rows.group_by("run_id", "task_id", maintain_order=True).first()
    tied = rows["pool"].drop_nulls().n_unique() == 1 and rows["pool"].null_count() == 0
    tasks = tasks.select(*DEMAND[:-1], pool="pool" if tied else pl.lit(None, dtype=pl.String))
    if tasks.n_unique() > _MAX_COMBINATIONS:
        step = np.log(1.05)
        rounded = ((pl.col("memory_bytes").log() / step).round() * step).exp().round().cast(pl.Int64)
        tasks = tasks.with_columns(memory_bytes=pl.when(pl.col("memory_bytes") > 0).then(rounded).otherwise("memory_bytes"))
    counted = tasks.group_by(DEMAND).agg(pl.len().alias("tasks")).sort(DEMAND).with_columns(size=size_class(pl.col("gpus")))
    return Demands(**{c: tuple(counted[c].to_list()) for c in (*DEMAND, "size", "tasks")})

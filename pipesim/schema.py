"""The canonical tables: one declaration each, from which validation, empty frames, SQL types and documentation derive.

Conventions that hold in every table: instants are UTC and naive (`TIMESTAMP`, microseconds); durations are seconds;
sizes are bytes; NULL means that the log did not say. A rule is one SQL boolean over the columns of its table: a row breaks
the rule exactly where the expression is FALSE, so that a NULL never breaks a rule on its own.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property

import polars as pl


class Type(enum.Enum):
    """The few types a canonical column can have, each with its DuckDB and Polars counterpart."""

    STRING = ("VARCHAR", pl.String())
    INTEGER = ("BIGINT", pl.Int64())
    NUMBER = ("DOUBLE", pl.Float64())
    BOOLEAN = ("BOOLEAN", pl.Boolean())
    INSTANT = ("TIMESTAMP", pl.Datetime("us"))

    @property
    def sql(self) -> str:
        """The DuckDB type."""
        return str(self.value[0])

    @property
    def polars(self) -> pl.DataType:
        """The Polars type."""
        polars: pl.DataType = self.value[1]
        return polars


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    Args:
        name: Its name in every file, frame and view.
        type: Its type.
        doc: What it means, with the unit where it has one.
        nullable: Whether the log may leave it out.
        values: The closed set of words it may take, if it has one.
    """

    name: str
    type: Type
    doc: str
    nullable: bool = True
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A statement that holds for every good row: `sql` is FALSE exactly where a row breaks it.

    Args:
        name: Its name in the quarantine.
        sql: The statement.
        doc: Why it must hold.
        whole: Whether only a complete row can be held to it, and not one of the partial rows that events report.
    """

    name: str
    sql: str
    doc: str
    whole: bool = False


@dataclass(frozen=True)
class Table:
    """A canonical table: what a row is, what identifies it, what it may say, and the rules it keeps."""

    name: str
    doc: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    extra_rules: tuple[Rule, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by name, in declared order."""
        return {column.name: column for column in self.columns}

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule of the table: those that follow from its columns, then those declared for it."""
        return (*_column_rules(self), *self.extra_rules)

    @property
    def polars_schema(self) -> pl.Schema:
        """The frame's column names and Polars types."""
        return pl.Schema({column.name: column.type.polars for column in self.columns})

    def empty(self) -> pl.DataFrame:
        """Return a frame with the table's columns and no rows."""
        return pl.DataFrame(schema=self.polars_schema)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with exactly the table's columns: missing ones are NULL, types are cast strictly.

        Raises:
            polars.exceptions.InvalidOperationError: If a value cannot be cast to its column's type.
        """
        if frame.is_empty():
            return self.empty()
        present = set(frame.columns)
        return frame.select(
            (pl.col(c.name) if c.name in present else pl.lit(None)).cast(c.type.polars).alias(c.name) for c in self.columns
        )

    def empty_select(self, extra: dict[str, str] | None = None) -> str:
        """Return a SELECT without rows whose columns have the table's names and SQL types, plus `extra` ones."""
        columns = {**(extra or {}), **{c.name: c.type.sql for c in self.columns}}
        return "SELECT " + ", ".join(f'NULL::{sql} AS "{name}"' for name, sql in columns.items()) + " WHERE false"


def _column_rules(table: Table) -> list[Rule]:
    rules = []
    for column in table.columns:
        if column.name in table.key:
            rules.append(Rule(f"no_{column.name}", f'"{column.name}" IS NOT NULL', "part of the key, so it must be given"))
        elif not column.nullable:
            rules.append(Rule(f"missing_{column.name}", f'"{column.name}" IS NOT NULL', "every row must have it", whole=True))
        if column.values:
            words = ", ".join(f"'{word}'" for word in column.values)
            name = "unmapped_status" if column.name == "status" else f"unknown_{column.name}"
            rules.append(Rule(name, f'"{column.name}" IN ({words})', f"one of {', '.join(column.values)}"))
        if column.type in (Type.INTEGER, Type.NUMBER) and column.name not in SIGNED:
            rules.append(Rule(f"negative_{column.name}", f'"{column.name}" >= 0', "such a quantity is never negative"))
        if column.type is Type.NUMBER:
            rules.append(Rule(f"nonfinite_{column.name}", f'isfinite("{column.name}")', "NaN and infinity are no measurements"))
    return rules


def _ordered(*instants: str) -> tuple[Rule, ...]:
    pairs = [(a, b) for i, a in enumerate(instants) for b in instants[i + 1 :]]
    return tuple(Rule(f"{a}_after_{b}", f'"{a}" <= "{b}"', f"{a} is no later than {b}") for a, b in pairs)


#: Numbers that may be negative.
SIGNED = frozenset({"value", "priority", "step"})

STATUSES = (
    "PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "SKIPPED", "UNKNOWN",
)  # fmt: skip
TERMINAL_STATUSES = ("SUCCEEDED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "SKIPPED")
TRIGGERS = ("schedule", "manual", "drift", "api", "staleness", "data")
TASK_TYPES = ("preprocess", "train", "evaluate", "compress", "harden", "deploy", "other")
TIME_BASES = ("utc", "assumed_zone", "relative")

_S, _I, _N, _B, _T = Type.STRING, Type.INTEGER, Type.NUMBER, Type.BOOLEAN, Type.INSTANT

PIPELINE_RUNS = Table(
    "pipeline_runs",
    "One execution of a pipeline: a directed acyclic graph of tasks that was submitted as a whole.",
    key=("run_id",),
    columns=(
        Column("run_id", _S, "Identifies the run.", nullable=False),
        Column("pipeline_name", _S, "The pipeline of which this is a run.", nullable=False),
        Column("trigger", _S, "What submitted the run.", values=TRIGGERS),
        Column("parent_run_id", _S, "The run that started this one."),
        Column("tenant", _S, "The team, project or virtual cluster that is charged."),
        Column("user", _S, "Who submitted the run."),
        Column("priority", _I, "Higher goes first under priority scheduling."),
        Column("status", _S, "The canonical state.", nullable=False, values=STATUSES),
        Column("raw_status", _S, "The state in the log's own word.", nullable=False),
        Column("submitted_at", _T, "When the run was submitted."),
        Column("started_at", _T, "When its first task started."),
        Column("ended_at", _T, "When the run reached its terminal state."),
        Column(
            "observed_until",
            _T,
            "The last instant that the log covers: a run still open was seen up to here.",
            nullable=False,
        ),
        Column(
            "time_basis",
            _S,
            "How instants were read: utc, assumed_zone or relative.",
            nullable=False,
            values=TIME_BASES,
        ),
    ),
    extra_rules=_ordered("submitted_at", "started_at", "ended_at"),
)

TASK_RUNS = Table(
    "task_runs",
    "One attempt to execute one task of a run; a retry is another row.",
    key=("run_id", "task_id", "attempt"),
    columns=(
        Column("run_id", _S, "The run it belongs to.", nullable=False),
        Column("task_id", _S, "Identifies the task within its run.", nullable=False),
        Column("attempt", _I, "1 for the first attempt.", nullable=False),
        Column("task_name", _S, "The task's name in its pipeline.", nullable=False),
        Column("task_type", _S, "What kind of work it does.", values=TASK_TYPES),
        Column("raw_type", _S, "The kind of work in the log's own word."),
        Column("framework", _S, "The machine-learning framework."),
        Column("status", _S, "The canonical state.", nullable=False, values=STATUSES),
        Column("raw_status", _S, "The state in the log's own word.", nullable=False),
        Column("queued_at", _T, "When it became ready to run."),
        Column("started_at", _T, "When it was given its resources."),
        Column("ended_at", _T, "When it gave them back."),
        Column("duration_s", _N, "Seconds of work, as the log declares it; started to ended where it does not."),
        Column("is_censored", _B, "Whether the natural duration is at least, not exactly, duration_s.", nullable=False),
        Column("pool", _S, "The resource pool it ran in."),
        Column("node_id", _S, "The machine it ran on."),
        Column("cpu_cores", _N, "CPU cores held."),
        Column("gpus", _N, "GPUs held; fractions are real."),
        Column("gpu_type", _S, "The model of GPU."),
        Column("memory_bytes", _I, "Bytes of memory held."),
        Column("read_bytes", _I, "Bytes read from storage."),
        Column("written_bytes", _I, "Bytes written to storage."),
        Column("cached", _B, "Whether a cached result was used instead of working."),
        Column("error", _S, "The failure in the log's own words."),
    ),
    extra_rules=(
        *_ordered("queued_at", "started_at", "ended_at"),
        Rule("attempt_below_1", '"attempt" >= 1', "attempts are counted from 1"),
        Rule(
            "succeeded_without_end_or_duration",
            '"status" <> \'SUCCEEDED\' OR "ended_at" IS NOT NULL OR "duration_s" IS NOT NULL',
            "work that succeeded took some time",
            whole=True,
        ),
    ),
)

TASK_EDGES = Table(
    "task_edges",
    "One dependency: a task is queued when all its parents have succeeded.",
    key=("run_id", "task_id", "parent_task_id"),
    columns=(
        Column("run_id", _S, "The run.", nullable=False),
        Column("task_id", _S, "The task that waits.", nullable=False),
        Column("parent_task_id", _S, "The task it waits for.", nullable=False),
    ),
    extra_rules=(Rule("self_dependency", '"task_id" <> "parent_task_id"', "a task cannot wait for itself"),),
)

DATA_ASSETS = Table(
    "data_assets",
    "One version of a data set.",
    key=("asset_id", "version"),
    columns=(
        Column("asset_id", _S, "Identifies the data set.", nullable=False),
        Column("version", _S, "Its version.", nullable=False),
        Column("namespace", _S, "Where it lives."),
        Column("row_count", _I, "Rows."),
        Column("column_count", _I, "Columns."),
        Column("size_bytes", _I, "Bytes."),
        Column("created_at", _T, "When this version was made."),
    ),
)

TASK_IO = Table(
    "task_io",
    "One data asset that an attempt read or wrote.",
    key=("run_id", "task_id", "attempt", "direction", "asset_id", "version"),
    columns=(
        Column("run_id", _S, "The run.", nullable=False),
        Column("task_id", _S, "The task.", nullable=False),
        Column("attempt", _I, "The attempt.", nullable=False),
        Column("direction", _S, "read or write.", nullable=False, values=("read", "write")),
        Column("asset_id", _S, "The data set.", nullable=False),
        Column("version", _S, "Its version.", nullable=False),
        Column("row_count", _I, "Rows moved."),
        Column("size_bytes", _I, "Bytes moved."),
    ),
)

MODELS = Table(
    "models",
    "One version of a trained model.",
    key=("model_id", "version"),
    columns=(
        Column("model_id", _S, "Identifies the model.", nullable=False),
        Column("version", _S, "Its version.", nullable=False),
        Column("produced_by_run_id", _S, "The run that trained it."),
        Column("framework", _S, "The machine-learning framework."),
        Column("size_bytes", _I, "Bytes of the stored model."),
        Column("created_at", _T, "When it was trained."),
        Column("deployed_at", _T, "When it went live."),
        Column("retired_at", _T, "When another version of the model took its place."),
    ),
    extra_rules=_ordered("created_at", "deployed_at", "retired_at"),
)

MODEL_METRICS = Table(
    "model_metrics",
    "One measurement of a model version: at training (static) or in production (live).",
    key=("model_id", "version", "metric", "phase", "step", "measured_at"),
    columns=(
        Column("model_id", _S, "The model.", nullable=False),
        Column("version", _S, "Its version.", nullable=False),
        Column("metric", _S, "What was measured, for example performance.", nullable=False),
        Column("phase", _S, "static (at training) or live (in production).", nullable=False, values=("static", "live")),
        Column("step", _I, "The training step or the number of the measurement.", nullable=False),
        Column("measured_at", _T, "When it was measured.", nullable=False),
        Column("value", _N, "The measured value."),
    ),
)

POOLS = Table(
    "pools",
    "The capacity of a resource pool from one instant on.",
    key=("pool", "valid_from"),
    columns=(
        Column("pool", _S, "The pool's name.", nullable=False),
        Column("valid_from", _T, "From when this capacity holds.", nullable=False),
        Column("valid_to", _T, "Until when; NULL while it holds."),
        Column("kind", _S, "gpu, cpu, slots or another word for what the pool offers.", nullable=False),
        Column("node_count", _I, "Machines."),
        Column("cpu_cores", _N, "CPU cores in all."),
        Column("gpus", _N, "GPUs in all."),
        Column("gpu_type", _S, "The model of GPU."),
        Column("memory_bytes", _I, "Bytes of memory in all."),
        Column("slots", _I, "How many tasks may run at once, where that is what is limited."),
    ),
    extra_rules=_ordered("valid_from", "valid_to"),
)

QUARANTINE = Table(
    "quarantine",
    "One reason why one line of a log is in no other table.",
    key=("ingest_id", "source_file", "source_line", "rule"),
    columns=(
        Column("ingest_id", _S, "The ingest that met the line.", nullable=False),
        Column("source_file", _S, "The file.", nullable=False),
        Column("source_line", _I, "The line, counted from 1.", nullable=False),
        Column("rule", _S, "The rule that the line breaks.", nullable=False),
        Column("stage", _S, "Where it failed.", nullable=False, values=("read", "parse", "type", "rule", "reference")),
        Column("raw", _S, "The line as it stands in the file (shortened where it is very long)."),
        Column("detail", _S, "What exactly is wrong, with the value."),
    ),
)

PROVENANCE = (
    Column("source", _S, "The log format it was read as.", nullable=False),
    Column("source_file", _S, "The file it came from.", nullable=False),
    Column("source_line", _I, "The line in that file, counted from 1.", nullable=False),
    Column("ingest_id", _S, "The ingest that brought it.", nullable=False),
)

#: The tables of a trace, parents before children.
TRACE_TABLES: dict[str, Table] = {
    table.name: table for table in (PIPELINE_RUNS, TASK_RUNS, TASK_EDGES, DATA_ASSETS, TASK_IO, MODELS, MODEL_METRICS, POOLS)
}


def with_provenance(table: Table) -> Table:
    """Return the table as it stands among the observed ones: every row says where it came from."""
    return Table(table.name, table.doc, table.key, (*table.columns, *PROVENANCE), table.extra_rules)

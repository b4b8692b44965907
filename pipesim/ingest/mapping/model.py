"""The mapping file: how the columns of any table become canonical ones, as YAML. See docs/mapping.md.

name: my-cluster
time_zone: Europe/Vienna
columns:
  submitted_at: submit_time
  duration_s: {column: runtime, unit: ms}
  gpus: {expr: CAST(gpus_per_node AS DOUBLE) * CAST(nodes AS DOUBLE)}
  status: {column: state, words: {Pass: SUCCEEDED, Killed: CANCELLED}}
  task_type: {const: train}
unused: [comment]

A log of several tables has one entry a table under `tables`, with the same keys and those of `MappedTable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import duckdb
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipesim.errors import ConfigError, FileError, RequestError
from pipesim.ingest.mapping.expressions import expression_fields
from pipesim.schema import TRACE_TABLES, Column, Table, Type
from pipesim.yaml_text import parse_yaml

#: The mappings that ship.
PROFILES = Path(__file__).parent / "profiles"
#: Factors to the canonical unit: seconds, bytes, and whole GPUs or cores.
UNITS = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
    "B": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40,
    "percent": 1e-2, "milli": 1e-3, "one": 1.0,
}  # fmt: skip

#: What a row of a table may become, unless it says otherwise: a run, and the run's only task.
JOB = ("pipeline_runs", "task_runs")
#: What follows from other columns, or from the log as a whole.
_DERIVED = frozenset({"raw_status", "raw_type", "observed_until", "is_censored"})
#: What a job's only task and its run leave to pipesim.
_NOT_OF_JOBS = frozenset({"parent_run_id", "task_id", "attempt"})
_INSTANTS = frozenset({"submitted_at", "queued_at", "started_at", "ended_at"})


#: The table whose rows are the sums of the rows of a list of machines.
NODES = "nodes"


def canonical(rows: Sequence[str]) -> list[Table]:
    """Return the canonical tables that rows become rows of.

    Raises:
        KeyError: If there is no such table.
    """
    return [TRACE_TABLES["pools" if name == NODES else name] for name in rows]


def targets(rows: Sequence[str]) -> dict[str, Column]:
    """Return the canonical columns that can be mapped for rows of some tables."""
    columns = {c.name: c for table in reversed(canonical(rows)) for c in table.columns if c.name not in _DERIVED}
    return {name: c for name, c in columns.items() if tuple(rows) != JOB or name not in _NOT_OF_JOBS}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MappedColumn(_Strict):
    """Where one canonical column comes from."""

    column: str | None = Field(
        None, description="The column of the file; `a.b` and `a[0]` reach into a column that holds JSON, a struct or a list."
    )
    const: str | int | float | bool | None = Field(None, description="The same value for every row.")
    expr: str | None = Field(None, description="An expression over the columns of the file, in the SQL of Polars.")
    unit: str | None = Field(None, description=f"The unit in the file: {', '.join(UNITS)}.")
    format: str = Field("iso", description="For instants: iso, epoch_s, epoch_ms, epoch_us or a strptime pattern.")
    words: dict[str, str] = Field(
        default_factory=dict, description="For states and types: the canonical word for each raw one."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> MappedColumn:
        if [self.column, self.const, self.expr].count(None) != 2:
            raise ValueError("give one of `column`, `const` and `expr`")
        if self.expr is not None:
            try:
                expression_fields(self.expr)
            except RequestError as error:
                raise ValueError(error.message) from error
        if self.unit is not None and self.unit not in UNITS:
            raise ValueError(f"unknown unit {self.unit!r}: use one of {', '.join(UNITS)}")
        if self.format not in ("iso", "epoch_s", "epoch_ms", "epoch_us"):
            try:
                duckdb.execute("SELECT try_strptime('', ?)", [self.format]).fetchall()
            except duckdb.Error as error:
                raise ValueError(f"{self.format!r} is no format of an instant: {error}") from error
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the file that it is made from."""
        return expression_fields(self.expr) if self.expr is not None else () if self.column is None else (self.column,)


def _same_names(value: Any) -> Any:
    return {name: name for name in value} if isinstance(value, list) else value


class Join(_Strict):
    """A second table beside the log that says more of what a column names, as a list of machines does of each machine."""

    file: str = Field(description="The name of its file, in the log's folder; `*` and `?` stand for any characters.")
    by: Annotated[dict[str, str], BeforeValidator(_same_names)] = Field(
        min_length=1, description="The columns of the log, or, for each, the column of that table that must equal it."
    )
    columns: Annotated[dict[str, str], BeforeValidator(_same_names)] = Field(
        min_length=1, description="Its columns that the log's rows get, or, for each new name, the column."
    )
    header: tuple[str, ...] = Field((), description="Its columns, if its file does not name them.")


def _short_form(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class MappedTable(_Strict):
    """One table of a log."""

    files: str = Field("*", description="The names of its files; `*` and `?` stand for any characters.")
    rows: Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)] = Field(
        JOB,
        description="The canonical tables that each row is a row of: by default a run, and the run's only task. "
        "`nodes` are machines that make up pools.",
    )
    header: tuple[str, ...] = Field((), description="Its columns in their order, if its files do not name them.")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="What separates columns, if it is not seen.")
    each: str | None = Field(None, description="A column that holds a list: there is a row for each of its elements.")
    join: tuple[Join, ...] = Field((), description="Tables beside it that say more.")
    columns: dict[str, Annotated[MappedColumn, BeforeValidator(_short_form)]]
    unused: tuple[str, ...] = Field((), description="Columns of the file that are known and deliberately not read.")

    @property
    def is_jobs(self) -> bool:
        """Whether a row is a run with its only task."""
        return self.rows == JOB

    @property
    def expressions(self) -> dict[str, str]:
        """The expression of each canonical column that has one."""
        return {name: mapped.expr for name, mapped in self.columns.items() if mapped.expr is not None}

    @property
    def reads(self) -> frozenset[str]:
        """The columns that it reads, of the file and of the tables beside it."""
        keys = {column for join in self.join for column in join.by}
        return frozenset({column for mapped in self.columns.values() for column in mapped.reads} | keys)

    def problems(self) -> list[str]:
        """Return every mistake that shows only in the whole, each as `place: what is wrong`."""
        if unknown := [name for name in self.rows if name not in (*TRACE_TABLES, NODES)]:
            return [f"rows: no canonical table {', '.join(unknown)}; there are {', '.join((*TRACE_TABLES, NODES))}"]
        known = targets(self.rows)
        found = [problem for name, mapped in self.columns.items() for problem in _column_problems(name, mapped, known)]
        if self.is_jobs and not self.columns.keys() & _INSTANTS:
            found.append("columns: map at least one of submitted_at, queued_at, started_at, ended_at")
        if not self.is_jobs:
            keys = dict.fromkeys(k for table in canonical(self.rows) for k in table.key if k != "attempt")
            missing = [key for key in keys if key not in self.columns]
            found += [f"columns: map {', '.join(missing)}, which is part of the key"] * bool(missing)
        return found


def _column_problems(name: str, mapped: MappedColumn, known: Mapping[str, Column]) -> list[str]:
    target = known.get(name)
    if target is None:
        return [f"columns.{name}: no such canonical column; there are {', '.join(known)}"]
    problems = []
    if mapped.unit is not None and target.type not in (Type.NUMBER, Type.INTEGER):
        problems.append(f"columns.{name}.unit: {name} is no quantity")
    if mapped.words and not target.values:
        problems.append(f"columns.{name}.words: {name} may hold any word, so there is nothing to map")
    unknown = sorted(set(mapped.words.values()) - set(target.values)) if target.values else []
    if unknown:
        problems.append(f"columns.{name}.words: {', '.join(unknown)} is none of {', '.join(target.values)}")
    return problems


class LogMapping(_Strict):
    """A whole mapping file: of one table, or of several."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="The source's name; run identifiers begin with it.")
    description: str = ""
    time_zone: str = Field("UTC", description="The zone of instants that name none.")
    tables: tuple[MappedTable, ...] = Field(description="The tables of the log.")
    unread: tuple[str, ...] = Field((), description="The names of files of the log that are known and deliberately not read.")

    @model_validator(mode="before")
    @classmethod
    def _one_table(cls, raw: Any) -> Any:
        """Take the keys of the only table of a log from where those of the whole stand."""
        if not isinstance(raw, dict) or "tables" in raw:
            return raw
        own = {key: value for key, value in raw.items() if key in MappedTable.model_fields}
        return {**{key: value for key, value in raw.items() if key not in own}, "tables": (own,)}

    @model_validator(mode="after")
    def _sensible(self) -> LogMapping:
        many = len(self.tables) > 1
        problems = [] if self.tables else ["tables: name at least one"]
        problems += [
            f"tables[{number}].{problem}" if many else problem
            for number, table in enumerate(self.tables)
            for problem in table.problems()
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self


def load_mapping(path: Path) -> LogMapping:
    """Read a mapping file.

    Raises:
        FileError: If there is no such file.
        ConfigError: With every mistake in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"the mapping cannot be read ({error.strerror})", where=str(path), remedy="check the path") from error
    except UnicodeDecodeError as error:
        raise FileError("the mapping is not UTF-8 text", where=str(path), remedy="save it as UTF-8") from error
    return parse_mapping(text, str(path))


def parse_mapping(text: str, place: str) -> LogMapping:
    """Read a mapping from YAML text; `place` names it in errors.

    Raises:
        ConfigError: With every mistake in it.
    """
    raw = parse_yaml(text, place)
    if not isinstance(raw, dict):
        raise ConfigError(place, [("", "a mapping is needed; begin with `name:` and `columns:`")])
    try:
        return LogMapping.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(place, _problems(error, "tables" in raw)) from error


def _problems(error: ValidationError, several: bool) -> Sequence[tuple[str, str]]:
    found = []
    for item in error.errors():
        # A log of one table has its keys where those of the whole stand.
        loc = item["loc"][2:] if item["loc"][:2] == ("tables", 0) and not several else item["loc"]
        path = ".".join(str(part) for part in loc)
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            known = [name for name in (*LogMapping.model_fields, *MappedTable.model_fields) if several or name != "tables"]
            message = "unknown key" + (f"; accepted here: {', '.join(known)}" if len(item["loc"]) == 1 else "")
        for line in message.split("\n"):
            place, _, rest = line.partition(": ")
            found.append((place, rest) if not path and rest else (path, line))
    return found

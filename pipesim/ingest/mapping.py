"""The mapping file: how the columns of any table of jobs become canonical ones, as YAML.

name: my-cluster
time_zone: Europe/Vienna
columns:
  submitted_at: submit_time
  duration_s: {column: runtime, unit: ms}
  gpus: num_gpus
  status: {column: state, words: {Pass: SUCCEEDED, Killed: CANCELLED}}
  task_type: {const: train}
unused: [comment]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import duckdb
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pipesim.errors import ConfigError, FileError
from pipesim.schema import PIPELINE_RUNS, TASK_RUNS, Column, Type
from pipesim.yaml_text import parse_yaml

#: Factors to the canonical unit: seconds, bytes, and whole GPUs or cores.
UNITS = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
    "B": 1.0, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
    "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40,
    "percent": 1e-2, "milli": 1e-3, "one": 1.0,
}  # fmt: skip

#: What a row of a job table can say: the columns of its run and of the run's only task.
TARGETS: dict[str, Column] = {
    c.name: c
    for table in (TASK_RUNS, PIPELINE_RUNS)
    for c in table.columns
    if c.name
    not in ("raw_status", "raw_type", "observed_until", "time_basis", "parent_run_id", "task_id", "is_censored", "attempt")
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MappedColumn(_Strict):
    """Where one canonical column comes from."""

    column: str | None = Field(None, description="The column of the file.")
    const: str | int | float | bool | None = Field(None, description="The same value for every row.")
    unit: str | None = Field(None, description=f"The unit in the file: {', '.join(UNITS)}.")
    format: str = Field("iso", description="For instants: iso, epoch_s, epoch_ms, epoch_us or a strptime pattern.")
    words: dict[str, str] = Field(
        default_factory=dict, description="For states and types: the canonical word for each raw one."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> MappedColumn:
        if (self.column is None) == (self.const is None):
            raise ValueError("give either `column` or `const`")
        if self.unit is not None and self.unit not in UNITS:
            raise ValueError(f"unknown unit {self.unit!r}: use one of {', '.join(UNITS)}")
        if self.format not in ("iso", "epoch_s", "epoch_ms", "epoch_us"):
            try:
                duckdb.execute("SELECT try_strptime('', ?)", [self.format]).fetchall()
            except duckdb.Error as error:
                raise ValueError(f"{self.format!r} is no format of an instant: {error}") from error
        return self


def _short_form(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class Mapping(_Strict):
    """A whole mapping file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="The source's name; run identifiers begin with it.")
    description: str = ""
    time_zone: str = Field("UTC", description="The zone of instants that name none.")
    columns: dict[str, Annotated[MappedColumn, BeforeValidator(_short_form)]]
    unused: tuple[str, ...] = Field((), description="Columns of the file that are known and deliberately not read.")

    @model_validator(mode="after")
    def _sensible(self) -> Mapping:
        problems = []
        for name, mapped in self.columns.items():
            target = TARGETS.get(name)
            if target is None:
                problems.append(f"columns.{name}: no such canonical column; there are {', '.join(TARGETS)}")
                continue
            if mapped.unit is not None and target.type not in (Type.NUMBER, Type.INTEGER):
                problems.append(f"columns.{name}.unit: {name} is no quantity")
            if mapped.words and not target.values:
                problems.append(f"columns.{name}.words: {name} may hold any word, so there is nothing to map")
            unknown = sorted(set(mapped.words.values()) - set(target.values)) if target.values else []
            if unknown:
                problems.append(f"columns.{name}.words: {', '.join(unknown)} is none of {', '.join(target.values)}")
        if not self.columns.keys() & {"submitted_at", "queued_at", "started_at", "ended_at"}:
            problems.append("columns: map at least one of submitted_at, queued_at, started_at, ended_at")
        if problems:
            raise ValueError("\n".join(problems))
        return self


def load_mapping(path: Path) -> Mapping:
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


def parse_mapping(text: str, place: str) -> Mapping:
    """Read a mapping from YAML text; `place` names it in errors.

    Raises:
        ConfigError: With every mistake in it.
    """
    raw = parse_yaml(text, place)
    if not isinstance(raw, dict):
        raise ConfigError(place, [("", "a mapping is needed; begin with `name:` and `columns:`")])
    try:
        return Mapping.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(place, _problems(error)) from error


def _problems(error: ValidationError) -> Sequence[tuple[str, str]]:
    found = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "unknown key" + (f"; accepted here: {', '.join(Mapping.model_fields)}" if len(item["loc"]) == 1 else "")
        for line in message.split("\n"):
            place, _, rest = line.partition(": ")
            found.append((place, rest) if not path and rest else (path, line))
    return found

"""Small logs of models, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

import polars as pl
import pytest

from pipesim.trace import Trace

START = datetime(2024, 1, 1)


@dataclass
class Log:
    """A log of runs that each train one version and, if asked to, have later tasks; it lasts 28 days."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    assets: list[dict[str, Any]] = field(default_factory=list)
    io: list[dict[str, Any]] = field(default_factory=list)

    def version(
        self,
        model: str,
        first: dict[str, float] | None = None,
        last: dict[str, float] | None = None,
        tasks: Sequence[str] = ("train",),
        read_bytes: int | None = None,
        **columns: Any,
    ) -> str:
        """Add a run that trains a version and is measured, and return its number; columns are those of its rows."""
        number = str(len(self.runs))
        row = {
            "run_id": f"r{number}",
            "pipeline_name": model,
            "status": "SUCCEEDED",
            "raw_status": "ok",
            "submitted_at": START + timedelta(minutes=len(self.runs)),
            "observed_until": START + timedelta(days=28),
            "time_basis": "utc",
            **columns,
        }
        self.runs.append(row)
        for kind in tasks:
            task = {
                "task_id": kind,
                "attempt": 1,
                "task_name": kind,
                "task_type": kind,
                "is_censored": False,
                "duration_s": 9.0,
            }
            self.tasks.append({**row, **task, "read_bytes": read_bytes if kind == "preprocess" else None})
        self.models.append({"model_id": model, "version": number, "produced_by_run_id": f"r{number}"})
        for step, values in enumerate((first or {}, last or {})):
            for metric, value in values.items():
                self.measure(model, number, metric, value, step=step)
        return number

    def measure(
        self, model: str, version: str, metric: str, value: Any, phase: str = "static", step: int = 0, day: float = 0
    ) -> None:
        """Add a measurement."""
        at = START + timedelta(days=day)
        keys = ("model_id", "version", "metric", "phase", "step", "measured_at", "value")
        self.metrics.append(dict(zip(keys, (model, version, metric, phase, step, at, value), strict=True)))

    def live(self, model: str, version: str, days: Sequence[float], values: Sequence[float]) -> Self:
        """Add live measurements of performance."""
        for step, (day, value) in enumerate(zip(days, values, strict=True)):
            self.measure(model, version, "performance", value, "live", step, day)
        return self

    def trace(self) -> Trace:
        """Return the log as a trace."""
        frames = {
            "pipeline_runs": self.runs,
            "task_runs": self.tasks,
            "models": self.models,
            "model_metrics": self.metrics,
            "data_assets": self.assets,
            "task_io": self.io,
        }
        return Trace({name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in frames.items() if rows})


@pytest.fixture
def log() -> Log:
    return Log()

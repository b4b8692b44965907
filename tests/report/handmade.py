"""Small lakes with and without a lifecycle, and a reader of pages."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import polars as pl

from pipesim.lake import Lake
from pipesim.schema import TRACE_TABLES, with_provenance
from pipesim.trace import Trace

HOSTILE = "</script><img src=x onerror=\"alert('1')\">'; DROP TABLE x; --"
START = datetime(2026, 3, 4, 10)


def frames(first: datetime, *, simulated: bool, slow: float = 1.0) -> dict[str, pl.DataFrame]:
    """Forty runs of two tasks, one of which waits; the names are hostile."""
    runs, tasks = [], []
    for i in range(40):
        submitted = first + timedelta(hours=5 * i)
        done = submitted + timedelta(seconds=(600 + 60 * i) * slow)
        times = {"started_at": submitted, "ended_at": done} if simulated else {}
        words = {"status": "SUCCEEDED", "raw_status": "SUCCEEDED"}
        runs.append(
            {"run_id": f"r{i}", "pipeline_name": HOSTILE, "tenant": HOSTILE, "submitted_at": submitted, **words, **times,
             "observed_until": first + timedelta(days=9), "time_basis": "utc"}
        )  # fmt: skip
        for j, (kind, framework) in enumerate((("preprocess", None), ("train", HOSTILE if i % 3 else "SparkML"))):
            queue = {"queued_at": submitted, "started_at": submitted + timedelta(seconds=i * j * slow), "ended_at": done}
            tasks.append(
                {"run_id": f"r{i}", "task_id": f"t{j}", "attempt": 1, "task_name": HOSTILE, "task_type": kind,
                 "framework": framework, **words, "duration_s": float(i * (j + 1)), "is_censored": False,
                 **(queue if simulated else {}), "pool": HOSTILE if simulated else None, "gpus": float(j)}
            )  # fmt: skip
    pools = [{"pool": HOSTILE, "valid_from": first - timedelta(days=1), "kind": "gpu", "gpus": 4.0}]
    return {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in
            (("pipeline_runs", runs), ("task_runs", tasks), ("pools", pools))}  # fmt: skip


def observe(lake: Lake, *, times: bool = True) -> None:
    with lake.transaction() as tx:
        for table, frame in frames(START, simulated=times).items():
            marked = frame.with_columns(source=pl.lit(HOSTILE), source_file=pl.lit("a"), source_line=1, ingest_id=pl.lit("i"))
            tx.write_frame(with_provenance(TRACE_TABLES[table]).conform(marked), lake.observed_file(table, "i"))


class Page(HTMLParser):
    """The tags of a page, the text outside of scripts, and the scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and self.scripts:
            attrs, text = self.scripts[-1]
            self.scripts[-1] = (attrs, text + data)

    def specs(self) -> list[dict[str, Any]]:
        return [json.loads(text) for attrs, text in self.scripts if attrs.get("type") == "application/json"]


MONDAY = datetime(2026, 3, 2)
WEEKS = 2
#: (hours since the Monday, performance)
Looks = list[tuple[float, float]]


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


def lifecycle(
    retrainings: int,
    performance: float,
    *,
    gpus: float | None = 1.0,
    hours: float = 1.0,
    wait_s: float = 60,
    models: dict[str, Looks] | None = None,
) -> dict[str, pl.DataFrame]:
    """Two weeks from the first to the last run of users, and models that are retrained every six hours, in turn.

    Every version performs as given all the time, but a model's first as `models` says.
    """
    models = models or {HOSTILE: [(0, performance)]}
    runs, tasks, versions, metrics = [], [], [], []
    words = {"status": "SUCCEEDED", "raw_status": "SUCCEEDED"}
    work = [(f"u{i}", "users", None, 168 * WEEKS * i, wait_s) for i in range(2)]
    names = list(models)
    work += [(f"retrain-{i}", names[i % len(names)], "drift", 6.0 * (i + 1), 2 * wait_s) for i in range(retrainings)]
    for run_id, pipeline, trigger, hour, wait in work:
        times = {"started_at": at(hour), "ended_at": at(hour + wait / 3600 + hours)}
        runs.append(
            {"run_id": run_id, "pipeline_name": pipeline, "trigger": trigger, "submitted_at": at(hour), **words, **times,
             "observed_until": at(168 * WEEKS + 24), "time_basis": "utc"}
        )  # fmt: skip
        tasks.append(
            {"run_id": run_id, "task_id": "t", "attempt": 1, "task_name": "t", "task_type": "train", **words, **times,
             "queued_at": at(hour), "started_at": at(hour + wait / 3600), "is_censored": False, "gpus": gpus}
        )  # fmt: skip
    for model, looks in models.items():
        versions.append({"model_id": model, "version": "0", "created_at": at(0), "deployed_at": at(looks[0][0])})
        metrics += [measured(model, "0", step, hour, value) for step, (hour, value) in enumerate(looks)]
    for i in range(retrainings):
        model, version, hour = names[i % len(names)], str(i + 1), 6.0 * (i + 1) + hours
        times = {"created_at": at(hour), "deployed_at": at(hour)}
        versions.append({"model_id": model, "version": version, "produced_by_run_id": f"retrain-{i}", **times})
        metrics.append(measured(model, version, 0, hour, performance))
    given = {"pipeline_runs": runs, "task_runs": tasks, "models": versions, "model_metrics": metrics}
    return {name: TRACE_TABLES[name].conform(pl.DataFrame(rows, infer_schema_length=None)) for name, rows in given.items()}


def measured(model: str, version: str, step: int, hour: float, value: float) -> dict[str, Any]:
    return {"model_id": model, "version": version, "metric": "performance", "phase": "live", "step": step,
            "measured_at": at(hour), "value": value}  # fmt: skip


def simulate(lake: Lake, name: str, *replications: dict[str, pl.DataFrame], objective: float | None = None) -> None:
    """Store a scenario as a simulation would."""
    manifest = {"scenario": {"name": name, "lifecycle": {"objective": objective}}}
    for number, tables in enumerate(replications):
        lake.save_simulated(Trace(tables, "simulated", name), number, pl.DataFrame({"a": [1]}), manifest)

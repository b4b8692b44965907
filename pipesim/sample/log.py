"""The sample logs: what the reference platform's history looks like in files, with the disorder that real logs have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipesim.sample import truth
from pipesim.sample.damage import Damage, damages
from pipesim.sample.events import Event, events
from pipesim.sample.history import build_platform_trace, observe
from pipesim.streams import stream
from pipesim.trace import Trace

#: An event reaches its file within two seconds, but this share of them later by an exponential delay of this mean.
LATE_SHARE = 0.04
LATE_MEAN_S = 1500.0
#: How many event lines and how many CSV lines are written twice; the copy comes within an hour.
REPEATED_EVENTS = 75
REPEATED_ROWS = 5
BLANK_LINES = 3

_COLUMNS = {
    "task_edges": ("run_id", "task_id", "parent_task_id"),
    "task_io": ("run_id", "task_id", "attempt", "direction", "asset_id", "version", "row_count", "size_bytes"),
    "data_assets": ("asset_id", "version", "namespace", "row_count", "column_count", "size_bytes", "created_at"),
    "models": ("model_id", "version", "produced_by_run_id", "framework", "size_bytes", "created_at"),
    "model_metrics": ("model_id", "version", "metric", "phase", "step", "measured_at", "value"),
    "pools": ("pool", "valid_from", "kind", "node_count", "cpu_cores", "gpus", "gpu_type"),
}


@dataclass(frozen=True)
class SampleLog:
    """The files of a log and what an ingest must make of them.

    Args:
        files: The bytes of each file by its name.
        accounting: See `expected_accounting`.
    """

    files: Mapping[str, bytes]
    accounting: Mapping[str, Any]


@cache
def sample_log(seed: int = truth.DEFAULT_SEED, days: int = truth.DAYS) -> SampleLog:
    """Return the log of the first `days` days of the reference platform."""
    trace = observe(build_platform_trace(seed, days), days)
    good = events(trace)
    harm = damages(trace, good)
    weeks = _event_files(seed, trace.pipeline_runs["observed_until"][0], good, harm)
    tables = {f"{name}.csv": _csv_lines(seed, trace, name, harm) for name in _COLUMNS}
    lines = {**weeks, **tables}
    blank_or_header = BLANK_LINES + len(_COLUMNS)
    duplicates = REPEATED_EVENTS + REPEATED_ROWS
    quarantined = sum(damage.lines for damage in harm)
    accounting = {
        "files": len(lines),
        "lines": sum(len(each) for each in lines.values()),
        "rows": {name: trace[name].height for name in trace},
        "valid": len(good) + sum(trace[name].height for name in _COLUMNS),
        "duplicates": duplicates,
        "quarantined": quarantined,
        "blank_or_header": blank_or_header,
        "quarantined_by_kind": {damage.kind: damage.lines for damage in harm},
    }
    return SampleLog({name: ("\n".join(each) + "\n").encode() for name, each in lines.items()}, accounting)


def expected_accounting(seed: int = truth.DEFAULT_SEED, days: int = truth.DAYS) -> dict[str, Any]:
    """Return what an ingest of the sample logs must report.

    Keys: `files`, `lines`, `rows` (canonical rows by table), `valid`, `duplicates`, `quarantined`, `blank_or_header` (lines;
    the last four add up to `lines`) and `quarantined_by_kind` (lines by what is wrong with them).
    """
    return dict(sample_log(seed, days).accounting)


def write_sample(folder: Path, seed: int = truth.DEFAULT_SEED, days: int = truth.DAYS) -> SampleLog:
    """Write the log's files into a folder, which is made if need be, and return the log."""
    log = sample_log(seed, days)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in log.files.items():
        (folder / name).write_bytes(content)
    return log


def _event_files(seed: int, until: datetime, good: Sequence[Event], harm: Sequence[Damage]) -> dict[str, list[str]]:
    """Return the lines of each week's file, in the order in which they reached it."""
    rng = stream(seed, "sample", "shipping")
    repeated = rng.choice(len(good), REPEATED_EVENTS, replace=False)
    written = [*good, *(e for damage in harm for e in damage.events)]
    delay = 2.0 * rng.random(len(written))
    late = rng.random(len(written)) < LATE_SHARE
    delay[late] += LATE_MEAN_S * rng.standard_exponential(int(late.sum()))
    again = delay[repeated] + 3600.0 * rng.random(REPEATED_EVENTS)
    lines = [*written, *(good[i] for i in repeated)]
    last = until - timedelta(microseconds=1)
    reached = [
        min(e.at + timedelta(seconds=float(d)), last) for e, d in zip(lines, np.concatenate([delay, again]), strict=True)
    ]
    files: defaultdict[str, list[str]] = defaultdict(list)
    for i in sorted(range(len(lines)), key=lambda i: (reached[i], i)):
        files[f"events-{reached[i]:%G-W%V}.jsonl"].append(lines[i].line)
    names = sorted(files)
    for i in range(BLANK_LINES):
        week = files[names[i % len(names)]]
        week.insert(len(week) // 2, "")
    return {name: files[name] for name in names}


def _csv_lines(seed: int, trace: Trace, table: str, harm: Sequence[Damage]) -> list[str]:
    """Return the lines of a table's file: header, rows, and what is wrong with them."""
    rows = trace[table].select(_text(name, dtype) for name, dtype in trace[table].schema.items() if name in _COLUMNS[table])
    lines = rows.select(_COLUMNS[table]).write_csv(include_header=False).splitlines()
    if table == "task_io":
        for i in sorted(stream(seed, "sample", "repeated-rows").choice(len(lines), REPEATED_ROWS, replace=False), reverse=True):
            lines.insert(int(i) + 1, lines[int(i)])
    for line in [text for damage in harm for name, text in damage.rows if name == table]:
        lines.insert(len(lines) // 2, line)
    return [",".join(_COLUMNS[table]), *lines]


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Datetime:
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").str.replace(".000Z", "Z", literal=True)
    if dtype == pl.Float64:
        # Values have four decimals at most; whole numbers are written without any.
        return column.cast(pl.Decimal(38, 4)).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    return column

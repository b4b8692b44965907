"""Logs that are too large to be read whole: some runs with all that belongs to them, and what few bytes tell of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import polars as pl

from pipesim.schema import TRACE_TABLES
from pipesim.trace import Trace
from pipesim.workload.arrivals.clock import Instants
from pipesim.workload.draws import Indices
from pipesim.workload.tasks.attempts import with_seconds
from pipesim.workload.tasks.told import Told, tell

#: A log of no more attempts than this is fitted whole.
MOST_ATTEMPTS = 500_000
_KEPT_ATTEMPTS = 400_000
#: Runs are kept in blocks of neighbours, which sessions and busy hours show in.
_BLOCK = 100
_BATCH_ROWS = 500_000
_MEMORY = "400MB"


@dataclass(frozen=True)
class Whole:
    """What a fit takes from all runs of a log of which a trace holds a sample.

    Attributes:
        submitted: The instants of all submissions, ascending.
        told: What all attempts tell of durations.
        until: The last instant that the log covers.
        runs: How many the log has.
        attempts: How many the log has.
    """

    submitted: Instants
    told: Told
    until: datetime
    runs: int
    attempts: int


def sample_of(
    con: duckdb.DuckDBPyConnection, days: tuple[datetime, datetime] | None, spill: str
) -> tuple[Trace, Whole | None] | None:
    """Return evenly spread blocks of 100 runs with all that belongs to them, and what is taken from all runs.

    Of models there are those that these runs made, or none of the log did; of data assets those that they read. Runs that do
    not say when they were submitted are not among them.

    Args:
        con: A connection with the canonical tables in the schema `observed`, as `catalog.snapshot_views` gives it.
        days: The beginning of the window and the instant after its end; None for everything.
        spill: A folder for what DuckDB does not keep in memory.

    Returns:
        None if no run of the window says when it was submitted. If the window has at most half a million attempts, its runs are
        all there, and nothing else is needed.
    """
    con.execute("SET preserve_insertion_order = false")
    con.execute("SET temp_directory = ?", [spill])
    con.execute("SET memory_limit = ?", [_MEMORY])
    inside = "" if days is None else f" WHERE submitted_at >= TIMESTAMP '{days[0]}' AND submitted_at < TIMESTAMP '{days[1]}'"
    con.execute(f"CREATE TEMP VIEW runs AS SELECT * FROM observed.pipeline_runs{inside}")
    submitted = _submitted(con, "")
    if not len(submitted):
        return None
    attempts = _number(con, "observed.task_runs" + ("" if days is None else " SEMI JOIN runs USING (run_id)"))
    if attempts <= MOST_ATTEMPTS:
        return _trace_of(con, _kept_runs(con, submitted, 1.0)), None
    told = _told(con)  # before anything else is held, as it takes the most memory
    kept = _kept_runs(con, submitted, _KEPT_ATTEMPTS / attempts)
    trace = _trace_of(con, kept)
    silent = kept.join(trace.task_runs, on="run_id", how="anti")["pipeline_name"].unique()
    silent = silent.filter(~silent.is_in(kept.join(trace.task_runs, on="run_id", how="semi")["pipeline_name"].implode()))
    if len(silent):
        con.register("silent", silent.to_frame().to_arrow())
        submitted = _submitted(con, " ANTI JOIN silent USING (pipeline_name)")
    runs, until = con.sql("SELECT count(*), max(observed_until) FROM runs").fetchall()[0]
    return trace, Whole(submitted, told, until, runs, attempts)


def _number(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _submitted(con: duckdb.DuckDBPyConnection, joined: str) -> Instants:
    """Return the known instants of submission, ascending."""
    query = f"SELECT epoch_us(submitted_at) AS at FROM runs{joined} WHERE submitted_at IS NOT NULL"
    instants = np.asarray(con.sql(query).fetchnumpy()["at"], dtype=np.int64)
    instants.sort()
    return instants


def _batches(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[pl.DataFrame]:
    for batch in con.sql(query).to_arrow_reader(_BATCH_ROWS):
        frame: Any = pl.from_arrow(batch)
        yield frame


def _kept_runs(con: duckdb.DuckDBPyConnection, submitted: Instants, share: float) -> pl.DataFrame:
    """Return the runs of evenly spread blocks, in the order of submission."""
    blocks = -(-len(submitted) // _BLOCK)
    chosen = np.unique(np.linspace(0, blocks - 1, max(1, round(blocks * share))).round().astype(np.int64))
    first = submitted[chosen * _BLOCK]
    last = submitted[np.minimum(chosen * _BLOCK + _BLOCK, len(submitted)) - 1]
    parts = []
    for batch in _batches(con, f"SELECT {_columns('pipeline_runs')} FROM runs WHERE submitted_at IS NOT NULL"):
        at = batch["submitted_at"].dt.epoch("us").to_numpy()
        block = np.searchsorted(first, at, side="right") - 1
        parts.append(batch.filter(pl.Series((block >= 0) & (at <= last[np.maximum(block, 0)]))))
    runs = pl.concat(parts).sort("submitted_at", "run_id")
    place = _places(runs["submitted_at"].dt.epoch("us").to_numpy(), submitted)
    return runs.filter(pl.Series(np.isin(place // _BLOCK, chosen)))


def _places(at: Instants, submitted: Instants) -> Indices:
    """Return the place of each run among all; of runs of one instant either all are there or none are."""
    begins = np.searchsorted(at, at, side="left")
    return np.asarray(np.searchsorted(submitted, at, side="left") + np.arange(len(at)) - begins)


def _trace_of(con: duckdb.DuckDBPyConnection, runs: pl.DataFrame) -> Trace:
    """Return all tables of some runs, each in the order of its key."""
    con.register("kept", runs.select("run_id").to_arrow())
    others = "SELECT model_id, version FROM observed.models WHERE produced_by_run_id NOT IN (SELECT run_id FROM kept)"
    read = "SELECT DISTINCT asset_id, version FROM observed.task_io SEMI JOIN kept USING (run_id)"
    condition = {
        "models": f"ANTI JOIN ({others}) USING (model_id, version)",
        "model_metrics": f"ANTI JOIN ({others}) USING (model_id, version)",
        "data_assets": f"SEMI JOIN ({read}) USING (asset_id, version)" if _number(con, "observed.task_io") else "",
        "pools": "",
    }
    frames = {"pipeline_runs": runs}
    for name, table in TRACE_TABLES.items():
        if name != "pipeline_runs":
            joined = condition.get(name, "SEMI JOIN kept USING (run_id)")
            frames[name] = con.sql(f"SELECT {_columns(name)} FROM observed.{name} {joined}").pl().sort(table.key)
    return Trace(frames)


def _columns(table: str) -> str:
    return ", ".join(f'"{column.name}"' for column in TRACE_TABLES[table].columns)


def _told(con: duckdb.DuckDBPyConnection) -> Told:
    query = (
        "SELECT task_type, framework, gpus, tasks.status, is_censored, duration_s, tasks.started_at, tasks.ended_at, tenant, "
        "observed_until FROM observed.task_runs AS tasks JOIN runs USING (run_id)"
    )
    return tell(with_seconds(batch) for batch in _batches(con, query))

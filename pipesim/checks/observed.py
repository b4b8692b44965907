"""Whether the rows of the observed trace can be true: they keep the schema, are of a plausible age, and no files contradict."""

from __future__ import annotations

from datetime import datetime

import duckdb
import polars as pl

from pipesim.checks.reading import observed_views
from pipesim.checks.verdict import MOST_ROWS, Figure, Verdict
from pipesim.lake import Lake
from pipesim.schema import TRACE_TABLES, Type
from pipesim.trace import Trace
from pipesim.words import count

_DAY_S = 86_400
#: How far the clocks of the machines that write one log may be apart.
CLOCK_SKEW_S = 60
#: The instants by which a log's end is known. The periods of pools may be planned ahead.
_WITH_INSTANTS = {
    name: columns
    for name, table in TRACE_TABLES.items()
    if name != "pools" and (columns := [c.name for c in table.columns if c.type is Type.INSTANT])
}


def keeps_the_schema(trace: Trace) -> Verdict:
    """Every row keeps every rule of the data model, and no key stands twice."""
    broken = trace.violations()
    words = f"Every rule is kept, by {count(sum(trace[table].height for table in trace), 'row')}."
    if broken:
        words = f"{count(sum(v.rows for v in broken), 'time')} a row breaks a rule, first {broken[0].table}.{broken[0].rule}."
    return Verdict(not broken, words, figures={f"{v.table}.{v.rule}": Figure(v.rows, high=0) for v in broken})


def freshness(lake: Lake, now: datetime, limit_days: float | None = None) -> Verdict:
    """The newest instant of the log is not in the future, and not older than the limit in days where one is set.

    An instant more than a day ahead of the clock is a mistake of clock, zone or unit. A log whose instants are relative has
    no age. The periods of pools do not count, as they may be planned ahead.

    Args:
        lake: The store.
        now: The present instant, naive UTC.
        limit_days: The greatest age; None where any will do.
    """
    with observed_views(lake, *_WITH_INSTANTS) as con:
        newest = _newest(con)
        bases = {basis for (basis,) in con.execute("SELECT DISTINCT time_basis FROM pipeline_runs").fetchall()}
    if newest is None or bases == {"relative"}:
        why = "nothing was ingested that has an instant" if newest is None else "its instants are relative"
        return Verdict(limit_days is None, f"The log's age cannot be told, as {why}.", figures={"age_days": Figure(None)})
    instant, column = newest
    age = (now - instant).total_seconds() / _DAY_S
    figures = {"age_days": Figure(age, low=-1.0, high=limit_days)}
    words = f"The newest instant of the log is {instant:%Y-%m-%d %H:%M:%S} UTC in {column}, "
    words += f"{age:.1f} days ago." if age >= 0 else f"{-age:.1f} days in the future."
    return Verdict(figures["age_days"].ok, words, figures=figures)


def overlapping_ids(lake: Lake) -> Verdict:
    """No two files contradict each other about a run or an attempt.

    They do where one says that it ended in one way and the other in another, and where a run's own row and its task's, from
    different files or versions of a file, cannot be of one run: the task was queued before the run was submitted, or started
    before or after the run did, by more than a minute. Rows that cannot be of one run stand in the trace and are an error:
    take one of the files away and ingest the others afresh (docs/operations.md). Lines that tell of another end than an earlier
    file are refused, so that the trace holds the first, and are a warning. A file that contradicts itself is only told.
    """
    with observed_views(lake, "pipeline_runs", "task_runs", "quarantine") as con:
        ends = _conflicting_ends(con)
        times = _conflicting_times(con)
    between, unclear = ends.filter(pl.col("files").list.len() > 1), ends.filter(pl.col("run_id").is_null())
    contradictions = pl.concat([between.with_columns(pl.col("files").list.join(", ")), times]).sort("run_id", "task_id")
    within = ends.height - between.height - unclear.height
    figures = {
        "ended_in_two_ways": Figure(between.height, high=0),
        "of_two_runs": Figure(times.height, high=0),
        "within_one_file": Figure(within),
        "unclear": Figure(unclear.height, high=0),
    }
    words = "No two files contradict each other."
    if contradictions.height:
        words = f"Files contradict each other about {count(contradictions['run_id'].n_unique(), 'run')}."
    elif unclear.height:
        words = f"Lines of {count(unclear.height, 'file')} contradict what was read before, and it cannot be told what that is."
    if within:
        words = f"{words[:-1]}; a file contradicts itself about {count(within, 'key')}."
    shown = contradictions if contradictions.height else unclear.with_columns(pl.col("files").list.join(", "))
    return Verdict(
        passed=shown.is_empty(),
        severity="error" if times.height else "warn",
        words=words,
        figures=figures,
        tables={} if shown.is_empty() else {"contradictions": shown.head(MOST_ROWS)},
    )


def _newest(con: duckdb.DuckDBPyConnection) -> tuple[datetime, str] | None:
    parts = [
        f"SELECT max({column}) AS newest, '{table}.{column}' AS place FROM {table}"
        for table, columns in _WITH_INSTANTS.items()
        for column in columns
    ]
    # What the log's end was taken from comes before the end itself.
    order = "newest DESC, place LIKE '%.observed_until', place"
    found = con.execute(f"FROM ({' UNION ALL '.join(parts)}) WHERE newest IS NOT NULL ORDER BY {order} LIMIT 1").fetchall()
    return found[0] if found else None


def _conflicting_ends(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return the keys that the quarantine holds two terminal states of, with the files that tell of them.

    A line that is no JSON object with a run_id does not show its key: such lines are one row a file, run_id NULL.
    """
    found: pl.DataFrame = con.sql(
        """
        WITH refused AS (
            SELECT source_file, detail, CASE WHEN json_valid(raw) THEN raw::JSON END AS record
            FROM quarantine WHERE rule = 'conflicting_terminal_states'
        ),
        lines AS (
            SELECT
                source_file, detail, record->>'$.run_id' AS run_id, record->>'$.task_id' AS task_id,
                CASE WHEN record->>'$.task_id' IS NOT NULL
                    THEN coalesce(try_cast(record->>'$.attempt' AS BIGINT), 1) END AS attempt
            FROM refused
        ),
        told AS (
            SELECT * FROM lines
            UNION ALL
            SELECT t.source_file, NULL, run_id, task_id, attempt
            FROM task_runs AS t SEMI JOIN lines USING (run_id, task_id, attempt)
            UNION ALL
            SELECT r.source_file, NULL, run_id, NULL, NULL
            FROM pipeline_runs AS r SEMI JOIN (FROM lines WHERE task_id IS NULL) USING (run_id)
        )
        SELECT
            run_id, task_id, attempt, list(DISTINCT source_file ORDER BY source_file) AS files, min(detail) AS problem
        FROM told GROUP BY run_id, task_id, attempt, CASE WHEN run_id IS NULL THEN source_file END
        ORDER BY ALL
        """
    ).pl()
    return found


def _conflicting_times(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return the attempts whose instants and those of their run's row, from another file, cannot be of one run."""
    skew = f"INTERVAL {CLOCK_SKEW_S} SECOND"
    found: pl.DataFrame = con.sql(
        f"""
        WITH pairs AS (
            SELECT
                t.run_id, t.task_id, t.attempt, [t.source_file, r.source_file] AS files,
                CASE
                    WHEN t.queued_at < r.submitted_at - {skew} THEN 'queued before the run was submitted'
                    WHEN t.started_at < r.submitted_at - {skew} THEN 'started before the run was submitted'
                    WHEN t.started_at < r.started_at - {skew} THEN 'started before the run did'
                    WHEN t.started_at > r.ended_at + {skew} THEN 'started after the run had ended'
                END AS problem
            FROM task_runs AS t JOIN pipeline_runs AS r USING (run_id)
            WHERE (t.source_file, t.ingest_id) <> (r.source_file, r.ingest_id)
        )
        SELECT run_id, task_id, attempt, array_to_string(list_distinct(files), ', ') AS files, problem
        FROM pairs WHERE problem IS NOT NULL ORDER BY ALL
        """
    ).pl()
    return found

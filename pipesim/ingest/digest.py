"""Files in, whole rows out, in a connection's temporary tables: staged, folded, held to the rules, and accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import numpy as np
import pyarrow as pa

from pipesim.catalog import quote
from pipesim.errors import FileError, RequestError
from pipesim.ingest.accounts import FileAccount
from pipesim.ingest.bundles import stage_files
from pipesim.ingest.folding import fold, reject_bad_rows
from pipesim.ingest.reading.files import COMPRESSIONS, LogFile
from pipesim.ingest.reading.lines import RAW_CHARACTERS, read_lines
from pipesim.ingest.reading.tabular import find_form, read_records
from pipesim.ingest.reading.unit_records import raw_units
from pipesim.ingest.references import reject_bad_runs
from pipesim.ingest.sources.base import Source
from pipesim.ingest.staging import Staging
from pipesim.lake import Lake
from pipesim.schema import TRACE_TABLES

#: Logs of fewer bytes in all are small.
_SMALL_BYTES = 1 << 20
#: How many refused lines are read again before they are put in their place.
_FETCHED = 10_000


def digest_files(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    files: Sequence[LogFile],
    source: Source,
    failed: dict[int, FileError] | None = None,
) -> tuple[list[FileAccount], dict[str, int]]:
    """Read, type, check, fold and account for files; the lake stays as it is.

    Args:
        con: The connection.
        lake: The store with whose rows those of the files are folded.
        files: The files.
        source: Their format.
        failed: Where the errors of files that cannot be read are put, by the file's number; by default they are raised. With
            any of them, nothing more is done.

    Returns:
        An account a file; and how many rows of the lake each table supersedes. `final_<table>` holds the rows that would be
        stored, and `rejected` what was refused.
    """
    _set_zone(con, source.time_zone)
    staging = Staging(con, source.time_zone)
    with _planned(con, files):
        accounts = stage_files(staging, files, source, failed)
    if failed:
        return accounts, {}
    staging.identify(f"{source.name}-")
    superseded = _fold_all(staging, lake)
    _fetch_raw(staging, files, source)
    _account(con, accounts)
    return accounts, superseded


@contextmanager
def _planned(con: duckdb.DuckDBPyConnection, files: Sequence[LogFile]) -> Iterator[None]:
    """Have statements optimised only where the logs are not small: for these it takes longer than to carry them out."""
    # What a compressed file holds is not known yet.
    small = sum(file.size for file in files) < _SMALL_BYTES and not any(file.path.suffix in COMPRESSIONS for file in files)
    if small:
        con.execute("PRAGMA disable_optimizer")
    try:
        yield
    finally:
        if small:
            con.execute("PRAGMA enable_optimizer")


def _set_zone(con: duckdb.DuckDBPyConnection, zone: str) -> None:
    try:
        con.execute(f"SET TimeZone = {quote(zone)}")
    except duckdb.Error as error:
        raise RequestError(
            f"unknown time zone {zone!r}", where="--timezone", remedy="use an IANA name such as Europe/Vienna"
        ) from error


def _fold_all(staging: Staging, lake: Lake) -> dict[str, int]:
    """Fold until nothing more is refused; returns how many rows of the lake each table supersedes."""
    superseded: dict[str, int] = {}
    stale = list(TRACE_TABLES)
    references_checked = False
    while stale:
        for name in stale:
            superseded[name] = fold(staging, lake, TRACE_TABLES[name]).superseded
        before = staging.count("rejected")
        for name in stale:
            reject_bad_rows(staging, TRACE_TABLES[name])
        if staging.count("rejected") == before and not references_checked:
            reject_bad_runs(staging, lake)
            references_checked = True
        stale = staging.drop_rejected_lines() if staging.count("rejected") > before else []
        if stale and "pipeline_runs" not in stale:
            stale.append("pipeline_runs")  # the end of the log may have been on a line that is gone
    return superseded


def _fetch_raw(staging: Staging, files: Sequence[LogFile], source: Source) -> None:
    """Read again the lines that were refused only once they had been folded, to keep them as they stand."""
    con = staging.con
    missing = con.execute("SELECT DISTINCT file_no, line FROM rejected WHERE raw IS NULL ORDER BY ALL").fetchall()
    wanted: dict[int, list[int]] = {}
    for number, line in missing:
        wanted.setdefault(number, []).append(line)
    found: list[pa.Table] = []
    waiting, last = 0, next(reversed(wanted), None)
    for number, lines in wanted.items():
        table = _lines_of(con, files[number], source, lines)
        found.append(table.append_column("file_no", pa.repeat(pa.scalar(number, pa.int32()), len(table))))
        waiting += len(table)
        if waiting >= _FETCHED or number == last:
            con.register("found_lines", pa.concat_tables(found))
            con.execute(
                "UPDATE rejected SET raw = found.raw FROM found_lines found "
                "WHERE rejected.raw IS NULL AND rejected.file_no = found.file_no AND rejected.line = found.line"
            )
            con.unregister("found_lines")
            found, waiting = [], 0


def _lines_of(con: duckdb.DuckDBPyConnection, file: LogFile, source: Source, wanted: list[int]) -> pa.Table:
    """Return `line` and `raw` of the wanted lines (ascending) of a file."""
    if (units := source.units(file)) is not None:
        return pa.table({"line": wanted, "raw": raw_units(units, wanted)})
    if file.format == "parquet":
        con.register("wanted_lines", pa.table({"line": wanted}))
        for records in read_records(con, {0: file}, {0: find_form(con, file, None)}):
            raw = f'SELECT "#place" AS line, left("#text", {RAW_CHARACTERS}) AS raw FROM ({records.select([])})'
            return con.sql(f"SELECT * FROM ({raw}) SEMI JOIN wanted_lines USING (line)").pl().to_arrow()
    lines = np.array(wanted)
    found: list[str] = []
    for batch in read_lines(file):
        inside = lines[(lines >= batch.first) & (lines < batch.first + len(batch))] - batch.first
        found += [
            text.rstrip("\r\n")[:RAW_CHARACTERS] for text in batch.text.take(pa.array(inside.tolist(), pa.int64())).to_pylist()
        ]
    return pa.table({"line": wanted, "raw": found})


def _account(con: duckdb.DuckDBPyConnection, accounts: list[FileAccount]) -> None:
    """Count what became of each line, each class by itself, and insist that no line is missing or counted twice."""
    places = " UNION ALL ".join(
        f"SELECT s.file_no, s.line, r.line IS NOT NULL AS again FROM staged_{t} s "
        f"LEFT JOIN (SELECT DISTINCT file_no, line FROM repeated_{t}) r USING (file_no, line)"
        for t in TRACE_TABLES
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE fates AS "
        f"SELECT file_no, count(*) FILTER (NOT again) AS valid, count(*) FILTER (again) AS repeated "
        f"FROM (SELECT file_no, line, bool_and(again) AS again FROM ({places}) GROUP BY file_no, line) GROUP BY file_no"
    )
    fates = {n: (valid, repeated) for n, valid, repeated in con.execute("FROM fates").fetchall()}
    refused = dict(con.execute("SELECT file_no, count(DISTINCT line) FROM rejected GROUP BY file_no").fetchall())
    waiting = ", ".join({quote(rule.name) for t in TRACE_TABLES.values() for rule in t.rules if rule.whole})
    lacking = dict(
        con.execute(
            "SELECT file_no, count(*) FROM (SELECT file_no, line FROM rejected GROUP BY ALL "
            f"HAVING bool_or(stage = 'reference' OR rule IN ({waiting}))) GROUP BY file_no"
        ).fetchall()
    )
    rows = {t: dict(con.execute(f"SELECT file_no, count(*) FROM final_{t} GROUP BY file_no").fetchall()) for t in TRACE_TABLES}
    for number, account in enumerate(accounts):
        account.lacking = lacking.get(number, 0)
        account.valid, account.duplicates = fates.get(number, (0, 0))
        account.quarantined = refused.get(number, 0)
        account.rows = {t: held[number] for t, held in rows.items() if number in held}
        accounted = account.valid + account.duplicates + account.quarantined + account.blank_or_header
        if accounted != account.lines:
            raise AssertionError(f"{account.file}: {account.lines} lines were read but {accounted} accounted for: {account}")

"""The ingest verb: log files in, canonical rows in the lake out, and every line accounted for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from pipesim import __version__
from pipesim.catalog import quote, quote_name
from pipesim.errors import FileError, RequestError
from pipesim.ingest.accounts import (
    BadLine,
    FileAccount,
    IngestReport,
    Manifest,
    RefusedFile,
    complete,
    fresh,
    manifests,
    read_before,
    told,
)
from pipesim.ingest.accounts import accounts as read_accounts
from pipesim.ingest.folding import fold, reject_bad_rows
from pipesim.ingest.mapping.shaping import shaped
from pipesim.ingest.reading.files import COMPRESSIONS, LogFile, find_files
from pipesim.ingest.reading.lines import RAW_CHARACTERS, read_lines
from pipesim.ingest.reading.records import field_names, read_records, stream_records
from pipesim.ingest.reading.unit import Unit
from pipesim.ingest.reading.unit_records import raw_units, unit_records
from pipesim.ingest.references import reject_bad_runs
from pipesim.ingest.sources.base import Projection, Source
from pipesim.ingest.sources.native import NATIVE_FIELDS
from pipesim.ingest.staging import Staging
from pipesim.ingest.storing import Batch, store
from pipesim.lake import Lake, connect, content_hash, file_hash
from pipesim.schema import TRACE_TABLES
from pipesim.words import count

#: DuckDB spills to disk beyond this, so that a log larger than memory passes.
MEMORY_LIMIT = "1500MB"
#: Logs of fewer bytes in all are small.
_SMALL_BYTES = 1 << 20
#: How many rows of a Parquet file are shaped at a time.
_SHAPED_ROWS = 200_000
#: How many bad lines of a refused file are told.
_SHOWN = 5


def ingest(lake: Lake, paths: Sequence[Path], source: Source, *, leave_out_bad: bool = False) -> IngestReport:
    """Read log files, refuse what is broken with its reason, fold what is repeated, and store the rest.

    All files land together or none does. Files whose bytes the lake has seen under the same source are not read again.

    Args:
        lake: The store.
        paths: Files, or folders standing for the log files in them.
        source: The log format.
        leave_out_bad: Whether to go on without a file that cannot be read, or most lines of which are no such log's.

    Raises:
        FileError: If a file cannot be read at all, and none is to be left out; nothing is stored then.
        RequestError: If the source does not know its time zone.
    """
    unreadable: list[FileError] = []
    files = find_files(paths, unreadable if leave_out_bad else None, source.suffixes)
    return ingest_files(lake, files, source, unreadable, leave_out_bad=leave_out_bad)


def ingest_files(
    lake: Lake, files: Sequence[LogFile], source: Source, unreadable: Sequence[FileError] = (), *, leave_out_bad: bool = False
) -> IngestReport:
    """Do what `ingest` does with files that have been found; `unreadable` tells of those that are left out already."""
    begun = time.perf_counter()
    source, files = source.among(files)
    refused = [RefusedFile(error.where or "", told(error)) for error in unreadable]
    with lake.lock("ingest"):
        earlier = manifests(lake)
        known = complete(read_before(earlier, source))
        new = fresh(files, known)
        while new:
            try:
                known.update((account.digest, account) for account in _load(lake, new, source, earlier, leave_out_bad))
                break
            except _BadFilesError as error:
                # Again without them, as a row of a bad file may have been folded into one of a good file.
                bad = {f.digest: f.name for f in new if f.name in {r.file for r in error.files}}
                new = [f for f in new if f.digest not in bad]
                refused += error.files
                refused += [_twin(f, bad) for f in files if f.digest in bad and f.name not in bad.values()]
    left_out = {r.file for r in refused}
    digests = {f.name: f.digest for f in files if f.name not in left_out}
    counted = list({digest: known[digest] for digest in digests.values()}.values())
    unchanged = [name for name in digests if name not in {f.name for f in new}]
    return IngestReport(counted, unchanged, refused, digests, time.perf_counter() - begun)


def _twin(file: LogFile, bad: dict[str, str]) -> RefusedFile:
    return RefusedFile(file.name, f"it has the same content as {bad[file.digest]}, which was refused")


class _BadFilesError(Exception):
    """Some files are not to be stored."""

    def __init__(self, files: list[RefusedFile]) -> None:
        super().__init__(len(files))
        self.files = files


def _load(lake: Lake, files: list[LogFile], source: Source, earlier: list[Manifest], leave_out_bad: bool) -> list[FileAccount]:
    with lake.transaction() as tx, connect(MEMORY_LIMIT) as con:
        con.execute(f"SET temp_directory = {quote(str(tx.scratch / 'spill'))}")
        ingest_id = _new_id(lake, source, files)
        accounts, superseded = digest_files(con, lake, files, source, leave_out_bad=leave_out_bad)
        for account, file in zip(accounts, files, strict=True):
            account.digest, account.ingest_id = file.digest, ingest_id
            file.insist_unchanged()
        if leave_out_bad and (bad := [_refusal(con, n, a) for n, a in enumerate(accounts) if _mostly_bad(a)]):
            raise _BadFilesError(bad)
        before = read_before(earlier, source)
        if not any(a.rows for a in accounts) and all(
            a.digest in before and a.quarantined == before[a.digest].quarantined for a in accounts
        ):
            return [before[a.digest] for a in accounts]  # what was missing is missing still
        superseded_refusals = [(a.ingest_id, a.file) for m in earlier for a in read_accounts(m) if _covers(files, a)]
        store(tx, lake, con, Batch(ingest_id, source.name, [f.name for f in files], superseded, superseded_refusals))
        manifest = {
            "ingest_id": ingest_id,
            "source": source.fingerprint(),
            "source_name": source.name,
            "files": [asdict(account) for account in accounts],
            "pipesim": __version__,
        }
        tx.write_json(manifest, lake.ingest_manifest(ingest_id))
    return accounts


def digest_files(
    con: duckdb.DuckDBPyConnection, lake: Lake, files: Sequence[LogFile], source: Source, *, leave_out_bad: bool = False
) -> tuple[list[FileAccount], dict[str, int]]:
    """Read, type, check, fold and account for files, all in a connection's temporary tables; the lake stays as it is.

    Returns:
        An account a file; and how many rows of the lake each table supersedes. `final_<table>` holds the rows that would be
        stored, and `rejected` what was refused.
    """
    _set_zone(con, source.time_zone)
    staging = Staging(con, source.time_zone)
    with _planned(con, files):
        accounts = _stage_all(staging, files, source, leave_out_bad)
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


def _stage_all(staging: Staging, files: Sequence[LogFile], source: Source, leave_out_bad: bool) -> list[FileAccount]:
    staged: list[FileAccount] = []
    bad: list[RefusedFile] = []
    for number, file in enumerate(files):
        try:
            staged.append(_stage(staging, number, file, source))
        except FileError as error:
            if not leave_out_bad:
                raise
            bad.append(RefusedFile(file.name, told(error)))
    if bad:
        raise _BadFilesError(bad)
    return staged


def _mostly_bad(account: FileAccount) -> bool:
    """Whether over half of a file's lines are no such log's, whatever else may come."""
    return account.quarantined - account.lacking > (account.lines - account.blank_or_header) / 2


def _refusal(con: duckdb.DuckDBPyConnection, number: int, account: FileAccount) -> RefusedFile:
    query = "SELECT line, stage, rule, detail, coalesce(raw, '') FROM rejected"
    first = con.execute(f"{query} WHERE file_no = {number} ORDER BY ALL LIMIT {_SHOWN}").fetchall()
    lines = count(account.lines - account.blank_or_header, "line")
    reason = f"{account.quarantined} of its {lines} refused: is it of another format?"
    return RefusedFile(account.file, reason, tuple(BadLine(*row) for row in first))


def _covers(files: list[LogFile], account: FileAccount) -> bool:
    """Whether all lines of an earlier file have been read again now.

    That is so for the same bytes, for the beginning of a file that grew, and for a database, whose rows stay where they are.
    """
    return any(
        f.digest == account.digest
        or (f.name == account.file and f.format == "sqlite")
        or (f.name == account.file and 0 < account.bytes < f.size and file_hash(f.path, account.bytes) == account.digest)
        for f in files
    )


def _set_zone(con: duckdb.DuckDBPyConnection, zone: str) -> None:
    try:
        con.execute(f"SET TimeZone = {quote(zone)}")
    except duckdb.Error as error:
        raise RequestError(
            f"unknown time zone {zone!r}", where="--timezone", remedy="use an IANA name such as Europe/Vienna"
        ) from error


def _new_id(lake: Lake, source: Source, files: list[LogFile]) -> str:
    """Return an identifier that follows from what is read, and from how often it was read before."""
    parts = [source.fingerprint(), *(f.digest for f in files)]
    while lake.ingest_manifest(content_hash(*parts)).exists():
        parts.append("again")
    return content_hash(*parts)


def _stage(staging: Staging, number: int, file: LogFile, source: Source) -> FileAccount:
    account = FileAccount(file.name, bytes=file.size)
    wanted = source.wanted_fields(file)
    if (units := source.units(file)) is not None:
        return _stage_units(staging, number, account, units, source.projections(file, NATIVE_FIELDS))
    if file.format == "sqlite":
        raise FileError(
            "this is a SQLite database", where=file.name, remedy="name the system it belongs to, as in --source mlflow"
        )
    layout, shape = source.layout(file), source.shape(file)
    present = field_names(staging.con, file, wanted, layout)
    projections = source.projections(file, [*present, *(shape.fields if shape else [])])
    unused: set[str] = set()
    rest = None
    if shape is None and (plain := stream_records(staging.con, file, wanted)):
        lines, streamed = plain
        if staging.add_at_once(number, streamed, projections, once=True):
            account.lines, rest = lines.lines, lines.rest()
            unused |= streamed.unused() | _unread(streamed.fields, projections)
    batches = read_records(staging.con, file, wanted, rest, layout, _SHAPED_ROWS if shape else None)
    for batch in shaped(staging.con, batches, shape) if shape else batches:
        records = staging.add(number, batch, projections)
        account.lines += records.lines
        account.blank_or_header += records.blank_or_header
        unused |= records.unused() or _unread(records.fields, projections)
    account.unused = sorted(unused - source.known_unused() - (shape.reads if shape else frozenset()))
    return account


def _stage_units(
    staging: Staging, number: int, account: FileAccount, units: Iterator[Unit], projections: Sequence[Projection]
) -> FileAccount:
    unused: set[str] = set()
    for batch in unit_records(staging.con, units, NATIVE_FIELDS):
        records = staging.add(number, batch, projections)
        account.lines += records.lines
        account.blank_or_header += records.blank_or_header
        unused |= records.unused()
    # What was refused so far shows the record; what is kept of a refused entry is how it stands in the file.
    staging.con.execute("UPDATE rejected SET raw = NULL WHERE file_no = ? AND stage NOT IN ('read', 'parse')", [number])
    account.unused = sorted(unused)
    return account


def _unread(fields: Sequence[str], projections: Sequence[Projection]) -> set[str]:
    read = " ".join(f.sql for p in projections for f in [*p.fields.values(), *([p.event_at] if p.event_at else [])])
    read += " ".join(p.where for p in projections)
    return {name for name in fields if quote_name(name) not in read}


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
    for number in sorted({file_no for file_no, _ in missing}):
        wanted = [line for file_no, line in missing if file_no == number]
        con.register("found_lines", _lines_of(con, files[number], source, wanted))
        con.execute(
            f"UPDATE rejected SET raw = found.raw FROM found_lines found "
            f"WHERE rejected.raw IS NULL AND rejected.file_no = {number} AND rejected.line = found.line"
        )
        con.unregister("found_lines")


def _lines_of(con: duckdb.DuckDBPyConnection, file: LogFile, source: Source, wanted: list[int]) -> pa.Table:
    """Return `line` and `raw` of the wanted lines (ascending) of a file."""
    if (units := source.units(file)) is not None:
        return pa.table({"line": wanted, "raw": raw_units(units, wanted)})
    if file.format == "parquet":
        con.register("wanted_lines", pa.table({"line": wanted}))
        for records in read_records(con, file, None):
            raw = f'SELECT "#line" AS line, left("#text", {RAW_CHARACTERS}) AS raw FROM ({records.select([])})'
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
    for number, account in enumerate(accounts):
        account.lacking = lacking.get(number, 0)
        account.valid, account.duplicates = fates.get(number, (0, 0))
        account.quarantined = refused.get(number, 0)
        account.rows = {
            t: n for t in TRACE_TABLES if (n := _count(con, f"SELECT count(*) FROM final_{t} WHERE file_no = {number}"))
        }
        accounted = account.valid + account.duplicates + account.quarantined + account.blank_or_header
        if accounted != account.lines:
            raise AssertionError(f"{account.file}: {account.lines} lines were read but {accounted} accounted for: {account}")


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])

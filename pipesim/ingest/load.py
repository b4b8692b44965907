"""The ingest verb: log files in, canonical rows in the lake out, and every line accounted for."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from pipesim import __version__
from pipesim.catalog import quote
from pipesim.errors import RequestError
from pipesim.ingest.files import LogFile, find_files
from pipesim.ingest.folding import fold, reject_bad_rows
from pipesim.ingest.lines import RAW_CHARACTERS, read_lines
from pipesim.ingest.records import field_names, read_records, stream_records
from pipesim.ingest.references import reject_bad_runs
from pipesim.ingest.sources.base import Projection, Source, quote_name
from pipesim.ingest.staging import Staging
from pipesim.ingest.storing import Batch, store
from pipesim.lake import Lake, connect, content_hash
from pipesim.schema import TRACE_TABLES

#: DuckDB spills to disk beyond this, so that a log larger than memory passes.
MEMORY_LIMIT = "1500MB"


@dataclass
class FileAccount:
    """What became of one file's lines: lines = valid + duplicates + quarantined + blank_or_header."""

    file: str
    digest: str = ""
    bytes: int = 0
    ingest_id: str = ""
    lines: int = 0
    valid: int = 0
    duplicates: int = 0
    quarantined: int = 0
    blank_or_header: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Args:
        accounts: One account a file, in the order of the request; a file that the lake knew already has its first account.
        unchanged: The files that were known already.
        seconds: Wall-clock time.
    """

    accounts: list[FileAccount]
    unchanged: list[str]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the totals over all files."""
        counts = ("lines", "valid", "duplicates", "quarantined", "blank_or_header")
        rows = {t: sum(a.rows.get(t, 0) for a in self.accounts) for t in TRACE_TABLES}
        totals = {name: sum(getattr(a, name) for a in self.accounts) for name in counts}
        return {
            "files": len(self.accounts),
            "lines": totals["lines"],
            "rows": {table: n for table, n in rows.items() if n},
            **{name: totals[name] for name in counts[1:]},
            "seconds": round(self.seconds, 3),
        }


def ingest(lake: Lake, paths: Sequence[Path], source: Source) -> IngestReport:
    """Read log files, refuse what is broken with its reason, fold what is repeated, and store the rest.

    All files land together or none does. Files whose bytes the lake has seen under the same source are not read again.

    Args:
        lake: The store.
        paths: Files, or folders standing for the log files in them.
        source: The log format.

    Raises:
        FileError: If a file cannot be read at all; nothing is stored then.
        RequestError: If the source does not know its time zone.
    """
    begun = time.perf_counter()
    files = find_files(paths)
    with lake.lock("ingest"):
        manifests = _manifests(lake)
        known = _known(manifests, source)
        fresh = _fresh(files, known)
        if fresh:
            known.update((account.digest, account) for account in _load(lake, fresh, source, manifests))
    new = {f.name for f in fresh}
    counted = list({f.digest: known[f.digest] for f in files}.values())
    return IngestReport(counted, [f.name for f in files if f.name not in new], time.perf_counter() - begun)


def _fresh(files: list[LogFile], known: dict[str, FileAccount]) -> list[LogFile]:
    """Return the files whose bytes are not known, each of equal ones once; hashes are asked for only where sizes are equal."""
    sizes = Counter([*(f.size for f in files), *{a.bytes for a in known.values()}])
    unique = {(f.size, f.digest if sizes[f.size] > 1 else ""): f for f in reversed(files)}
    return [f for (_, digest), f in reversed(unique.items()) if digest not in known]


def known_files(lake: Lake, source: Source) -> dict[str, FileAccount]:
    """Return the accounts of the files that were ingested through a source as it is configured, by their digest.

    A file of which lines were refused for what was missing is not among them: it may have come since.
    """
    return _known(_manifests(lake), source)


def _known(manifests: list[dict[str, Any]], source: Source) -> dict[str, FileAccount]:
    complete = (m for m in manifests if m["source"] == source.fingerprint() and not m["incomplete"])
    return {account.digest: account for manifest in complete for account in _accounts(manifest)}


def _manifests(lake: Lake) -> list[dict[str, Any]]:
    return [json.loads(p.read_text(encoding="utf-8")) for p in sorted((lake.lake / "observed" / "manifests").glob("*.json"))]


def _accounts(manifest: dict[str, Any]) -> list[FileAccount]:
    return [FileAccount(**entry) for entry in manifest["files"]]


def _load(lake: Lake, files: list[LogFile], source: Source, manifests: list[dict[str, Any]]) -> list[FileAccount]:
    with lake.transaction() as tx, connect(MEMORY_LIMIT) as con:
        con.execute(f"SET temp_directory = {quote(str(tx.scratch / 'spill'))}")
        _set_zone(con, source.time_zone)
        staging = Staging(con, source.time_zone)
        accounts = [_stage(staging, number, file, source) for number, file in enumerate(files)]
        ingest_id = _new_id(lake, source, files)
        for account, file in zip(accounts, files, strict=True):
            account.digest, account.ingest_id = file.digest, ingest_id
            file.insist_unchanged()
        staging.identify(f"{source.name}-")
        superseded = _fold_all(staging, lake)
        _fetch_raw(staging, files)
        _account(con, accounts)
        earlier = {a.digest: a for m in manifests if m["source"] == source.fingerprint() for a in _accounts(m)}
        if not any(a.rows for a in accounts) and all(
            a.digest in earlier and a.quarantined == earlier[a.digest].quarantined for a in accounts
        ):
            return [earlier[a.digest] for a in accounts]  # what was missing is missing still
        names, digests = [f.name for f in files], {f.digest for f in files}
        reread = [(a.ingest_id, a.file) for m in manifests for a in _accounts(m) if a.digest in digests]
        store(tx, lake, con, Batch(ingest_id, source.name, names, superseded, reread))
        lacking = ", ".join({quote(rule.name) for t in TRACE_TABLES.values() for rule in t.rules if rule.whole})
        incomplete = _count(con, f"SELECT count(*) FROM rejected WHERE stage = 'reference' OR rule IN ({lacking})") > 0
        manifest = {
            "ingest_id": ingest_id,
            "source": source.fingerprint(),
            "source_name": source.name,
            "files": [asdict(account) for account in accounts],
            "incomplete": incomplete,
            "pipesim": __version__,
        }
        tx.write_json(manifest, lake.ingest_manifest(ingest_id))
    return accounts


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
    projections = source.projections(file, field_names(staging.con, file, wanted))
    unused: set[str] = set()
    rest = None
    if plain := stream_records(staging.con, file, wanted):
        lines, streamed = plain
        if staging.add_at_once(number, streamed, projections, once=True):
            account.lines, rest = lines.lines, lines.rest()
            unused |= streamed.unused() | _unread(streamed.fields, projections)
    for batch in read_records(staging.con, file, wanted, rest):
        records = staging.add(number, batch, projections)
        account.lines += records.lines
        account.blank_or_header += records.blank_or_header
        unused |= records.unused() or _unread(records.fields, projections)
    account.unused = sorted(unused - source.known_unused())
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


def _fetch_raw(staging: Staging, files: list[LogFile]) -> None:
    """Read again the lines that were refused only once they had been folded, to keep them as they stand."""
    con = staging.con
    missing = con.execute("SELECT DISTINCT file_no, line FROM rejected WHERE raw IS NULL ORDER BY ALL").fetchall()
    for number in sorted({file_no for file_no, _ in missing}):
        wanted = [line for file_no, line in missing if file_no == number]
        con.register("found_lines", _lines_of(con, files[number], wanted))
        con.execute(
            f"UPDATE rejected SET raw = found.raw FROM found_lines found "
            f"WHERE rejected.raw IS NULL AND rejected.file_no = {number} AND rejected.line = found.line"
        )
        con.unregister("found_lines")


def _lines_of(con: duckdb.DuckDBPyConnection, file: LogFile, wanted: list[int]) -> pa.Table:
    """Return `line` and `raw` of the wanted lines (ascending) of a file."""
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
    for number, account in enumerate(accounts):
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

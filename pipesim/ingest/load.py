"""The ingest verb: log files in, canonical rows in the lake out, and every line accounted for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import duckdb

from pipesim import __version__
from pipesim.catalog import quote
from pipesim.errors import FileError
from pipesim.identity import content_hash, file_hash
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
from pipesim.ingest.digest import digest_files
from pipesim.ingest.reading.files import LogFile, find_files
from pipesim.ingest.sources.base import Source
from pipesim.ingest.storing import Batch, store
from pipesim.lake import Lake, connect
from pipesim.words import count

#: DuckDB spills to disk beyond this, so that a log larger than memory passes.
MEMORY_LIMIT = "1500MB"
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
                named = set(bad.values())
                refused += [_twin(f, bad) for f in files if f.name not in named and bad and f.digest in bad]
    left_out = {r.file for r in refused}
    digests = {f.name: f.digest for f in files if f.name not in left_out}
    counted = list({digest: known[digest] for digest in digests.values()}.values())
    read = {f.name for f in new}
    unchanged = [name for name in digests if name not in read]
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
        failed: dict[int, FileError] = {}
        accounts, superseded = digest_files(con, lake, files, source, failed if leave_out_bad else None)
        if failed:
            raise _BadFilesError([RefusedFile(files[n].name, told(error)) for n, error in sorted(failed.items())])
        ingest_id = _new_id(lake, source, files)  # not before, as it waits for the files' hashes
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
        names = [f.name for f in files]
        store(tx, lake, con, Batch(ingest_id, source.name, names, superseded, _reread(files, earlier)))
        manifest = {
            "ingest_id": ingest_id,
            "source": source.fingerprint(),
            "source_name": source.name,
            "files": [asdict(account) for account in accounts],
            "pipesim": __version__,
        }
        tx.write_json(manifest, lake.ingest_manifest(ingest_id))
    return accounts


def _mostly_bad(account: FileAccount) -> bool:
    """Whether over half of a file's lines are no such log's, whatever else may come."""
    return account.quarantined - account.lacking > (account.lines - account.blank_or_header) / 2


def _refusal(con: duckdb.DuckDBPyConnection, number: int, account: FileAccount) -> RefusedFile:
    query = "SELECT line, stage, rule, detail, coalesce(raw, '') FROM rejected"
    first = con.execute(f"{query} WHERE file_no = {number} ORDER BY ALL LIMIT {_SHOWN}").fetchall()
    lines = count(account.lines - account.blank_or_header, "line")
    reason = f"{account.quarantined} of its {lines} refused: is it of another format?"
    return RefusedFile(account.file, reason, tuple(BadLine(*row) for row in first))


def _reread(files: Sequence[LogFile], earlier: Sequence[Manifest]) -> list[tuple[str, str]]:
    """Return the earlier ingests' identifiers and file names all of whose lines have been read again now.

    That is so for the same bytes, for the beginning of a file that grew, and for a database, whose rows stay where they are.
    """
    digests = {f.digest for f in files}
    by_name = {f.name: f for f in files}

    def covered(account: FileAccount) -> bool:
        now = by_name.get(account.file)
        if account.digest in digests or now is None:
            return account.digest in digests
        grew = 0 < account.bytes < now.size and file_hash(now.path, account.bytes) == account.digest
        return now.format == "sqlite" or grew

    return [(a.ingest_id, a.file) for m in earlier for a in read_accounts(m) if covered(a)]


def _new_id(lake: Lake, source: Source, files: list[LogFile]) -> str:
    """Return an identifier that follows from what is read, and from how often it was read before."""
    parts = [source.fingerprint(), *(f.digest for f in files)]
    while lake.ingest_manifest(content_hash(*parts)).exists():
        parts.append("again")
    return content_hash(*parts)

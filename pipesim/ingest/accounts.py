"""The accounting of ingested files: what became of each line, kept in the manifest of each ingest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipesim.errors import PipesimError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.sources.base import Source
from pipesim.lake import Lake
from pipesim.schema import TRACE_TABLES

Manifest = dict[str, Any]


@dataclass
class FileAccount:
    """What became of one file's lines: lines = valid + duplicates + quarantined + blank_or_header.

    Args:
        file: How the file was named.
        digest: The hash of its bytes.
        bytes: Its size.
        ingest_id: The ingest that read it.
        lacking: How many of the quarantined lines were refused for what they refer to or begin with, which may come yet.
        rows: Rows in the lake by table, as of that ingest.
        unused: Fields that nothing reads.
    """

    file: str
    digest: str = ""
    bytes: int = 0
    ingest_id: str = ""
    lines: int = 0
    valid: int = 0
    duplicates: int = 0
    quarantined: int = 0
    blank_or_header: int = 0
    lacking: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class BadLine:
    """A line that was refused, with the reason."""

    line: int
    stage: str
    rule: str
    detail: str
    raw: str


@dataclass(frozen=True)
class RefusedFile:
    """A file of which nothing was stored, with the reason and the first lines at fault, where it is the lines."""

    file: str
    reason: str
    lines: tuple[BadLine, ...] = ()

    @classmethod
    def revive(cls, stored: dict[str, Any]) -> RefusedFile:
        """Make it again from its JSON object."""
        return cls(stored["file"], stored["reason"], tuple(BadLine(**line) for line in stored["lines"]))


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Args:
        accounts: One account a file, in the order of the request; a file that the lake knew already has its first account.
        unchanged: The files that were known already.
        refused: The files that were left out, where the request was to go on without them.
        digests: The hash of each file that was not refused, by its name.
        seconds: Wall-clock time.
        chosen: Why the files were read as they were, where nobody named their format.
    """

    accounts: list[FileAccount]
    unchanged: list[str]
    refused: list[RefusedFile]
    digests: dict[str, str]
    seconds: float
    chosen: str = ""

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


def told(error: PipesimError) -> str:
    """Return what is wrong with a file and what to do, without its name, which is told anyway."""
    return f"{error.message}; {error.remedy}" if error.remedy else error.message


def manifests(lake: Lake) -> list[Manifest]:
    """Return the manifests of all ingests."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in lake.ingest_manifests()]


def accounts(manifest: Manifest) -> list[FileAccount]:
    """Return the accounts in a manifest."""
    return [FileAccount(**entry) for entry in manifest["files"]]


def read_before(earlier: Sequence[Manifest], source: Source) -> dict[str, FileAccount]:
    """Return the latest account of each file that was read through a source as it is configured, by its digest."""
    same = (m for m in earlier if m["source"] == source.fingerprint())
    found: dict[str, FileAccount] = {}
    for account in sorted((a for m in same for a in accounts(m)), key=lambda a: -a.lacking):
        found[account.digest] = account
    return found


def complete(read: dict[str, FileAccount]) -> dict[str, FileAccount]:
    """Return the accounts of the files that need not be read again: of the others, what lines lacked may have come since."""
    return {digest: account for digest, account in read.items() if not account.lacking}


def fresh(files: Sequence[LogFile], known: dict[str, FileAccount]) -> list[LogFile]:
    """Return the files whose bytes are not known, each of equal ones once; hashes are asked for only where sizes are equal."""
    sizes = Counter([*(f.size for f in files), *{a.bytes for a in known.values()}])
    unique = {(f.size, f.digest if sizes[f.size] > 1 else ""): f for f in reversed(files)}
    return [f for (_, digest), f in reversed(unique.items()) if digest not in known]

"""The inbox: a folder that is watched for log files. What is new in it is found, ingested once, and remembered.

Nothing in the folder is ever moved, changed or deleted. What became of each file stands in `inbox.json` in the home folder, so
that looking costs one listing of the folder, and a process that dies at any moment has at worst to ask again for what the lake
already knows. A file's format is told by where it lies: the nearest folder above it, within the inbox, that has a
`mapping.yaml` (then it is a job table read by that mapping) or is named after a source, decides; else it is `native`.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipesim.errors import ConfigError, RequestError
from pipesim.identity import content_hash
from pipesim.ingest.accounts import IngestReport, RefusedFile
from pipesim.ingest.load import ingest
from pipesim.ingest.sources import Source, find_source, source_names
from pipesim.lake import Lake

#: A file that was written to within so many seconds may not be complete yet.
SETTLED_AFTER_S = 10.0
MAPPING = "mapping.yaml"

_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")
_NOT_LOGS = frozenset({"README.md", MAPPING})


@dataclass(frozen=True)
class InboxFile:
    """A file in the inbox.

    Args:
        name: Its path within the inbox, with `/`.
        source: The name of the source that reads it, or the path of a mapping within the inbox.
        size: Its bytes.
        changed: When it was written last, in nanoseconds of the file system's clock.
        setup: Size and time of the mapping that reads it, so that a corrected mapping is noticed.
    """

    name: str
    source: str
    size: int
    changed: int
    setup: str = ""

    @property
    def mark(self) -> list[Any]:
        """What tells whether it has changed."""
        return [self.source, self.setup, self.size, self.changed]


@dataclass(frozen=True)
class Scan:
    """What a look into the inbox found.

    Args:
        folder: The inbox.
        new: The files that have not been ingested as they are now.
        unsettled: The names of the files that are still being written.
        known: How many files are known.
    """

    folder: Path
    new: list[InboxFile]
    unsettled: list[str]
    known: int

    @property
    def key(self) -> str:
        """Identify what is new: equal for an equal state of the inbox."""
        return content_hash(*(json.dumps(asdict(file)) for file in self.new))


@dataclass
class InboxReport:
    """What became of the new files.

    Args:
        accepted: The names of the files whose rows are in the lake, each with its accounting.
        same_as: The files whose content was known already, each with the name under which it was.
        refused: The files that could not be read, or are no such log, with the reasons.
        changed: Whether the lake holds anything that it did not hold before.
    """

    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    same_as: dict[str, str] = field(default_factory=dict)
    refused: list[RefusedFile] = field(default_factory=list)
    changed: bool = False


def scan(lake: Lake, folder: Path, now: float, settled_after_s: float = SETTLED_AFTER_S) -> Scan:
    """Look for files that are new or have changed; reads nothing but names, sizes and times.

    Args:
        lake: The store.
        folder: The inbox.
        now: Seconds since 1970, by the clock that the file system uses.
        settled_after_s: How long a file must not have been written to; one that claims to be of the future tells nothing.

    Raises:
        RequestError: If the folder cannot be read.
    """
    known = _read(lake)["files"]
    new, unsettled, same = [], [], 0
    for file in _files(folder):
        before = known.get(f"{folder}/{file.name}")
        if before is not None and before["mark"] == file.mark:
            same += 1
        elif abs(now - file.changed / 1e9) < settled_after_s or file.name.endswith(_UNFINISHED):
            unsettled.append(file.name)
        else:
            new.append(file)
    return Scan(folder, sorted(new, key=lambda f: f.name), sorted(unsettled), same)


def ingest_new(lake: Lake, found: Scan) -> InboxReport:
    """Ingest what a look into the inbox found, and remember it. A bad file is left out and does not stand in the way of others.

    Files with lines that waited for another file, such as an end that came before its beginning, are read again with the new
    ones. What was remembered and what was ingested agree whenever this is interrupted, once it has been called again.
    """
    report = InboxReport()
    groups: dict[tuple[str, str], list[InboxFile]] = defaultdict(list)
    for file in found.new:
        groups[file.source, file.setup].append(file)
    for (name, setup), files in sorted(groups.items()):
        _ingest_group(lake, found.folder, name, setup, files, report)
    return report


def due(lake: Lake) -> str | None:
    """Return what identifies the newest ingest from the inbox that nothing downstream follows yet, or None."""
    waiting = _read(lake)["due"]
    return str(waiting) if waiting else None


def settle(lake: Lake, followed: str) -> None:
    """Remember that everything downstream follows the ingest that `due` gave."""
    with lake.lock("ingest"):
        state = _read(lake)
        if state["due"] == followed:
            _write(lake, {**state, "due": None})


def _ingest_group(lake: Lake, folder: Path, name: str, setup: str, files: list[InboxFile], report: InboxReport) -> None:
    with lake.lock("ingest"):
        state = _read(lake)
        if state["begun"] is None:  # else an earlier attempt died before it could tell whether anything changed
            state["begun"] = _ingests(lake)
            _write(lake, state)
        marks = {f"{folder}/{file.name}": file for file in files}
        waiting = [
            path
            for path, entry in state["files"].items()
            if entry["lacking"] and entry["mark"][:2] == [name, setup] and path not in marks
        ]
        paths = [Path(path) for path in marks] + [Path(path) for path in waiting if Path(path).is_file()]
        try:
            done = ingest(lake, paths, _source(folder, name), leave_out_bad=True)
        except ConfigError as error:  # a mapping with mistakes stands only in the way of its own files
            done = IngestReport([], [], [RefusedFile(path, str(error)) for path in marks], {}, 0.0)
        _remember(state, marks, done, report)
        if _ingests(lake) != state["begun"]:
            report.changed, state["due"] = True, _ingests(lake)
        state["begun"] = None
        _write(lake, state)


def _remember(state: dict[str, Any], marks: dict[str, InboxFile], done: IngestReport, report: InboxReport) -> None:
    by_digest = {account.digest: account for account in done.accounts}
    for path, digest in done.digests.items():
        account = by_digest[digest]
        mark = marks[path].mark if path in marks else state["files"][path]["mark"]
        state["files"][path] = {"mark": mark, "refused": None, "lacking": account.lacking}
        if path in marks and account.file == path:
            report.accepted[marks[path].name] = asdict(account)
        elif path in marks:
            report.same_as[marks[path].name] = account.file
    for refused in done.refused:
        report.refused.append(refused)
        if refused.file in marks:
            state["files"][refused.file] = {"mark": marks[refused.file].mark, "refused": asdict(refused), "lacking": 0}


def refused_files(lake: Lake, folder: Path) -> list[RefusedFile]:
    """Return the files that lie in the inbox as they were when they were refused."""
    present = {f"{folder}/{file.name}": file.mark for file in _files(folder)}
    found = []
    for path, entry in sorted(_read(lake)["files"].items()):
        if entry["refused"] and present.get(path) == entry["mark"]:
            found.append(RefusedFile.revive(entry["refused"]))
    return found


def _source(folder: Path, name: str) -> Source:
    return find_source("job-table", folder / name) if name.endswith(MAPPING) else find_source(name)


def _ingests(lake: Lake) -> str:
    """Identify what has been ingested."""
    return content_hash(*(path.stem for path in lake.ingest_manifests()))


def _ledger(lake: Lake) -> Path:
    return lake.root / "inbox.json"


def _read(lake: Lake) -> dict[str, Any]:
    ledger = _ledger(lake)
    if not ledger.is_file():
        return {"files": {}, "begun": None, "due": None}
    state: dict[str, Any] = json.loads(ledger.read_text(encoding="utf-8"))
    return state


def _write(lake: Lake, state: dict[str, Any]) -> None:
    with lake.transaction() as tx:
        tx.write_json(state, _ledger(lake))


def _files(folder: Path) -> Iterator[InboxFile]:
    if not folder.is_dir():
        raise RequestError(
            "there is no such folder to watch", where=str(folder), remedy="make it, or set PIPESIM_INBOX to one that exists"
        )
    sources = frozenset(source_names()) - {"job-table"}
    try:
        yield from _walk(folder, "", "native", "", sources)
    except OSError as error:
        raise RequestError(
            f"the inbox cannot be read: {error.strerror}", where=str(error.filename or folder), remedy="make it readable"
        ) from error


def _walk(folder: Path, inside: str, source: str, setup: str, sources: frozenset[str]) -> Iterator[InboxFile]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.name == MAPPING:
            stat = entry.stat()
            source, setup = inside + MAPPING, f"{stat.st_size}-{stat.st_mtime_ns}"
    for entry in found:
        if entry.name.startswith(".") or entry.name in _NOT_LOGS:
            continue
        name = inside + entry.name
        if entry.is_dir():
            own = (entry.name, "") if entry.name in sources else (source, setup)
            yield from _walk(folder / entry.name, f"{name}/", *own, sources)
            continue
        try:
            stat = entry.stat()
        except FileNotFoundError:
            continue  # a link to nothing, or gone since
        yield InboxFile(name, source, stat.st_size, stat.st_mtime_ns, setup)

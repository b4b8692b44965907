"""Fetching a data set into a folder: what is there and right stays, and the manifest that says so is written last."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipesim.errors import RequestError, WorkError
from pipesim.ingest.datasets.archives import Content, unpack
from pipesim.ingest.datasets.catalogue import PART, DataFile, Dataset, Member
from pipesim.ingest.datasets.download import download
from pipesim.ingest.datasets.records import Record, Records
from pipesim.store import flush

#: Shows that something goes on, and gives what is to be called with the share that is done; as `pipesim.progress.bar`.
Bar = Callable[[str], AbstractContextManager[Callable[[float], None] | None]]
_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Fetched:
    """What a fetch did.

    Args:
        dataset: What was fetched.
        folder: Where it lies.
        fetched: The files that were downloaded or unpacked.
        kept: Those that were there and right.
        files: What each file is.
        seconds: How long it took.
    """

    dataset: Dataset
    folder: Path
    fetched: tuple[str, ...]
    kept: tuple[str, ...]
    files: dict[str, Record]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "dataset": self.dataset.name,
            "folder": str(self.folder),
            "fetched": list(self.fetched),
            "kept": list(self.kept),
            "files": {name: record.model_dump(mode="json") for name, record in self.files.items()},
            "licence": self.dataset.licence,
            "citation": self.dataset.citation,
            "seconds": round(self.seconds, 3),
        }


def _no_bar(_: str) -> AbstractContextManager[None]:
    return nullcontext()


def fetch(dataset: Dataset, folder: Path, say: Callable[[str], None], bar: Bar = _no_bar) -> Fetched:
    """Fetch what a folder lacks of a data set, or has wrong, and check it.

    A file is right if it has the published SHA-256, or, where none is published, the one that it had when it was fetched first.

    Args:
        dataset: What to fetch.
        folder: Where to; it is made if it does not exist. Its `MANIFEST` says what is there, once all of it is.
        say: Called with what a user should know, a sentence at a time.
        bar: Shows the progress of each file.

    Raises:
        RequestError: If the folder cannot be written, or is another data set's.
        WorkError: If a file does not come, or is not what it should be. What is right by then stays.
    """
    begun = time.monotonic()
    with _written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            records = Records(dataset, folder)
            fetched: list[str] = []
            try:
                for file in dataset.files:
                    fetched += _settle(file, dataset, folder, records, say, bar)
            except KeyboardInterrupt:
                say(f"what has come so far stays in {folder}: run the command again to go on")
                raise
            records.finish()
    kept = tuple(name for name in dataset.names() if name not in fetched)
    return Fetched(dataset, folder, tuple(fetched), kept, records.files, time.monotonic() - begun)


def content(path: Path) -> Content:
    """Return what a file is.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return Content(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _settle(
    file: DataFile, dataset: Dataset, folder: Path, records: Records, say: Callable[[str], None], bar: Bar
) -> list[str]:
    """Make one file of the data set, and what is unpacked from it, right; return the names of what had to be made so."""
    made = []
    if not _is_right(folder, file, records.expected(file), records, say):
        _download(file, dataset, folder, records, say, bar)
        made.append(file.name)
    sha256 = records.files[file.name].sha256
    wrong = [m for m in file.members if not _is_right(folder, m, records.expected(m, sha256), records, say, sha256)]
    if wrong:
        with bar(f"unpacking {file.name}"):
            _unpack(file, wrong, folder, records, say)
    return made + [member.name for member in wrong]


def _is_right(
    folder: Path,
    file: DataFile | Member,
    expected: str | None,
    records: Records,
    say: Callable[[str], None],
    archive: str | None = None,
) -> bool:
    """Return whether a file is there and right, and see to it that there is a record of it then."""
    path = folder / file.name
    if not path.is_file():
        return False
    if expected is None and (archive or file.name in records.files):
        return False  # it came from another archive, or another address, than the catalogue has now
    found = content(path)
    if expected not in (None, found.sha256) or file.bytes not in (None, found.bytes):
        say(f"{path} is not what it should be, so it is made anew")
        records.reopen()
        path.unlink()
        return False
    if expected is None:  # without a record, it was put here by hand
        say(f"{file.name} was here already, and no checksum is published; its SHA-256 {found.sha256} is recorded")
    record = records.files.get(file.name)
    if record is None or record.sha256 != found.sha256:
        records.note(file.name, _record(file, found, archive))
    return True


def _download(
    file: DataFile,
    dataset: Dataset,
    folder: Path,
    records: Records,
    say: Callable[[str], None],
    bar: Bar,
) -> None:
    expected = records.expected(file)
    target = folder / file.name
    part = target.with_name(target.name + PART)
    records.reopen()
    target.parent.mkdir(parents=True, exist_ok=True)
    known = records.parts.get(file.name)
    with bar(f"fetching {file.name}") as tell:
        download(file, dataset.page, part, known, lambda version: records.note_part(file.name, version), tell)
    found = content(part)
    with part.open("rb") as stream:
        is_pointer = stream.read(len(_POINTER)) == _POINTER
    if is_pointer or (expected or found.sha256) != found.sha256 or file.bytes not in (None, found.bytes):
        part.unlink()
        records.drop_part(file.name)
        raise _mismatch(file, found, expected, is_pointer, dataset.page)
    if file.sha256 is None and expected is None:
        say(f"{file.name}: no checksum is published; its SHA-256 is {found.sha256} ({found.bytes:,} bytes), which is recorded")
    flush(part)
    records.note(file.name, _record(file, found))
    part.replace(target)


def _mismatch(file: DataFile, found: Content, expected: str | None, is_pointer: bool, page: str) -> WorkError:
    if is_pointer:
        return WorkError(
            "a pointer of Git LFS came in place of the file, so nothing was kept",
            where=file.url,
            remedy=f"clone the repository with git lfs, and put the file into the folder: {page}",
        )
    told = "published" if file.sha256 else "recorded when it was fetched first"
    size = "" if file.bytes is None else f" and {file.bytes:,} bytes"
    return WorkError(
        f"the file is wrong, so nothing was kept: {told} are SHA-256 {expected}{size}, "
        f"what came has {found.sha256} and {found.bytes:,} bytes",
        where=file.url,
        remedy=f"fetch again; if it stays so, see whether the publisher has changed it: {page}"
        + ("" if file.sha256 else " (the new one can be fetched into another folder, with --to)"),
    )


def _unpack(file: DataFile, wrong: list[Member], folder: Path, records: Records, say: Callable[[str], None]) -> None:
    records.reopen()
    sha256 = records.files[file.name].sha256
    parts = {member.name: folder / (member.name + PART) for member in wrong}
    try:
        for part in parts.values():
            part.parent.mkdir(parents=True, exist_ok=True)
        found = unpack(folder / file.name, parts)
        for member in wrong:
            expected, came = records.expected(member, sha256), found[member.name]
            if expected not in (None, came.sha256) or member.bytes not in (None, came.bytes):
                raise WorkError(
                    f"{member.name} in it is wrong, so it was not unpacked: published is SHA-256 {expected}, "
                    f"it has {came.sha256} and {came.bytes:,} bytes",
                    where=str(folder / file.name),
                    remedy="remove the archive and fetch again",
                )
        for member in wrong:
            part, came = parts[member.name], found[member.name]
            if member.sha256 is None and file.sha256 is None:
                say(f"{member.name}: no checksum is published; its SHA-256 is {came.sha256} ({came.bytes:,} bytes)")
            flush(part)
            records.note(member.name, _record(member, came, sha256))
            part.replace(folder / member.name)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _record(file: DataFile | Member, found: Content, archive: str | None = None) -> Record:
    return Record(
        url=file.url if isinstance(file, DataFile) else None,
        archive=archive,
        bytes=found.bytes,
        sha256=found.sha256,
        is_published=file.sha256 is not None,
        fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / ".fetch.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise WorkError(
            "another pipesim process is fetching into this folder",
            where=str(folder),
            remedy="wait for it to finish, or stop it; then run the command again",
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WorkError(
                "there is no room left on the disk",
                where=str(folder),
                remedy="make room and run the command again: it goes on from what has come",
            ) from error
        raise RequestError(
            f"it cannot be written ({error.strerror or error})",
            where=str(error.filename or folder),
            remedy="name another folder with --to",
        ) from error

"""Unpacking the files of an archive: only those that are asked for, and nothing at all of an archive that holds a trap."""

from __future__ import annotations

import gzip
import hashlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipesim.errors import WorkError
from pipesim.ingest.datasets.catalogue import is_inside

#: More entries, or more bytes once unpacked, than any data set has.
MOST_ENTRIES = 1000
MOST_BYTES = 8 << 30
_BLOCK = 1 << 20
_DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Content:
    """What a file is: its size in bytes and its SHA-256 in hexadecimal digits."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class _Entry:
    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, wanted: Mapping[str, Path]) -> dict[str, Content]:
    """Write files of an archive, each to a path of the caller's choice, and return what they are.

    Args:
        archive: A .tar.gz, .tgz or .zip.
        wanted: Where to write each, by its path in the archive.

    Raises:
        WorkError: If the archive is damaged, lacks one of them, or has an entry, wanted or not, that is a link, a device or
            outside of its folder; or too many of them, or too large ones. What was written by then is to be thrown away.
    """
    written: dict[str, Content] = {}
    entries, total = 0, 0
    try:
        for entry in _zip_entries(archive) if archive.name.endswith(".zip") else _tar_entries(archive):
            entries, total = entries + 1, total + entry.size
            if entries > MOST_ENTRIES or total > MOST_BYTES or entry.size < 0:
                raise _refused(archive, f"holds more than {MOST_ENTRIES:,} entries or {MOST_BYTES:,} bytes")
            name = entry.name.removeprefix("./").removesuffix("/")
            if entry.kind == "folder" and name in ("", "."):
                continue
            if not is_inside(name):
                raise _refused(archive, f"holds {entry.name!r}, which would lie outside of its folder")
            if entry.kind not in ("file", "folder"):
                raise _refused(archive, f"holds {entry.name!r}, which is {entry.kind}")
            if entry.kind == "file" and name in wanted:
                if name in written:
                    raise _refused(archive, f"holds {entry.name!r} twice")
                with entry.open() as stream:
                    written[name] = _copy(stream, wanted[name])
    except _DAMAGED as error:
        raise _refused(archive, f"is damaged ({error})") from error
    if missing := [name for name in wanted if name not in written]:
        raise _refused(archive, f"does not hold {', '.join(missing)}")
    return written


def _copy(stream: IO[bytes], target: Path) -> Content:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        while block := stream.read(_BLOCK):
            file.write(block)
            digest.update(block)
            size += len(block)
    return Content(size, digest.hexdigest())


def _tar_entries(archive: Path) -> Iterator[_Entry]:
    with tarfile.open(archive, "r:gz") as tar:
        for info in tar:
            kind = "file" if info.isreg() else "folder" if info.isdir() else "a link" if info.islnk() or info.issym() else ""
            yield _Entry(info.name, kind or "a device", info.size, lambda info=info: _opened(tar, info))  # type: ignore[misc]


def _opened(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(info)
    if stream is None:
        raise tarfile.TarError(f"{info.name} cannot be read")
    return stream


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            word = "folder" if info.is_dir() else "file" if kind in (0, stat.S_IFREG) else ""
            word = word or ("a link" if kind == stat.S_IFLNK else "a device")
            yield _Entry(info.filename, word, info.file_size, lambda info=info: file.open(info))  # type: ignore[misc]


def _refused(archive: Path, why: str) -> WorkError:
    return WorkError(
        f"the archive {why}, so nothing of it was unpacked",
        where=str(archive),
        remedy="remove it and fetch again; if that does not help, unpack it by hand after looking into it",
    )

"""Finding the files of a log and opening them: what is missing, empty, binary or truncated is refused by name."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipesim.errors import FileError
from pipesim.identity import file_hash
from pipesim.ingest.reading.databases import MAGIC, copy_database

UInt8 = npt.NDArray[np.uint8]
Format = Literal["json", "csv", "parquet", "sqlite"]

_SUFFIXES: dict[str, Format] = {
    ".jsonl": "json", ".ndjson": "json", ".json": "json",
    ".csv": "csv", ".tsv": "csv", ".psv": "csv",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
#: How the names of the files end that a folder stands for, compression aside, unless a source says otherwise.
SUFFIXES = frozenset(_SUFFIXES)
#: How the names of compressed files end.
COMPRESSIONS = frozenset({".gz", ".zst", ".zstd"})
_HEAD_BYTES = 1 << 16
#: What UTF-8 text may begin with.
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LogFile:
    """One readable file of a log.

    Args:
        path: Where it lies; a database's copy (see `pipesim.ingest.reading.databases`), which is removed with this object.
        name: How it was named by the user; kept as `source_file`.
        format: How its rows are written, whatever it is compressed with.
        size: Its bytes.
        changed: When it was written last, in nanoseconds of the file system's clock.
    """

    path: Path
    name: str
    format: Format
    size: int
    changed: int
    _digest: Future[str] = field(repr=False, compare=False)

    @property
    def digest(self) -> str:
        """The hash of its bytes, which is computed while the file is read; asking for it waits."""
        return self._digest.result()

    def insist_unchanged(self) -> None:
        """Refuse a file that was written to since it was found.

        Raises:
            FileError: If it was, or is gone.
        """
        stat = self.path.stat() if self.path.exists() else None
        if stat is None or (stat.st_size, stat.st_mtime_ns) != (self.size, self.changed):
            raise FileError("the file changed while it was read", where=self.name, remedy="ingest it once it is written")

    @property
    def stem(self) -> str:
        """The file's name without folder, compression and format suffix."""
        name = Path(self.name).name
        return name.split(".", 1)[0]


def find_files(
    paths: Sequence[Path], refused: list[FileError] | None = None, suffixes: frozenset[str] = SUFFIXES
) -> list[LogFile]:
    """Return the log files behind the paths, a folder standing for every log file in it, in the order of their names.

    Args:
        paths: Files and folders.
        suffixes: How the names of log files end, compression aside.
        refused: Where the errors of files that cannot be read are put, to go on without these; by default they are raised.

    Raises:
        FileError: If a path does not exist, a folder holds no log file, or a file is empty, binary or UTF-16.
    """
    # Hashing and reading are done side by side; whoever needs a hash before that waits for it.
    hashing = ThreadPoolExecutor(1, thread_name_prefix="hash")
    try:
        return _find(paths, hashing, refused, suffixes)
    except FileError:
        hashing.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        hashing.shutdown(wait=False)


def _find(
    paths: Sequence[Path], hashing: ThreadPoolExecutor, refused: list[FileError] | None, wanted: frozenset[str]
) -> list[LogFile]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and _suffix(p) in wanted and not p.name.startswith("."))
            if not inside:
                raise FileError(
                    "this folder holds no log file",
                    where=str(path),
                    remedy=f"name a file, or a folder with files ending in {', '.join(sorted(wanted))} (also .gz, .zst)",
                )
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise FileError("no such file or folder", where=str(path), remedy="check the path")
    files = []
    for path in found:
        try:
            files.append(_examine(path, hashing))
        except FileError as error:
            if refused is None:
                raise
            refused.append(error)
    return files


@contextmanager
def open_decompressed(path: Path) -> Iterator[Callable[[UInt8], int]]:
    """Give a function that fills an array with the next bytes of a file, decompressed, and returns how many there were.

    gzip and zstd are told by content, not by name. Fewer bytes than there is room for mean the end of the file.

    Raises:
        FileError: While reading, if the compressed data is damaged or cut short.
    """
    with path.open("rb") as raw:
        magic = raw.read(4)
    compression = "gzip" if magic[:2] == b"\x1f\x8b" else "zstd" if magic == b"\x28\xb5\x2f\xfd" else None
    with pa.input_stream(str(path), compression=compression) as stream:

        def read_into(room: UInt8) -> int:
            filled = 0
            try:
                while filled < len(room) and (got := int(stream.readinto(room[filled:].data))):
                    filled += got
            except OSError as error:
                if compression is None:
                    raise
                raise FileError(
                    f"the compressed data is damaged or cut short ({error})",
                    where=str(path),
                    remedy="fetch the file again; nothing of it was ingested",
                ) from error
            return filled

        yield read_into


def _examine(path: Path, hashing: ThreadPoolExecutor) -> LogFile:
    try:
        stat = path.stat()
        if stat.st_size == 0:
            raise FileError("the file is empty", where=str(path), remedy="leave it out, or wait until it is written")
        with open_decompressed(path) as read_into:
            room = np.empty(_HEAD_BYTES, np.uint8)
            head = room[: read_into(room)].tobytes()
    except OSError as error:
        raise FileError(f"the file cannot be read ({error.strerror or error})", where=str(path), remedy="check it") from error
    form = _recognise(path, head)
    if form == "sqlite":
        return _examine_database(path, hashing)
    return LogFile(path, str(path), form, stat.st_size, stat.st_mtime_ns, hashing.submit(file_hash, path))


def _examine_database(path: Path, hashing: ThreadPoolExecutor) -> LogFile:
    folder = Path(mkdtemp(prefix="pipesim-"))
    try:
        copy = copy_database(path, folder)
        stat = copy.stat()
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise FileError(
            f"the database cannot be copied ({error.strerror or error})",
            where=str(path),
            remedy="check that it may be read, and that the folder TMPDIR has room for a copy",
        ) from error
    except FileError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    file = LogFile(copy, str(path), "sqlite", stat.st_size, stat.st_mtime_ns, hashing.submit(file_hash, copy))
    weakref.finalize(file, shutil.rmtree, folder, ignore_errors=True)
    return file


def _recognise(path: Path, head: bytes) -> Format:
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:16] == MAGIC:
        return "sqlite"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise FileError("the file is UTF-16", where=str(path), remedy="convert it to UTF-8, e.g. iconv -f UTF-16 -t UTF-8")
    if b"\0" in head:
        raise FileError(
            "the file is binary, not a log of lines",
            where=str(path),
            remedy="pipesim reads JSON lines, CSV and Parquet, plain or compressed with gzip or zstd",
        )
    content = head.removeprefix(BOM).strip()
    if not content:
        raise FileError("the file holds nothing but blank space", where=str(path), remedy="leave it out")
    by_name = _format_by_name(path)
    if by_name in ("json", "csv"):
        return by_name
    return "json" if content[:1] == b"{" else "csv"


def _format_by_name(path: Path) -> Format | None:
    return _SUFFIXES.get(_suffix(path))


def _suffix(path: Path) -> str:
    """Return how a file's name ends, compression aside."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""

"""Reading a text log as physical lines, losslessly: every line has its number, and none disappears.

Lines are cut by their newline bytes only and handed on as Arrow arrays without a Python object per line. What cannot be
text (bytes that are no UTF-8, NUL bytes, lines beyond any sense) is named with its number instead of being decoded loosely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipesim.errors import FileError
from pipesim.ingest.reading.files import BOM, COMPRESSIONS, LogFile, open_decompressed
from pipesim.ingest.reading.places import first_place

#: A batch is about this many bytes: large enough to vectorise, small enough to bound memory.
BATCH_BYTES = 96 << 20
#: A batch that is one of a stream: small, so that each thread has its own.
STREAM_BYTES = 16 << 20
#: A longer line is no record of a log; its beginning is quarantined.
MAX_LINE_BYTES = 8 << 20
#: How much of a refused line is kept.
RAW_CHARACTERS = 10_000

UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]
Read = TypeVar("Read")

_NEWLINE, _RETURN = 10, 13
_NOT_ASCII = 128
#: How many times its size a compressed file is expected to be.
_COMPRESSED = 16
#: Bytes looked at together: few enough to stay in the processor's cache.
_BLOCK = 1 << 18


@dataclass(frozen=True)
class BadLine:
    """A line that could not be read as text, or that holds no record.

    Args:
        place: Where it stands (see `pipesim.ingest.reading.places`).
        rule: What it breaks.
        raw: The line, or its beginning.
        detail: What is wrong with it.
    """

    place: int
    rule: str
    raw: str
    detail: str


@dataclass(frozen=True)
class LineBatch:
    """Consecutive physical lines of one file, or of several small ones.

    Args:
        places: Where each line stands (see `pipesim.ingest.reading.places`); for a single file, its number from 1.
        text: The lines with their line ends, as an Arrow large_string array; unreadable lines stand there as empty ones.
        bad: The unreadable lines.
    """

    places: Int64
    text: pa.LargeStringArray
    bad: list[BadLine] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.text)

    @property
    def first(self) -> int:
        """The place of the first line."""
        return int(self.places[0])


def read_files(
    files: Mapping[int, LogFile], batch_bytes: int = BATCH_BYTES, failed: dict[int, FileError] | None = None
) -> Iterator[LineBatch]:
    """Yield the lines of files, small batches of several put together; see `each_file` for `failed`."""

    def read(number: int, file: LogFile) -> Iterator[LineBatch]:
        return read_lines(file, batch_bytes, number=number)

    batches = each_file(files, read, failed)
    return batches if len(files) == 1 else _together(batches, batch_bytes)


def each_file(
    files: Mapping[int, LogFile], read: Callable[[int, LogFile], Iterator[Read]], failed: dict[int, FileError] | None
) -> Iterator[Read]:
    """Yield what `read` yields for each file and its number.

    Args:
        files: The files by their numbers.
        read: Reads one of them.
        failed: Where the error of a file that cannot be read is put, to go on with the others; by default it is raised.
    """
    for number, file in files.items():
        try:
            yield from read(number, file)
        except FileError as error:
            if failed is None:
                raise
            failed[number] = error


def _together(batches: Iterator[LineBatch], batch_bytes: int) -> Iterator[LineBatch]:
    waiting: list[LineBatch] = []
    size = 0
    for batch in batches:
        waiting.append(batch)
        size += batch.text.nbytes
        if size >= batch_bytes:
            yield _concatenated(waiting)
            waiting, size = [], 0
    if waiting:
        yield _concatenated(waiting)


def _concatenated(batches: list[LineBatch]) -> LineBatch:
    text = pa.concat_arrays([b.text for b in batches])
    return LineBatch(np.concatenate([b.places for b in batches]), text, [line for b in batches for line in b.bad])


def read_lines(file: LogFile, batch_bytes: int = BATCH_BYTES, *, number: int = 0) -> Iterator[LineBatch]:
    """Yield the lines of a text file in order.

    Args:
        file: The file.
        batch_bytes: About how many bytes a batch has.
        number: The file's number among those that are read together.

    Raises:
        FileError: If compressed data turns out to be damaged or cut short.
    """
    line = first_place(number)
    overlong: bytes | None = None  # the beginning of an overlong line whose end has not come yet
    end = b"\n"  # as lines end in this file
    # A small first batch, so that whoever waits for it can begin; and none of a small file is larger than that.
    size = max(1, min(batch_bytes // 8, file.size * (1 if file.path.suffix not in COMPRESSIONS else _COMPRESSED) + 1))
    with open_decompressed(file.path) as read_into:
        start = np.empty(len(BOM), np.uint8)
        rest = start[: read_into(start)]
        if rest.tobytes() == BOM:
            rest = rest[:0]
        whole = False
        while not whole:
            # Read behind what is left over, so that nothing is copied but that.
            buffer = np.empty(len(rest) + size, np.uint8)
            buffer[: len(rest)] = rest
            got = read_into(buffer[len(rest) :])
            whole = got < size
            size = batch_bytes
            data = buffer[: len(rest) + got]
            ends = _line_ends(data)
            if overlong is not None:
                if not whole and not len(ends):
                    rest = data[:0]
                    continue
                yield _overlong(line, overlong)
                line, overlong = line + 1, None
                data = data[ends[0] + 1 :] if len(ends) else data[:0]
                ends = ends[1:] - (ends[0] + 1) if len(ends) else ends
            cut = int(ends[-1]) + 1 if len(ends) else 0
            if cut:
                end = b"\r\n" if cut > 1 and data[cut - 2] == _RETURN else b"\n"
                yield _batch(line, data[:cut], ends)
                line += len(ends)
            rest = data[cut:]
            if len(rest) > MAX_LINE_BYTES and not whole:
                overlong, rest = rest[: RAW_CHARACTERS * 4].tobytes(), rest[:0]
    if len(rest):
        # Like the others, so that it is the same line as one of them that says the same.
        last = np.append(rest, np.frombuffer(end if rest[-1] != _RETURN else b"\n", np.uint8))
        yield _batch(line, last, np.array([len(last) - 1]))


def _line_ends(data: UInt8) -> Int64:
    """Return the positions of the newlines, looked for in blocks that fit the processor's cache."""
    blocks = (np.flatnonzero(data[start : start + _BLOCK] == _NEWLINE) + start for start in range(0, len(data), _BLOCK))
    return np.concatenate([np.empty(0, np.int64), *blocks])


def _overlong(line: int, beginning: bytes) -> LineBatch:
    raw = beginning.decode("utf-8", errors="backslashreplace")[:RAW_CHARACTERS]
    bad = BadLine(line, "line_too_long", raw, f"over {MAX_LINE_BYTES >> 20} MiB")
    return LineBatch(np.array([line]), pa.array([""], pa.large_string()), [bad])


def _batch(first: int, data: UInt8, ends: Int64) -> LineBatch:
    """Cut bytes that end in a newline into lines."""
    longest = int(np.diff(ends, prepend=-1).max())
    if longest > MAX_LINE_BYTES or not _is_clean(data):
        return _batch_with_bad_lines(first, data.tobytes())
    offsets = np.empty(len(ends) + 1, np.int64)
    offsets[0] = 0
    np.add(ends, 1, out=offsets[1:])
    text = pa.Array.from_buffers(pa.large_string(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    return LineBatch(_places(first, len(ends)), text)


def _is_clean(data: UInt8) -> bool:
    if data.min() == 0:
        return False
    if data.max() < _NOT_ASCII:
        return True
    try:
        data.tobytes().decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _batch_with_bad_lines(first: int, data: bytes) -> LineBatch:
    """Cut bytes some of whose lines are unreadable; the slow way, taken only for batches that need it."""
    texts: list[str] = []
    bad: list[BadLine] = []
    for number, line in enumerate(data.split(b"\n")[:-1], first):
        rule = detail = ""
        text = ""
        if len(line) > MAX_LINE_BYTES:
            rule, detail = "line_too_long", f"over {MAX_LINE_BYTES >> 20} MiB"
        elif b"\0" in line:
            rule, detail = "nul_byte", f"NUL at byte {line.index(0) + 1}"
        else:
            try:
                text = line.decode("utf-8") + "\n"
            except UnicodeDecodeError as error:
                rule, detail = "not_utf8", f"byte 0x{line[error.start]:02x} at byte {error.start + 1}"
        if rule:
            raw = line[: RAW_CHARACTERS * 4].decode("utf-8", errors="backslashreplace").replace("\0", "\\x00")
            bad.append(BadLine(number, rule, raw[:RAW_CHARACTERS], detail))
        texts.append(text)
    return LineBatch(_places(first, len(texts)), pa.array(texts, pa.large_string()), bad)


def _places(first: int, count: int) -> Int64:
    return np.arange(first, first + count, dtype=np.int64)

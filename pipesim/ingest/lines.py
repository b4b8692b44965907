"""Reading a text log as physical lines, losslessly: every line has its number, and none disappears.

Lines are cut by their newline bytes only and handed on as Arrow arrays without a Python object per line. What cannot be
text (bytes that are no UTF-8, NUL bytes, lines beyond any sense) is named with its number instead of being decoded loosely.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pipesim.ingest.files import LogFile, open_decompressed

#: A batch is about this many bytes: large enough to vectorise, small enough to bound memory.
BATCH_BYTES = 96 << 20
#: A longer line is no record of a log; its beginning is quarantined.
MAX_LINE_BYTES = 8 << 20
#: How much of a refused line is kept.
RAW_CHARACTERS = 10_000

_NEWLINE = 10
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class BadLine:
    """A line that could not be read as text."""

    line: int
    rule: str
    raw: str
    detail: str


@dataclass(frozen=True)
class LineBatch:
    """Consecutive physical lines of one file.

    Args:
        first: The number of the first line, counted from 1.
        text: The lines with their line ends, as an Arrow large_string array; unreadable lines stand there as empty ones.
        bad: The unreadable lines.
    """

    first: int
    text: pa.LargeStringArray
    bad: list[BadLine] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.text)


def read_lines(file: LogFile, batch_bytes: int = BATCH_BYTES) -> Iterator[LineBatch]:
    """Yield the lines of a text file in order.

    Raises:
        FileError: If compressed data turns out to be damaged or cut short.
    """
    line = 1
    rest = b""
    skipped: bytes | None = None  # the beginning of an overlong line whose end has not come yet
    with open_decompressed(file.path) as read:
        start = read(len(_BOM))
        rest = b"" if start == _BOM else start
        size = max(1, batch_bytes // 8)  # a small first batch, so that whoever waits for it can begin
        while True:
            chunk = read(size)
            size = batch_bytes
            if skipped is not None:
                end = chunk.find(b"\n")
                if chunk and end < 0:
                    continue
                yield _overlong(line, skipped)
                line, skipped = line + 1, None
                chunk = chunk[end + 1 :] if end >= 0 else b""
                if not chunk and end < 0:
                    return
                rest = chunk
                continue
            if not chunk:
                break
            data = rest + chunk
            cut = data.rfind(b"\n") + 1
            if cut:
                batch = _batch(line, data[:cut])
                yield batch
                line += len(batch)
            rest = data[cut:]
            if len(rest) > MAX_LINE_BYTES:
                skipped, rest = rest[: RAW_CHARACTERS * 4], b""
    if rest:
        yield _batch(line, rest if rest.endswith(b"\n") else rest + b"\n")


def _overlong(line: int, beginning: bytes) -> LineBatch:
    raw = beginning.decode("utf-8", errors="backslashreplace")[:RAW_CHARACTERS]
    bad = BadLine(line, "line_too_long", raw, f"over {MAX_LINE_BYTES >> 20} MiB")
    return LineBatch(line, pa.array([""], pa.large_string()), [bad])


def _batch(first: int, data: bytes) -> LineBatch:
    """Cut bytes that end in a newline into lines."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
    longest = int(np.diff(ends, prepend=-1).max())
    if longest > MAX_LINE_BYTES or not _is_clean(data):
        return _batch_with_bad_lines(first, data)
    offsets = np.empty(len(ends) + 1, np.int64)
    offsets[0] = 0
    np.add(ends, 1, out=offsets[1:])
    return LineBatch(
        first, pa.Array.from_buffers(pa.large_string(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    )


def _is_clean(data: bytes) -> bool:
    if b"\0" in data:
        return False
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
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
    return LineBatch(first, pa.array(texts, pa.large_string()), bad)

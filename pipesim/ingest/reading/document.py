"""Files that are whole documents, JSON or YAML, bounded in size; what is broken is named with its file, line and column."""

from __future__ import annotations

import numpy as np

from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile, open_decompressed
from pipesim.ingest.reading.json_text import BrokenDocumentError, parse_json
from pipesim.ingest.reading.yaml_text import parse_yaml

#: A larger document would take several times its size of memory; logs of that size are split or written as JSON lines.
MAX_BYTES = 1 << 30
#: YAML takes some fifty times as long as JSON to read.
MAX_YAML_BYTES = 64 << 20

_BLOCK = 1 << 20
#: The first character that is not blank stands within as many.
_BEGINNING = 1 << 16


def load_documents(file: LogFile) -> list[object]:
    """Return the documents of a file, as dicts, lists, texts, numbers, booleans and None.

    A text that begins with a brace or a bracket is JSON, one document or several in a row; any other is YAML.

    Raises:
        FileError: If the file is too large, no text, or no such document.
    """
    text = read_text(file)
    is_json = text[:_BEGINNING].lstrip()[:1] in ("{", "[")
    if not is_json and len(text) > MAX_YAML_BYTES:
        raise FileError(
            f"the YAML is larger than {MAX_YAML_BYTES >> 20} MiB", where=file.name, remedy="write it as JSON: -o json"
        )
    try:
        if is_json:
            return parse_json(text)
        return parse_yaml(text)
    except BrokenDocumentError as error:
        raise FileError(
            error.message,
            where=f"{file.name}:{error.line}:{error.column}",
            remedy=f"write the {'JSON' if is_json else 'YAML'} again; nothing of it was ingested",
        ) from error


def read_text(file: LogFile) -> str:
    """Return the text of a file, decompressed and without its byte order mark.

    Raises:
        FileError: If it is larger than `MAX_BYTES`, binary or no UTF-8.
    """
    if file.format in ("parquet", "sqlite"):
        raise FileError(f"this is {file.format}, no JSON or YAML", where=file.name, remedy="name its format with --source")
    size = _decompressed_size(file)
    if size > MAX_BYTES:
        raise FileError(
            f"the document is larger than {MAX_BYTES >> 20} MiB, decompressed",
            where=file.name,
            remedy="write it as several files",
        )
    room = np.empty(size, np.uint8)
    with open_decompressed(file.path) as read_into:
        data = room[: read_into(room)].tobytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - data.rfind(b"\n", 0, error.start)
        raise FileError("this is no UTF-8", where=f"{file.name}:{line}:{column}", remedy="convert it to UTF-8") from error


def _decompressed_size(file: LogFile) -> int:
    """Return a file's size once decompressed, or one that is too large; none of it is kept."""
    if file.size > MAX_BYTES:
        return file.size
    size, room = 0, np.empty(_BLOCK, np.uint8)
    with open_decompressed(file.path) as read_into:
        while size <= MAX_BYTES and (got := read_into(room)):
            size += got
    return size

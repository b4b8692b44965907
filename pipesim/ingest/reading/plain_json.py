"""Plain batches: JSON lines that provably all have the same fields with simple values, and can be parsed in the cheapest way.

Most machine-written logs are like that. Parsing them with just the fields that occur, and numbers as numbers, takes half the
time of parsing for every field that might occur as text. The proof has two parts. The parser is told to fail where a line
lacks a field (`json_transform_strict`), so that each line has at least the fields of the first one. And the batch has no more
keys in all than lines times fields, counted as the bytes `":`, so that no line has any other.
"""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipesim.ingest.reading.lines import LineBatch

UInt8 = npt.NDArray[np.uint8]

#: Whole numbers beyond this may have been another one before they became a DOUBLE.
EXACT_INTEGER = 2**53 - 1

#: Bytes looked at together: few enough to stay in the processor's cache.
_BLOCK = 1 << 18
_QUOTE, _COLON, _SPACE, _T, _F = b'": tf'

_NUMBERED = pa.schema([("#place", pa.int64()), ("text", pa.large_string())])


def numbered(batch: LineBatch) -> pa.RecordBatch:
    """Return lines with their places: `"#place"` and `text`."""
    # Arrow's own conversion of a numpy array would import pandas, which costs a second.
    places = pa.Array.from_buffers(pa.int64(), len(batch), [None, pa.py_buffer(batch.places)])
    return pa.record_batch([places, batch.text], schema=_NUMBERED)


def plain_fields(batch: LineBatch) -> tuple[str, ...] | None:
    """Return the fields of every line of a batch, if no line can have others and none has true or false as a value.

    Whether every line has all of them is left for the parser to find out.
    """
    if batch.bad or not len(batch):
        return None
    try:
        first = json.loads(batch.text[0].as_py())
    except (ValueError, RecursionError):
        return None
    if not isinstance(first, dict) or not first:
        return None
    data = np.frombuffer(batch.text.buffers()[2], np.uint8)
    keys = 0
    for start in range(0, len(data), _BLOCK):
        found = _count_keys(data[start : start + _BLOCK + 2])
        if found is None:
            return None
        keys += found
    return tuple(first) if keys == len(first) * len(batch) else None


def _count_keys(block: UInt8) -> int | None:
    """Count the keys in a block, the last two bytes of which are the next one's; None where counting cannot be trusted.

    Between a key and its colon there may be blanks, which would hide the key from the count. And the parser would take true for
    the number 1.
    """
    here, following = block[:-2], block[1:-1]
    quotes, colons = here == _QUOTE, here == _COLON
    if (quotes & (following <= _SPACE)).any():
        return None
    starts_boolean = (block == _T) | (block == _F)
    if (colons & (starts_boolean[1:-1] | (following == _SPACE) & starts_boolean[2:])).any():
        return None
    return int(np.count_nonzero(quotes & (following == _COLON)))

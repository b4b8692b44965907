"""Plain batches of CSV: lines that provably need no closer look, and are split into fields in one go.

Most tables have no quotes, no blank lines and no blanks around their fields. That is found out in a few passes over the bytes.
That each line has the right number of fields follows from there being as many delimiters in all, and from the parser, which
refuses a line with more fields than there are columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from pipesim.ingest.reading.lines import LineBatch
from pipesim.ingest.reading.records import Form

UInt8 = npt.NDArray[np.uint8]

#: Bytes looked at together: few enough to stay in the processor's cache.
_BLOCK = 1 << 18
_NEWLINE, _SPACE, _QUOTE = b'\n "'
_NOT_ASCII = 128


def split_plain(batch: LineBatch, form: Form, header_lines: int) -> pa.Table | None:
    """Return the records of a batch as a table, all fields text, or None where it is not plain.

    Args:
        batch: The lines.
        form: How they are written.
        header_lines: How many lines at the batch's beginning are a header.
    """
    delimiter = form.delimiter.encode()
    if len(batch) <= header_lines or len(delimiter) != 1:
        return None
    _, offsets, data = batch.text.buffers()
    first, last = np.frombuffer(offsets, np.int64)[[header_lines, len(batch)]]
    content = np.frombuffer(data, np.uint8)[first:last]
    if not _is_plain(content, delimiter[0], (len(batch) - header_lines) * (len(form.names) - 1)):
        return None
    try:
        fields = parse_fields(content.tobytes(), form).to_arrow(compat_level=pl.CompatLevel.newest())
    except pl.exceptions.PolarsError:  # a line has too many fields, and another one too few
        return None
    if len(fields) != len(batch) - header_lines:
        return None
    places = pa.array(pl.Series(batch.places[header_lines:]).to_arrow())
    return fields.append_column("#place", places).append_column("#text", batch.text[header_lines:])


def _is_plain(data: UInt8, delimiter: int, delimiters: int) -> bool:
    """Whether lines have no quotes, none is blank, no field begins or ends in a blank, and there are so many delimiters."""
    if data[0] <= _SPACE:
        return False
    found = 0
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK + 1]  # the last byte is the next one's first
        newline, ends = block == _NEWLINE, block == delimiter
        if block.max() >= _NOT_ASCII or (block == _QUOTE).any():
            return False
        # Where the delimiter is white space, a line of nothing else is blank.
        begins = newline | ends if delimiter <= _SPACE else newline
        if (newline[:-1] & begins[1:]).any():
            return False
        blank = (block <= _SPACE) & ~newline & ~ends
        if blank.any():
            edge = newline | ends
            if (blank[1:] & edge[:-1]).any() or (edge[1:] & blank[:-1]).any():
                return False
        found += int(np.count_nonzero(ends[:_BLOCK]))
    return found == delimiters


def parse_fields(data: bytes, form: Form) -> pl.DataFrame:
    """Return the fields of lines without quotes, all of them text.

    Raises:
        polars.exceptions.ComputeError: If a line has more fields than there are columns.
    """
    return pl.read_csv(
        data,
        has_header=False,
        schema=dict.fromkeys(form.names, pl.String),
        separator=form.delimiter,
        quote_char=None,
        infer_schema=False,
    )

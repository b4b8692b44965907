"""Places: one number for a line of any of the files that are read together, so that small files can share batches.

A place is the file's number times `STEP`, plus the line's number in the file, from 1. In the relations that readers make it
is the column `"#place"`.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

_BITS = 40
#: No file has as many lines.
STEP = 1 << _BITS

#: SQL for a place's file and line.
FILE_NO = f'CAST("#place" >> {_BITS} AS INTEGER)'
LINE = f'("#place" & {STEP - 1})'


def first_place(file_no: int) -> int:
    """Return the place of a file's first line."""
    return file_no * STEP + 1


def file_and_line(place: int) -> tuple[int, int]:
    """Return the file's number and the line's number in it."""
    return place >> _BITS, place & (STEP - 1)


def per_file(places: npt.ArrayLike) -> Counter[int]:
    """Return how many of some places each file has."""
    numbers, counts = np.unique(np.asarray(places, np.int64) >> _BITS, return_counts=True)
    return Counter(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))

"""What attempts tell of durations, in a few bytes each: a log of ten million of them takes 130 MB."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.errors import RequestError
from pipesim.workload.laws.closed_forms import Floats
from pipesim.workload.tasks.attempts import LEAF, UNSUCCESSFUL

Leaf = tuple[str | None, ...]
#: Rows that are looked at together: what is made of them on the way takes ten times the memory of what is kept.
_SLICE = 500_000


@dataclass(frozen=True)
class Told:
    """The attempts that tell of natural durations.

    Attributes:
        leaves: [L] Every combination of `LEAF` in the log, ascending.
        leaf: [n] That of each attempt.
        seconds: [n] How long it took.
        censored: [n] Where it only took at least so long.
        unsuccessful: Whether nothing ever succeeded, so that these are the durations of what failed.
    """

    leaves: list[Leaf]
    leaf: NDArray[np.int32]
    seconds: Floats
    censored: NDArray[np.bool_]
    unsuccessful: bool


def tell(batches: Iterable[pl.DataFrame]) -> Told:
    """Return what attempts tell.

    Args:
        batches: Attempts with the columns of `attempts.prepare`: `LEAF`, status, seconds, natural and censored.

    Raises:
        RequestError: If no attempt has ended with a duration.
    """
    number: dict[Leaf, int] = {}
    parts = []
    columns = (*LEAF, "status", "seconds", "natural", "censored")
    for batch in (piece for frame in batches for piece in frame.select(columns).iter_slices(_SLICE)):
        leaves = batch.select(LEAF).unique()
        numbers = pl.Series("leaf", [number.setdefault(leaf, len(number)) for leaf in leaves.iter_rows()], pl.Int32)
        failed = pl.col("status").is_in(UNSUCCESSFUL) & pl.col("seconds").is_not_null() & ~pl.col("censored")
        rows = batch.filter(pl.col("natural") | pl.col("censored") | failed)
        rows = rows.join(leaves.with_columns(numbers), on=LEAF, how="left", nulls_equal=True, maintain_order="left")
        parts.append([rows[c].to_numpy() for c in ("leaf", "seconds", "natural", "censored")])
    leaf, seconds, natural, censored = (np.concatenate(column) for column in zip(*parts, strict=True))
    unsuccessful = not natural.any()
    used = ~censored if unsuccessful else natural | censored
    if not used.any():
        raise RequestError(
            "no attempt in the log has ended with a duration, so there is nothing to learn durations from",
            where="task_runs.duration_s",
            remedy="ingest a log with finished tasks that gives durations, or start and end times",
        )
    known = pl.DataFrame(list(number), schema=dict.fromkeys(LEAF, pl.String), orient="row").with_row_index("old").sort(LEAF)
    new = np.empty(len(number), dtype=np.int32)
    new[known["old"].to_numpy()] = np.arange(len(number))
    return Told(list(known.select(LEAF).iter_rows()), new[leaf[used]], seconds[used], censored[used], unsuccessful)

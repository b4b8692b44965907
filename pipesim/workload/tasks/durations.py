"""Natural durations: one law for each cell (task type x framework x GPU size class), a parent's law where rows are few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import polars as pl

from pipesim.errors import RequestError
from pipesim.workload.laws.choice import MIN_ROWS, LawChoice, choose_law
from pipesim.workload.part import Part
from pipesim.workload.tasks.attempts import CELL, UNSUCCESSFUL

Streams = Callable[..., np.random.Generator]
Level = Literal["size", "framework", "type", "all"]
_LEVELS: tuple[tuple[Level, tuple[str, ...]], ...] = (
    ("size", CELL),
    ("framework", CELL[:2]),
    ("type", CELL[:1]),
    ("all", ()),
)


class DurationCell(Part):
    """A set of tasks whose natural durations (seconds) share a law.

    Attributes:
        level: How fine the cell is: all three columns, without the size, the task type only, or everything.
        rows: Attempts whose natural duration is known exactly.
        censored: Attempts of which only a lower bound is known.
        uses: Index of the cell whose law is drawn from: its own, or the nearest parent with enough rows.
        choice: The law and its rivals, where the cell has its own.
    """

    level: Level
    task_type: str | None
    framework: str | None
    size: str | None
    rows: int
    censored: int
    uses: int
    choice: LawChoice | None

    @property
    def name(self) -> str:
        """The cell's name in messages and in the names of random streams."""
        parts = {"size": (self.task_type, self.framework, self.size), "framework": (self.task_type, self.framework)}
        path = parts.get(self.level, (self.task_type,) if self.level == "type" else ("all",))
        return "/".join(part or "-" for part in path)


def fit_durations(attempts: pl.DataFrame, streams: Streams) -> tuple[tuple[DurationCell, ...], list[str]]:
    """Return the cells, leaves first and the cell of everything last.

    A cell has its own law if at least 50 exact rows support one; else it uses its framework's, its task type's, or that of
    everything, which is fitted from whatever there is.

    Args:
        attempts: What `attempts.prepare` returns.
        streams: Gives the generator of a name.

    Raises:
        RequestError: If no attempt in the log has ended with a duration.
    """
    usable, notes = _usable(attempts)
    counts = [_counts(attempts, usable, columns) for _, columns in _LEVELS]
    index: dict[tuple[Level, tuple[str | None, ...]], int] = {}
    for (level, columns), frame in zip(_LEVELS, counts, strict=True):
        for row in frame.iter_rows(named=True):
            index[level, tuple(row[c] for c in columns)] = len(index)
    rows = [
        (level, columns, row)
        for (level, columns), frame in zip(_LEVELS, counts, strict=True)
        for row in frame.iter_rows(named=True)
    ]
    uses = [_home(i, [r for _, _, r in rows], index) for i in range(len(rows))]
    needed = {uses[i] for i, (level, _, _) in enumerate(rows) if level == "size"}
    cells = []
    for i, (level, columns, row) in enumerate(rows):
        cell = DurationCell(
            level=level, **{c: row.get(c) for c in CELL}, rows=row["exact"], censored=row["open"], uses=uses[i], choice=None
        )
        if i in needed:
            same = usable.filter(*(pl.col(c).eq_missing(pl.lit(row[c], dtype=pl.String)) for c in columns))
            law = choose_law(same["seconds"].to_numpy(), same["censored"].to_numpy(), streams("fit", "durations", cell.name))
            cell = cell.model_copy(update={"choice": law})
        cells.append(cell)
    return tuple(cells), notes


def work_scores(attempts: pl.DataFrame, cells: tuple[DurationCell, ...]) -> pl.Series:
    """Return the normal score of each attempt's natural duration among those that share its law; NULL where it has none.

    Of a duration that is only known to be larger the score is in the middle of what is left.

    Args:
        attempts: What `attempts.prepare` returns.
        cells: The cells that were fitted to them.
    """
    from scipy.special import ndtri

    leaf = pl.DataFrame(
        [(c.task_type, c.framework, c.size, c.uses) for c in cells if c.level == "size"],
        schema={**dict.fromkeys(CELL, pl.String), "law": pl.Int64},
        orient="row",
    )
    law = attempts.join(leaf, on=CELL, how="left", nulls_equal=True, maintain_order="left")["law"].fill_null(-1).to_numpy()
    seconds, natural, censored = (attempts[c].to_numpy() for c in ("seconds", "natural", "censored"))
    u = np.full(attempts.height, np.nan)
    for one in np.unique(law[natural]).tolist():
        mine = law == one
        exact = np.sort(seconds[mine & natural])
        below, upto = (np.searchsorted(exact, seconds[mine], side=side) for side in ("left", "right"))
        u[mine] = np.where(natural[mine], (below + upto) / 2, (upto + len(exact)) / 2) / len(exact)
        u[mine & ~natural & ~censored] = np.nan
        u[mine] = np.clip(u[mine], 0.5 / len(exact), 1 - 0.5 / len(exact))
    return pl.Series("work", ndtri(u)).fill_nan(None)


def _usable(attempts: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows that tell about natural durations, or those of failures where nothing ever succeeded."""
    usable = attempts.filter(pl.col("natural") | pl.col("censored"))
    if usable["natural"].any():
        return usable.sort("seconds", "censored", maintain_order=True), []
    failed = attempts.filter(pl.col("status").is_in(UNSUCCESSFUL) & pl.col("seconds").is_not_null())
    if failed.is_empty():
        raise RequestError(
            "no attempt in the log has ended with a duration, so there is nothing to learn durations from",
            where="task_runs.duration_s",
            remedy="ingest a log with finished tasks that gives durations, or start and end times",
        )
    note = "durations: no attempt succeeded; natural durations are taken from those of the unsuccessful attempts"
    return failed.with_columns(natural=True, censored=False).sort("seconds", maintain_order=True), [note]


def _counts(attempts: pl.DataFrame, usable: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return every value of the columns among the attempts with the numbers of exact and of censored durations."""
    sums = (pl.col("natural").sum().alias("exact"), pl.col("censored").sum().alias("open"))
    if not columns:
        return usable.select(*(s.cast(pl.Int64) for s in sums))
    known = usable.group_by(columns).agg(sums)
    every = attempts.select(columns).unique().sort(columns)
    return every.join(known, on=columns, how="left", nulls_equal=True, maintain_order="left").with_columns(
        pl.col("exact", "open").fill_null(0).cast(pl.Int64)
    )


def _home(i: int, rows: list[dict[str, object]], index: dict[tuple[Level, tuple[str | None, ...]], int]) -> int:
    """Return the index of the nearest cell, itself included, that has enough rows; everything if none has."""
    row = rows[i]
    for level, columns in _LEVELS:
        if not all(c in row for c in columns):
            continue  # a coarser cell than this level
        parent = index[level, tuple(row[c] for c in columns)]  # type: ignore[misc]
        if int(rows[parent]["exact"]) >= MIN_ROWS or level == "all":  # type: ignore[call-overload]
            return parent
    raise AssertionError("the cell of everything always serves")

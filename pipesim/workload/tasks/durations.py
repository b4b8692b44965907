"""Natural durations: one law for each cell of tasks that can be told from others, a parent's law where rows are few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.errors import RequestError
from pipesim.workload.laws.blending import blend
from pipesim.workload.laws.choice import MIN_ROWS, LawChoice, choose_law
from pipesim.workload.laws.law import place
from pipesim.workload.laws.resolution import find_resolution
from pipesim.workload.laws.screening import Screened, screen
from pipesim.workload.part import Part
from pipesim.workload.tasks.attempts import LEAF
from pipesim.workload.tasks.cells import LEVELS, Cell, Key, Level, Rows, Streams, arrange, settle
from pipesim.workload.tasks.kinds import Kind
from pipesim.workload.tasks.told import Told

#: Scores end here, as the ends of a law have infinite ones.
_EXTREME = 1e-7
_NOTHING_SUCCEEDED = "durations: no attempt succeeded; natural durations are taken from those of the unsuccessful attempts"


class DurationCell(Part):
    """A set of tasks whose natural durations (seconds) share a law.

    Attributes:
        level: How fine the cell is: all four columns, without the tenant, without the size, the task type only, or everything.
        rows: Attempts whose natural duration is known exactly.
        censored: Attempts of which only a lower bound is known.
        uses: Index of the cell whose law is drawn from: its own, that of a sibling which a test cannot tell it from, or that
            of the nearest parent which is not divided or has enough rows. A cell of few rows has one of its own, between these
            and its parent's law, where a test tells them from that.
        shared_by: Indices of the other cells that use this one's law.
        reason: Why it uses that law.
        choice: The law and its rivals, where the cell holds one that is drawn from.
    """

    level: Level
    task_type: str | None
    framework: str | None
    size: str | None
    tenant: str | None
    rows: int
    censored: int
    uses: int
    shared_by: tuple[int, ...]
    reason: str
    choice: LawChoice | None

    @property
    def key(self) -> Key:
        """The columns that its tasks share."""
        return (self.task_type, self.framework, self.size, self.tenant)[: dict(LEVELS)[self.level]]

    @property
    def name(self) -> str:
        """The cell's name in messages."""
        return "/".join(part or "-" for part in self.key) or "all"


def fit_durations(told: Told, streams: Streams) -> tuple[tuple[DurationCell, ...], list[str]]:
    """Return the cells, the finest first and the cell of everything last.

    Every combination of task type, framework and size is a cell, every tenant in one that has at least 50 exact rows, and
    everything above. `cells.settle` says which of them have laws of their own. The cell of everything is fitted from whatever
    there is.

    Args:
        told: What the attempts tell.
        streams: Gives the generator of a name.
    """
    notes = [_NOTHING_SUCCEEDED] if told.unsuccessful else []
    cells, rows = arrange(told)
    settle(cells, rows, streams)
    screened = cache(partial(_screen, cells, rows, streams))
    choices: dict[int, LawChoice] = {}
    for i in sorted({cell.uses for cell in cells if cell.level in ("tenant", "size")}):
        cell = cells[i]
        seconds, censored = rows.of([cells[j] for j in cell.pooled])
        screening = partial(screened, cell.parent) if cell.level == "tenant" else None
        rng = streams("fit", "durations", cell.level, cell.name)
        choices[i] = choose_law(seconds, censored, rng, find_resolution(seconds[~censored]), screening)
    _blend(cells, rows, choices)
    users: dict[int, list[int]] = {}
    for i, cell in enumerate(cells):
        if cell.uses != i:
            users.setdefault(cell.uses, []).append(i)
    fitted = []
    for i, cell in enumerate(cells):
        columns = dict(zip(LEAF, (*cell.key, None, None, None, None), strict=False))
        fitted.append(
            DurationCell(
                level=cell.level,
                **columns,
                rows=cell.exact,
                censored=cell.end - cell.begin - cell.exact,
                uses=cell.uses,
                shared_by=tuple(users.get(i, ())),
                reason=cell.reason,
                choice=choices.get(i),
            )
        )
    return tuple(fitted), notes


def _blend(cells: list[Cell], rows: Rows, choices: dict[int, LawChoice]) -> None:
    """Give cells of few rows that a test tells from the law which they borrow one between that and their own."""
    for i in reversed(range(len(cells))):  # parents come after their parts
        cell = cells[i]
        if cell.exact >= MIN_ROWS or cell.parent is None:
            continue
        parent = cells[cell.parent]
        if parent.exact < MIN_ROWS:
            cell.uses = parent.uses
        if parent.exact == cell.exact:
            continue
        seconds, censored = rows.of([cell])
        law = blend(seconds, censored, choices[cell.uses].law)
        if law is not None:
            reason = (
                f"a test tells {cell.exact} exact rows from the law of {cells[cell.uses].name}: it lies between that and theirs"
            )
            choices[i] = LawChoice(law=law, reason=reason, rows=len(seconds), censored=len(seconds) - cell.exact)
            cell.uses, cell.reason = i, f"{cell.exact} exact rows are fewer than {MIN_ROWS}, but a test tells them from others"


def cell_index(cells: Sequence[DurationCell], kinds: Sequence[Kind], tenants: Sequence[str | None]) -> NDArray[np.int64]:
    """Return the cell whose law each demand of each kind draws from, for each tenant.

    A tenant that the fit did not know, or did not tell from others, draws from the cell of the size.

    Args:
        cells: Of a workload model.
        kinds: Of the same model; the rows of the result are the entries of their demands, one kind after the other.
        tenants: The columns of the result.

    Returns:
        Indices of cells that hold a law, (demand entries, tenants).

    Raises:
        RequestError: If the cells know nothing of a kind of task.
    """
    law_of = _law_finder(cells)
    entries = [(kind.task_type, kind.framework, size) for kind in kinds for size in kind.demands.size]
    rows = {entry: [law_of((*entry, tenant)) for tenant in tenants] for entry in dict.fromkeys(entries)}
    return np.array([rows[entry] for entry in entries], dtype=np.int64).reshape(len(entries), len(tenants))


def _law_finder(cells: Sequence[DurationCell]) -> Callable[[Key], int]:
    """Return a function from the columns `LEAF` of a task to the cell whose law it draws from."""
    place = {(cell.level, cell.key): cell.uses for cell in cells}

    def law_of(key: Key) -> int:
        for level, width in LEVELS:
            uses = place.get((level, key[:width]))
            if uses is not None and cells[uses].choice is not None:
                return uses
        raise RequestError(
            f"the workload model knows no durations of tasks of {'/'.join(part or '-' for part in key[:3])}",
            remedy="fit a log that has such tasks",
        )

    return law_of


def _screen(cells: list[Cell], rows: Rows, streams: Streams, size: int) -> Sequence[Screened]:
    """Return fitter's ranking for all tenants of a size."""
    seconds, censored = rows.of([cells[size]])
    exact = seconds[~censored & (seconds > 0)]
    return screen(exact, find_resolution(exact), streams("fit", "durations", "screening", cells[size].name))


def work_scores(attempts: pl.DataFrame, cells: tuple[DurationCell, ...]) -> pl.Series:
    """Return the normal score of each attempt's natural duration in the law of its cell; NULL where it has none.

    Of a duration that is only known to be larger the score is in the middle of what is left.

    Args:
        attempts: What `attempts.prepare` returns.
        cells: The cells that were fitted to them.
    """
    from scipy.special import ndtri

    law_of = _law_finder(cells)
    leaves = attempts.select(LEAF).unique().sort(LEAF)
    leaves = leaves.with_columns(law=pl.Series([law_of(key) for key in leaves.iter_rows()], dtype=pl.Int64))
    used = attempts.join(leaves, on=LEAF, how="left", nulls_equal=True, maintain_order="left")["law"].to_numpy()
    seconds, natural, censored = (attempts[c].to_numpy() for c in ("seconds", "natural", "censored"))
    u = np.full(attempts.height, np.nan)
    for one in np.unique(used).tolist():
        choice = cells[one].choice
        mine = (used == one) & (natural | censored)
        if choice is not None:
            at = place(choice.law, seconds[mine])
            u[mine] = np.where(natural[mine], at, (1.0 + at) / 2)
    return pl.Series("work", ndtri(np.clip(u, _EXTREME, 1.0 - _EXTREME))).fill_nan(None)

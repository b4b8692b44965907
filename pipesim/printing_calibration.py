"""What a calibration found, in words and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipesim.experiments.calibration import Calibration, FigureError, PoolFit

_NAMES = {
    "mean_wait_s": "mean wait",
    "p95_wait_s": "95 % of waits",
    "mean_jct_s": "mean completion time",
    "p95_jct_s": "95 % of completion times",
    "utilization": "utilisation",
}
_HEADS = ("figure", "observed", "as given", "calibrated", "platform error", "drawn", "workload error", "95 % interval")
_WIDTHS = (36, 13, 13, 13, 16, 13, 16, 18)
_READING = (
    "platform error: the log replayed on the calibrated platform, beside the log\n"
    "workload error: drawn work on the calibrated platform, beside that replay"
)


def calibration_text(found: Calibration) -> str:
    """Return what was found of each pool in sentences, the errors that remain as a table, and where the scenario is."""
    pools, figures = map(pool_sentence, found.pools), map(_line, found.figures)
    return "\n".join([*pools, "", _row(_HEADS), *figures, "", _READING, f"calibrated scenario: {found.file}"])


def pool_sentence(pool: PoolFit) -> str:
    """Say what was found of a pool, and how far its queue is still from the log's."""
    if pool.note:
        return f"{pool.pool}: {pool.note}"
    ends = f"{pool.low:,} or more" if pool.high is None else f"{pool.low:,} to {pool.high:,}"
    span = "" if pool.low == pool.high else f" ({ends} fit as well)"
    what = f"{pool.pool}: {pool.capacity:,} {pool.resource}{span}, where {pool.given:,} are given"
    if pool.held:
        when = "before the log says that it starts" if pool.held == "before" else "after the log says that it has ended"
        what += f"; each attempt holds its part {pool.overhead_s:,.1f} s {when}"
    return (
        f"{what}. The number that waits, {pool.waiting:,.3g} on average, is off by {_percent(pool.error)} from hour to hour "
        f"({_percent(pool.error_as_given)} as given; {_percent(pool.error_elsewhere)} in the half of the log that a fit to the "
        "other has not seen)."
    )


def _line(found: FigureError) -> str:
    interval = "-"
    if found.workload_low is not None and found.workload_high is not None:
        interval = f"{100 * found.workload_low:+.0f} to {100 * found.workload_high:+.0f} %"
    return _row(
        (
            _NAMES[found.figure] + (f" of {found.pool}" if found.pool else ""),
            _value(found, found.observed),
            _value(found, found.as_given),
            _value(found, found.replayed),
            _signed(found.platform_error),
            _value(found, found.drawn),
            _signed(found.workload_error),
            interval,
        )
    )


def _row(cells: Sequence[str]) -> str:
    return f"{cells[0]:<{_WIDTHS[0]}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells[1:], _WIDTHS[1:], strict=True))


def _value(found: FigureError, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if found.figure == "utilization" else f"{value:,.0f} s"


def _signed(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:+.1f} %"


def _percent(error: float | None) -> str:
    return "unknown" if error is None else f"{100 * error:.1f} %"

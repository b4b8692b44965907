"""What a calibration found, in words and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipesim.experiments.calibration import Calibration, FigureError

_HEADS = ("figure", "observed", "as given", "calibrated", "platform error", "drawn", "workload error", "95 % interval")
_WIDTHS = (36, 13, 13, 13, 16, 13, 16, 18)
_READING = (
    "platform error: the log replayed on the calibrated platform, beside the log\n"
    "workload error: drawn work on the calibrated platform, beside that replay"
)


def calibration_text(found: Calibration) -> str:
    """Return what was found of each pool in sentences, the errors that remain as a table, and where the scenario is."""
    from pipesim.experiments.calibration.words import pool_sentence

    pools, figures = map(pool_sentence, found.pools), map(_line, found.figures)
    return "\n".join([*pools, "", _row(_HEADS), *figures, "", _READING, f"calibrated scenario: {found.file}"])


def _line(found: FigureError) -> str:
    from pipesim.experiments.calibration.words import figure_name, signed

    interval = "-"
    if found.workload_low is not None and found.workload_high is not None:
        interval = f"{100 * found.workload_low:+.0f} to {100 * found.workload_high:+.0f} %"
    return _row(
        (
            figure_name(found),
            _value(found, found.observed),
            _value(found, found.as_given),
            _value(found, found.replayed),
            signed(found.platform_error),
            _value(found, found.drawn),
            signed(found.workload_error),
            interval,
        )
    )


def _row(cells: Sequence[str]) -> str:
    return f"{cells[0]:<{_WIDTHS[0]}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells[1:], _WIDTHS[1:], strict=True))


def _value(found: FigureError, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if found.figure == "utilization" else f"{value:,.0f} s"

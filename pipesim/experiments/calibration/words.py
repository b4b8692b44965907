"""What a calibration found, in words."""

from __future__ import annotations

from pipesim.experiments.calibration.figures import FigureError
from pipesim.experiments.calibration.pool_fit import PoolFit

_NAMES = {
    "mean_wait_s": "mean wait",
    "p95_wait_s": "95 % of waits",
    "mean_jct_s": "mean completion time",
    "p95_jct_s": "95 % of completion times",
    "utilization": "utilisation",
}


def figure_name(figure: FigureError) -> str:
    """Return what a figure is called, with its pool."""
    return _NAMES[figure.figure] + (f" of {figure.pool}" if figure.pool else "")


def pool_sentence(pool: PoolFit) -> str:
    """Say what was found of a pool, and how far its queue is still from the log's."""
    if pool.note:
        return f"{pool.pool}: {pool.note}"
    if pool.low is None:
        span = " (how sure that is, so short a log does not tell)"
    elif pool.low == pool.high:
        span = ""
    else:
        span = f" ({pool.low:,} or more fit as well)" if pool.high is None else f" ({pool.low:,} to {pool.high:,} fit as well)"
    what = f"{pool.pool}: {pool.capacity:,} {pool.resource}{span}, where {pool.given:,} are given"
    if pool.held:
        when = "before the log says that it starts" if pool.held == "before" else "after the log says that it has ended"
        what += f"; each attempt holds its part {pool.overhead_s:,.1f} s {when}"
    return (
        f"{what}. The number that waits, {pool.waiting:,.3g} on average, is off by {_percent(pool.error)} from hour to hour "
        f"({_percent(pool.error_as_given)} as given; {_percent(pool.error_elsewhere)} in the half of the log that a fit to the "
        "other has not seen)."
    )


def trust_sentence(wait: FigureError | None) -> str:
    """Say how far the mean wait can be trusted, and what of its error is whose; None stands for waits that are not known."""
    if wait is None:
        return "Of the log's waits too few are known to hold the simulation to them."
    if wait.observed == 0:
        what = "neither does anybody in" if wait.replayed == 0 else f"tasks wait {wait.replayed or 0:,.3g} s on average in"
        return f"Nobody waits in the log; {what} its replay on the calibrated platform."
    if wait.platform_error is None:
        return "The replay on the calibrated platform has no waits to hold to those of the log."
    told = f"Replayed on the calibrated platform, tasks wait {_more(wait.platform_error)} than in the log"
    if wait.drawn is not None and wait.workload_error is None:
        return f"{told}; drawn work waits {wait.drawn:,.3g} s on average."
    if wait.workload_error is None:
        return f"{told}; nothing was drawn, so the workload model's part is not known."
    interval = ""
    if wait.workload_low is not None and wait.workload_high is not None:
        interval = f" (95 % interval {100 * wait.workload_low:+.0f} to {100 * wait.workload_high:+.0f} %)"
    return f"{told}; drawn work waits {_more(wait.workload_error)} than that replay{interval}."


def signed(error: float | None) -> str:
    """Return an error as `+3.1 %`."""
    return "-" if error is None else f"{100 * error:+.1f} %"


def _more(error: float) -> str:
    return f"{abs(100 * error):.1f} % {'longer' if error >= 0 else 'shorter'}"


def _percent(error: float | None) -> str:
    return "unknown" if error is None else f"{100 * error:.1f} %"

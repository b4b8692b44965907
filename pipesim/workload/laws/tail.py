"""The empirical law of many rows: a quantile table up to the .98 quantile, and a generalised Pareto tail beyond."""

from __future__ import annotations

import numpy as np

from pipesim.workload.laws.binned import Binned, Flags, bin_edges, bin_rows
from pipesim.workload.laws.closed_forms import Floats, family_cdf
from pipesim.workload.laws.law import ConstantLaw, QuantileLaw, Tail, cdf_points, knots, table_law

_BODY: Floats = np.linspace(0.0, 0.98, 200)
_MIN_EXCEEDANCES = 30
#: Censored rows may hide the .98 quantile; the tail then begins where so many exact rows are left beyond.
_MIN_BEYOND_CENSORED, _LOWEST_THRESHOLD = 100, 0.5
BEYOND_LARGEST = 1.2
#: Equal largest values, as a number and as a share of the rows, that are taken for a limit of the platform.
_LIMIT_ROWS, _LIMIT_SHARE = 10, 1e-3
#: A shape of -1 is the uniform law, below which the likelihood has no maximum; above 3 a tail says no more than its end does.
_LEAST_SHAPE, _MOST_SHAPE = -0.95, 3.0


def largest(values: Floats, censored: Flags) -> tuple[float, bool]:
    """Return where draws have to end, and whether it is a limit that the log shows.

    A limit (a wall time after which the platform stops a task) shows as an atom of equal largest values: at least 10 rows and
    a thousandth of them, and three times as many as in the tenth below it. Without one, draws end at 1.2 x the largest value.
    """
    top = float(values.max())
    at_top = int(np.sum(values[~censored] == top))
    below = int(np.sum((values >= 0.9 * top) & (values < top)))
    limit = at_top >= max(_LIMIT_ROWS, _LIMIT_SHARE * len(values), 3 * below)
    return (top, True) if limit else (BEYOND_LARGEST * top, False)


def table_tail_law(values: Floats, censored: Flags, resolution: float | None) -> tuple[ConstantLaw | QuantileLaw, str | None]:
    """Return the law, and why it has no tail if it has none.

    The excesses over the .98 quantile are fitted by maximum likelihood with location 0: rounded ones as intervals, censored
    ones by the survival function. Rows at a limit count as censored there, so that the mass that the tail has beyond the
    limit falls on it. Without a limit the tail is cut off at 1.2 x the largest value.

    Args:
        values: Non-negative finite numbers, ascending, at least one of them exact.
        censored: Where the truth is only known to be larger.
        resolution: The unit that values were rounded down to.
    """
    plain = table_law(values, censored, resolution)
    if isinstance(plain, ConstantLaw):
        return plain, None
    zero, p, x, _ = cdf_points(values, censored, resolution)
    if not len(p):
        return plain, "all exact values are zero"
    at = _BODY
    if censored.any():
        exact = values[~censored]
        start = exact[max(0, len(exact) - _MIN_BEYOND_CENSORED)]
        reached = float(p[max(0, np.searchsorted(x, start, side="right") - 1)])
        at = _BODY[: np.searchsorted(_BODY, max(_LOWEST_THRESHOLD, reached), side="right")]
    probabilities, quantiles = knots(p, x, at, rounded=resolution is not None)
    threshold = float(quantiles[-1])
    maximum, limited = largest(values, censored)
    # A rounded value is in the middle of its interval, and the threshold is the end of one.
    middles = values + (resolution or 0.0) / 2
    beyond = middles > threshold
    excess, hidden = middles[beyond] - threshold, censored[beyond]
    if limited:
        hidden = hidden | (values[beyond] == maximum)
    if np.sum(~hidden) < _MIN_EXCEEDANCES or probabilities[-1] >= 1.0:
        return plain, f"under {_MIN_EXCEEDANCES} values exceed its last knot"
    fitted = _fit_tail(excess, hidden, resolution)
    if fitted is None:
        return plain, "the generalised Pareto tail has no finite fit"
    shape, scale = fitted
    if censored.any() and not limited:
        # Censored rows hide part of the tail: it ends no sooner than at its own .99 quantile.
        hidden_end = threshold + scale * float(np.expm1(shape * np.log(100)) / shape if shape else np.log(100))
        maximum = max(maximum, hidden_end)
    below = 1.0 if limited else float(family_cdf("genpareto", np.array([(maximum - threshold) / scale]), (shape,))[0][0])
    tail = Tail(shape=shape, scale=scale, maximum=maximum, below_maximum=below)
    law = QuantileLaw(
        zero=zero,
        resolution=resolution,
        probabilities=tuple(probabilities.tolist()),
        log_values=tuple(np.log(quantiles).tolist()),
        tail=tail,
    )
    return law, None


def _fit_tail(excess: Floats, censored: Flags, resolution: float | None) -> tuple[float, float] | None:
    """Return shape and scale of the generalised Pareto law of excesses (ascending), or None without a finite fit."""
    from scipy.optimize import minimize

    unit = float(np.mean(excess))
    sample = bin_rows(excess, censored, bin_edges(excess - (resolution or 0.0) / 2, resolution))
    scaled = Binned(sample.edges / unit, sample.counts, sample.log_means, sample.bounds / unit, sample.open_counts)

    def loss(at: Floats) -> float:
        shape, log_scale = float(at[0]), float(at[1])
        if not _LEAST_SHAPE <= shape <= _MOST_SHAPE or abs(log_scale) > 30:
            return 1e300
        value = scaled.log_likelihood(lambda x: family_cdf("genpareto", x / np.exp(log_scale), (shape,)))
        return -value if np.isfinite(value) else 1e300

    simplex = np.array([[0.1, -0.1], [0.4, -0.1], [0.1, 0.3]])
    found = minimize(loss, simplex[0], method="Nelder-Mead", options={"initial_simplex": simplex, "maxfev": 300})
    if not np.isfinite(found.fun) or found.fun >= 1e299:
        return None
    return float(found.x[0]), float(np.exp(found.x[1]) * unit)

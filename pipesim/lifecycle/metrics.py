"""The static metrics of a model version, and the scales on which they are jointly normal."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: In this order wherever metrics are the columns of an array. Performance and robustness are best at 1, fairness is the
#: disparity between groups, best at 0; size is in bytes, latency in milliseconds a request.
METRICS = ("performance", "robustness", "fairness", "size_bytes", "latency_ms")
PERFORMANCE, ROBUSTNESS, FAIRNESS, SIZE, LATENCY = range(len(METRICS))
#: Those that lie within 0..1, and are normal on the logit scale; the others are positive, and normal on the log scale.
SHARES = np.array([True, True, True, False, False])
#: How near to 0 or 1 a share is taken to be at most, as its logit would be infinite.
_EDGE = 1e-4


def to_latent(values: Floats) -> Floats:
    """Return metrics, [..., 5], on the scale on which they are normal; NaN stays NaN."""
    shares = np.clip(values, _EDGE, 1 - _EDGE)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.maximum(values, np.finfo(np.float64).tiny))
        return np.asarray(np.where(SHARES, np.log(shares / (1 - shares)), logs))


def from_latent(latent: Floats) -> Floats:
    """Return the metrics, [..., 5], that stand at places of the normal scales."""
    limited = np.clip(latent, -500.0, 500.0)
    return np.asarray(np.where(SHARES, 1 / (1 + np.exp(-limited)), np.exp(limited)))


def as_array(columns: dict[str, Any]) -> Floats:
    """Return one row of metrics from values by name; NaN where one is not given."""
    return np.array([columns.get(name, np.nan) for name in METRICS], np.float64)

"""The workload model: `fit` learns it from a trace, `synthesize` draws new traces from it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipesim.workload.confidence.intervals import intervals
    from pipesim.workload.fitting import FitConfig, fit
    from pipesim.workload.model import WorkloadModel
    from pipesim.workload.synthesis import SynthesisConfig, synthesize

__all__ = ["FitConfig", "SynthesisConfig", "WorkloadModel", "fit", "intervals", "synthesize"]

_HOMES = {
    "intervals": "pipesim.workload.confidence.intervals",
    "FitConfig": "pipesim.workload.fitting",
    "fit": "pipesim.workload.fitting",
    "WorkloadModel": "pipesim.workload.model",
    "SynthesisConfig": "pipesim.workload.synthesis",
    "synthesize": "pipesim.workload.synthesis",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: numpy, polars and pydantic models take a while to load."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value

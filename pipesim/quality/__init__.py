"""How like the real trace a model's synthetic traces are: every metric beside its noise floor, a baseline and its goal.

`quality` judges a model; `measures` holds the metrics, each a pure function of a real and a synthetic excerpt.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipesim.quality.marks import fit_with_best_marks
    from pipesim.quality.scores import Quality, QualityConfig, quality

__all__ = ["Quality", "QualityConfig", "fit_with_best_marks", "quality"]

_HOMES = dict.fromkeys(("Quality", "QualityConfig", "quality"), "pipesim.quality.scores") | {
    "fit_with_best_marks": "pipesim.quality.marks"
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: numba takes a while to load."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value

"""How like the real trace a model's synthetic traces are: every metric beside its noise floor, a baseline and its goal.

`quality` judges a model; `measures` holds the metrics, each a pure function of a real and a synthetic excerpt.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipesim.quality.scores import Quality, QualityConfig, quality

__all__ = ["Quality", "QualityConfig", "quality"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: numba takes a while to load."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module("pipesim.quality.scores"), name)
    globals()[name] = value
    return value

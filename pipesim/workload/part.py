"""The base of every part of a workload model: plain data, checked, immutable, and nothing unknown in it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A piece of a workload model that is stored as JSON. Infinite and NaN numbers are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

"""Sweeps: one scenario file that stands for many, with several values at some of its keys.

A key's value may be `{sweep: [a, b, c]}` or `{sweep: {from: 200, to: 600, step: 50}}`. The values of several such keys are
crossed, each with each; those with the same word under `zip` go side by side instead. A key of the file may be a dotted path,
`platform.pools.training.gpus`, in which an item of a list goes by its `name` or its number.
"""

from __future__ import annotations

from pipesim.experiments.sweeps.reading import load_sweep, sweep_of
from pipesim.experiments.sweeps.rows import save_sweeps, sweep_rows
from pipesim.experiments.sweeps.sweep import MANY_RUNS, Axis, Sweep, Variant, may_be_of

__all__ = ["MANY_RUNS", "Axis", "Sweep", "Variant", "load_sweep", "may_be_of", "save_sweeps", "sweep_of", "sweep_rows"]

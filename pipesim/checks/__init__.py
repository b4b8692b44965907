"""Checks: can what was ingested, fitted, synthesised or simulated be relied on? Each is a function from a lake to a verdict.

`accounting`, `observed` and `capacity` judge the data, `workload` the fitted model, `fidelity` the synthetic trace, `simulated`
the invariants of the simulation.
"""

from pipesim.checks.verdict import Figure, Verdict

__all__ = ["Figure", "Verdict"]

"""Calibration: how far a scenario's platform behaves like the one whose log there is, and what the log does not say of it.

The log is replayed, so that the work is what it was. What a log seldom says is fitted pool by pool: how much of the capacity
there is in effect, and for how long each attempt holds it besides its work. What error remains is the platform model's; what
drawn work adds to it on the same platform is the workload model's.
"""

from pipesim.experiments.calibration.calibrate import Calibration, calibrate
from pipesim.experiments.calibration.figures import FigureError
from pipesim.experiments.calibration.pool_fit import PoolFit

__all__ = ["Calibration", "FigureError", "PoolFit", "calibrate"]

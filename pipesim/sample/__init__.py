"""The reference platform: a documented ground truth, the history that follows from it, and the logs of that history.

`truth` holds every law and parameter; `build_workload` draws what users submit, `build_platform_trace` runs it through the
simulator's finite pools, `observe` cuts the history where the log ends, and `write_sample` writes `traces/sample/`.
"""

from pipesim.sample.history import build_platform_trace, observe, platform_scenario
from pipesim.sample.log import expected_accounting, write_sample
from pipesim.sample.workload import build_workload

__all__ = ["build_platform_trace", "build_workload", "expected_accounting", "observe", "platform_scenario", "write_sample"]

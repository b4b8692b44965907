"""Where the runs of an experiment are executed: in this process, or in several of this machine."""

from pipesim.experiments.backends.base import Backend, InThisProcess
from pipesim.experiments.backends.machine import available_bytes, cores, default_workers
from pipesim.experiments.backends.processes import Processes

__all__ = [
    "Backend",
    "InThisProcess",
    "Processes",
    "available_bytes",
    "backend",
    "cores",
    "default_workers",
]


def backend(workers: int) -> Backend:
    """Return where so many runs are executed side by side on this machine."""
    return Processes(workers) if workers > 1 else InThisProcess()

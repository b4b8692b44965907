"""Where the runs of an experiment are executed: in this process, in several of this machine, or on a Ray cluster."""

from contextlib import AbstractContextManager, nullcontext

from pipesim.experiments.backends.base import Backend, InThisProcess
from pipesim.experiments.backends.machine import available_bytes, cores, default_workers
from pipesim.experiments.backends.processes import Processes
from pipesim.experiments.backends.ray import Ray

__all__ = [
    "Backend",
    "InThisProcess",
    "Processes",
    "Ray",
    "available_bytes",
    "backend",
    "cores",
    "default_workers",
    "given_or_own",
]


def backend(workers: int) -> Backend:
    """Return where so many runs are executed side by side on this machine."""
    return Processes(workers) if workers > 1 else InThisProcess()


def given_or_own(given: Backend | None, workers: int | None, runs: int, bytes_each: int = 0) -> AbstractContextManager[Backend]:
    """Return the back end that is given, which is left open, or one of this machine for a number of runs.

    Args:
        given: The back end, if there is one.
        workers: Of how many processes; by default, as suit the runs and this machine.
        runs: How many runs there are.
        bytes_each: How much memory one of them takes.
    """
    return nullcontext(given) if given else backend(workers or default_workers(runs, bytes_each))

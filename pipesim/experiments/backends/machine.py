"""What this machine has room for."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: Below this many runs a new process costs more than it saves.
_WORTH_PROCESSES = 4
#: What a worker takes before it has anything to work on.
_WORKER_BYTES = 350 << 20


def default_workers(runs: int, bytes_each: int = 0) -> int:
    """Return how many processes suit a number of runs: one for a few, else one a core, as far as there is memory.

    Args:
        runs: How many there are.
        bytes_each: How much memory one of them takes.
    """
    if runs < _WORTH_PROCESSES:
        return 1
    fitting = available_bytes() // (_WORKER_BYTES + bytes_each)
    return max(1, min(cores(), runs, fitting))


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_bytes() -> int:
    """Return how much memory can be had without swapping, as far as the system says; else a great deal."""
    limits = [1 << 50]
    with suppress(OSError, ValueError):  # another system than Linux
        told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        limits.append(int(told["MemAvailable"].split()[0]) << 10)
    with suppress(OSError, ValueError):  # no limit
        most, held = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        limits.append(int(most) - int(held))
    return max(0, min(limits))

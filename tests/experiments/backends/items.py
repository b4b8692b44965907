"""What the tests of back ends have run: functions that their workers import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from pipesim.errors import RequestError


def squared(folder: Path, deadly: frozenset[int], times: int, number: int) -> int:
    """Square a number; the worker of a deadly one is killed the first so many times."""
    deaths = folder / f"{number}"
    died = int(deaths.read_text()) if deaths.exists() else 0
    if number in deadly and died < times:
        deaths.write_text(str(died + 1))
        time.sleep(0.1)  # so that others are under way
        os.kill(os.getpid(), signal.SIGKILL)
    with (folder / "done").open("a") as done:
        done.write(f"{number}\n")
    return number * number


def refusing(number: int) -> int:
    """Refuse the number 3."""
    if number == 3:
        raise RequestError("no threes", remedy="leave them out")
    return number


def lasting(folder: Path, seconds: float, number: int) -> tuple[float, float, str]:
    """Last so long, leave a sign of life now and then, and tell when this began and ended, and on which node of Ray."""
    import ray

    begun = time.time()
    while time.time() < begun + seconds:
        (folder / f"alive-{number}").touch()
        time.sleep(0.05)
    return begun, time.time(), ray.get_runtime_context().get_node_id()

"""Where the runs of an experiment are executed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Below this many runs a new process costs more than it saves.
_WORTH_PROCESSES = 4


def default_workers(runs: int) -> int:
    """Return how many processes suit a number of runs: one for a few, else one a core."""
    return 1 if runs < _WORTH_PROCESSES else min(os.cpu_count() or 1, runs)


def _end_with(parent: int) -> None:
    """End this worker when its parent is gone, however that died; leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def map_runs(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield the results in the order of the items; an exception of an item is raised in its place.

    Args:
        function: A picklable function of one picklable item.
        items: What to run.
        workers: How many processes; with one, everything runs in this process.
    """
    if workers <= 1 or len(items) <= 1:
        yield from map(function, items)
        return
    # Forking a process that has threads (Polars, DuckDB) can deadlock; a fresh interpreter cannot.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(workers, len(items)), mp_context=context, initializer=_end_with, initargs=(os.getpid(),)
    ) as pool:
        try:
            yield from pool.map(function, items)
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, Exception):  # an interrupt does not wait for runs under way; nothing of them is stored
                for worker in multiprocessing.active_children():
                    worker.terminate()
            raise

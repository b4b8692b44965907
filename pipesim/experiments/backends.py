"""Where the runs of an experiment are executed: in this process, or in several of this machine.

A worker that dies (killed for the memory it takes, for one) takes nothing along but the runs under way, which are run again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pipesim.errors import WorkError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Below this many runs a new process costs more than it saves.
_WORTH_PROCESSES = 4
#: What a worker takes before it has anything to work on.
_WORKER_BYTES = 350 << 20
#: How often an item may be under way when a worker dies, before it is run by itself, and then once more.
_SUSPECT_AFTER = 2


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


class Backend(ABC):
    """Where runs are executed; it lasts, so that what it takes to begin is paid once."""

    #: How many runs are executed side by side.
    workers: int

    @abstractmethod
    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Yield each item's place and result as it is done; an exception of an item is raised, and ends the rest.

        Args:
            function: A picklable function of one picklable item. An item whose worker dies is given to another one.
            items: What to run.

        Raises:
            WorkError: If an item's worker dies again and again, the last time while running nothing else.
        """

    @abstractmethod
    def close(self, *, at_once: bool) -> None:
        """Let go of what it holds; `at_once`, without waiting for runs under way."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # An interrupt does not wait for runs under way; nothing of them is stored.
        self.close(at_once=error is not None and not isinstance(error, Exception))


class InThisProcess(Backend):
    """Everything runs in this process, in order."""

    workers = 1

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Yield each item's place and result; see `Backend.map`."""
        return ((place, function(item)) for place, item in enumerate(items))

    def close(self, *, at_once: bool) -> None:
        """There is nothing to let go of."""


class Processes(Backend):
    """Processes of this machine, begun when they are needed first."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Yield each item's place and result as it is done; see `Backend.map`."""
        todo, lost = deque(range(len(items))), Counter[int]()
        while todo:
            # One that was there whenever a worker died runs by itself, so that it is known who is to blame.
            suspect = lost[todo[0]] >= _SUSPECT_AFTER
            turn = deque([todo.popleft()]) if suspect else todo
            under_way: list[int] = []
            try:
                yield from self._run(function, items, turn, under_way)
            except BrokenProcessPool as error:
                self.close(at_once=True)
                if suspect:
                    raise WorkError(
                        f"a worker died {lost[under_way[0]] + 1} times while it ran {str(items[under_way[0]])[:200]}",
                        remedy="it may take more memory than there is: use fewer workers, or a smaller or shorter scenario",
                    ) from error
                lost.update(under_way)
                todo.extendleft(sorted(under_way, reverse=True))

    def _run(
        self, function: Callable[[Item], Result], items: Sequence[Item], todo: deque[int], under_way: list[int]
    ) -> Iterator[tuple[int, Result]]:
        """Run items until none is left to do; `under_way` always says which ones have been begun and not ended."""
        if self._pool is None:
            # Forking a process that has threads (Polars, DuckDB) can deadlock; a fresh interpreter cannot.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=context, initializer=_begin, initargs=(os.getpid(), max(1, cores() // self.workers))
            )
        running: dict[Future[Result], int] = {}
        try:
            while todo or running:
                while todo and len(running) <= self.workers:  # one more than can run, so that no worker has to wait
                    under_way.append(todo.popleft())
                    running[self._pool.submit(function, items[under_way[-1]])] = under_way[-1]
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    place = running.pop(future)
                    under_way.remove(place)
                    yield place, result
        finally:
            for future in running:
                future.cancel()

    def close(self, *, at_once: bool) -> None:
        """End the processes."""
        if self._pool is None:
            return
        self._pool.shutdown(wait=False, cancel_futures=True)
        if at_once:
            for worker in multiprocessing.active_children():
                worker.terminate()
        self._pool.shutdown(wait=True)
        self._pool = None


def backend(workers: int) -> Backend:
    """Return where so many runs are executed side by side."""
    return Processes(workers) if workers > 1 else InThisProcess()


def _begin(parent: int, threads: int) -> None:
    """Let this worker end when its parent is gone, however that died, leave Ctrl-C to it, and use its share of the cores."""
    # Polars asks for it when it is used first; more threads than cores take a quarter more of the processor's time.
    os.environ.setdefault("POLARS_MAX_THREADS", str(threads))
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

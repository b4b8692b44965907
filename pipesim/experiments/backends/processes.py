"""Processes of this machine.

A worker that dies (killed for the memory it takes, for one) takes nothing along but the runs under way, which are run again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from pipesim.experiments.backends.base import SUSPECT_AFTER, Backend, Item, Result, deadly
from pipesim.experiments.backends.machine import cores


class Processes(Backend):
    """Processes of this machine, begun when they are needed first."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    @property
    def workers(self) -> int:
        """How many runs are executed side by side."""
        return self._workers

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Yield each item's place and result as it is done; see `Backend.map`."""
        todo, lost = deque(range(len(items))), Counter[int]()
        while todo:
            # One that was there whenever a worker died runs by itself, so that it is known who is to blame.
            suspect = lost[todo[0]] >= SUSPECT_AFTER
            turn = deque([todo.popleft()]) if suspect else todo
            under_way: list[int] = []
            try:
                yield from self._run(function, items, turn, under_way)
            except BrokenProcessPool as error:
                self.close(at_once=True)
                if suspect:
                    raise deadly(items[under_way[0]], lost[under_way[0]] + 1) from error
                lost.update(under_way)
                todo.extendleft(sorted(under_way, reverse=True))

    def _run(
        self, function: Callable[[Item], Result], items: Sequence[Item], todo: deque[int], under_way: list[int]
    ) -> Iterator[tuple[int, Result]]:
        """Run items until none is left to do; `under_way` always says which ones have been begun and not ended."""
        if self._pool is None:
            # Forking a process that has threads (Polars, DuckDB) can deadlock; a fresh interpreter cannot.
            context = multiprocessing.get_context("spawn")
            threads = max(1, cores() // self._workers)
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=context, initializer=_begin, initargs=(os.getpid(), threads)
            )
        running: dict[Future[Result], int] = {}
        try:
            while todo or running:
                while todo and len(running) <= self._workers:  # one more than can run, so that no worker has to wait
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

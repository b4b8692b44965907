"""A Ray cluster: runs are tasks of one core each, on nodes that all see the home folder.

Ray keeps processes for the tasks that follow, so that what they have loaded (the engine, the model) is loaded once. A worker
that dies, or a node that does, takes nothing along but the runs under way on it, which are run again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from pipesim.errors import WorkError
from pipesim.experiments.backends.base import SUSPECT_AFTER, Backend, Item, Result, deadly
from pipesim.experiments.backends.cluster import fit_nodes, joined, load, reach, started
from pipesim.experiments.backends.machine import cores
from pipesim.lake import Lake

#: One more run than can be executed is submitted for each so many of these, so that no core has to wait for the next one.
_SPARE = 8


class Ray(Backend):
    """A cluster, which is joined, or started on this machine, when it is needed first.

    Args:
        lake: The home folder of the runs.
        workers: How many runs are executed side by side at most; by default as many as there are cores.
        address: `HOST:PORT` of the cluster; by default one of this machine's cores is started, and ended with this.

    Raises:
        RequestError: If Ray is not installed, or the address is none.
        WorkError: If nothing answers at the address.
    """

    def __init__(self, lake: Lake, workers: int | None = None, address: str | None = None) -> None:
        if address is not None:
            reach(address)
        load()
        self._lake, self._most, self._address = lake, workers, address
        self._held: ExitStack | None = None
        self._nodes: frozenset[str] = frozenset()

    @property
    def workers(self) -> int:
        """How many runs are executed side by side, by the cores that the cluster has now."""
        self._begin()
        there = int(load().cluster_resources().get("CPU", 0))
        if not there:
            raise WorkError("no node of the cluster has a core", where="--address", remedy="let one join with `ray start`")
        return min(self._most or there, there)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Yield each item's place and result as it is done; see `Backend.map`."""
        self._begin()
        self._nodes = fit_nodes(self._lake, self._nodes)
        deaths = Counter[int]()
        yield from self._run(function, items, deque(range(len(items))), deaths)
        for suspect in [place for place, count in deaths.items() if count == SUSPECT_AFTER]:
            yield from self._run(function, items, deque([suspect]), deaths)

    def _run(
        self, function: Callable[[Item], Result], items: Sequence[Item], todo: deque[int], deaths: Counter[int]
    ) -> Iterator[tuple[int, Result]]:
        """Run items, but for those that are left aside as their workers died too often."""
        ray = load()
        attempt = ray.remote(num_cpus=1, max_retries=0)(_attempt)
        room = self._room()
        running: dict[Any, int] = {}
        try:
            while todo or running:
                while todo and len(running) < room:
                    place = todo.popleft()
                    running[attempt.remote(function, items[place], self._nodes)] = place
                (done,), _ = ray.wait(list(running), num_returns=1)
                place = running.pop(done)
                try:
                    found: tuple[Result] | None = ray.get(done)
                except ray.exceptions.RayTaskError as error:
                    raise (error.cause or error) from error
                except ray.exceptions.RayError as error:
                    deaths[place] += 1
                    if deaths[place] > SUSPECT_AFTER:
                        raise deadly(items[place], deaths[place]) from error
                    if deaths[place] < SUSPECT_AFTER:
                        todo.append(place)
                    continue
                if found is None:  # a node that has just joined
                    self._nodes = fit_nodes(self._lake, self._nodes)
                    room = self._room()
                    todo.appendleft(place)
                else:
                    yield place, found[0]
        finally:
            for task in running:
                ray.cancel(task)

    def _room(self) -> int:
        """Return how many runs are submitted at once."""
        workers = self.workers
        return workers if self._address and self._most else workers + -(-workers // _SPARE)

    def _begin(self) -> None:
        if self._held is None:
            held = ExitStack()
            held.enter_context(joined(self._address) if self._address else started(self._most or cores()))
            self._held = held

    def close(self, *, at_once: bool) -> None:
        """Leave the cluster, which ends what is running there for this process; end it if it was started by this."""
        if self._held:
            self._held.close()
            self._held, self._nodes = None, frozenset()


def _attempt(function: Callable[[Item], Result], item: Item, nodes: frozenset[str]) -> tuple[Result] | None:
    """Run an item, unless nobody has asked yet whether this node can."""
    return (function(item),) if load().get_runtime_context().get_node_id() in nodes else None

"""The same work on other simulators, each in the shape that its own documentation shows for it, and as fast as that gets.

The work is runs that are chains of tasks, each of which takes one server of its pool, first come, first served. Each function
takes the arrays that the engines take and returns the instant at which each task starts. The peers are given whole
microseconds, as Python's integers, which all three calculate with as they are; so their schedules can be compared exactly.

- SimPy: one process a run, one `Resource` a pool; nothing else.
- Ciw: one node a pool and one customer a run, who takes his route through them. Arrivals are a `Sequential` list; the time of
  service is a distribution of ours, as each task has its own. That also notes when service starts, so the data records, which
  nobody asks for, are not written.
- salabim: one component a run, one `Resource` a pool, without traces and monitors. Processes are generators
  (`yieldless=False`), since the other way needs a further package, greenlet. All components have one name, as numbering them
  costs time.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from pipesim.simulation.engine import DIMENSIONS, Int64, SimulationInput


class _Work(NamedTuple):
    """The work as lists, which Python reads faster than arrays."""

    submitted: list[int]
    first: list[int]  # the first task of each run, and where the last run ends
    pool: list[int]  # the pool of each task
    hold: list[int]
    servers: list[int]


def _work(given: SimulationInput) -> _Work:
    return _Work(
        submitted=given.run_submitted.tolist(),
        first=given.run_tasks.tolist(),
        pool=given.class_pool[given.attempt_class].tolist(),
        hold=given.attempt_hold.tolist(),
        servers=(given.capacity[:, list(DIMENSIONS).index("gpus")] // DIMENSIONS["gpus"]).tolist(),
    )


def simpy_starts(given: SimulationInput) -> Int64:
    """Return the start of each task, by a bare SimPy loop."""
    import simpy

    work = _work(given)
    env = simpy.Environment()
    pools = [simpy.Resource(env, servers) for servers in work.servers]
    starts: list[float] = [0] * len(work.hold)

    def run(tasks: range) -> Generator[Any, Any, None]:
        for task in tasks:
            with pools[work.pool[task]].request() as request:
                yield request
                starts[task] = env.now
                yield env.timeout(work.hold[task])

    def submissions() -> Generator[Any, Any, None]:
        for r, at in enumerate(work.submitted):
            yield env.timeout(at - env.now)
            env.process(run(range(work.first[r], work.first[r + 1])))

    env.process(submissions())
    env.run()
    return np.array(starts)


def ciw_starts(given: SimulationInput) -> Int64:
    """Return the start of each task, by Ciw."""
    import ciw  # type: ignore[import-untyped]

    work = _work(given)
    starts: list[float] = [0] * len(work.hold)
    coming = work.first[:-1]  # the next task of each run; Ciw numbers customers from 1 in the order in which they arrive

    class Hold(ciw.dists.Distribution):  # type: ignore[misc]
        def sample(self, t: float, ind: Any) -> int:
            r: int = ind.id_number - 1
            task = coming[r]
            coming[r] += 1
            starts[task] = t
            return work.hold[task]

    class Quiet(ciw.Node):  # type: ignore[misc]
        def write_individual_record(self, individual: Any) -> None:
            """Keep nothing: the starts are all that is compared, and Ciw's record of each visit would be its greatest cost."""

    def route(customer: Any, _: Any) -> list[int]:
        r = customer.id_number - 1
        return [pool + 1 for pool in work.pool[work.first[r] + 1 : work.first[r + 1]]]

    gaps = np.diff(given.run_submitted, prepend=0).tolist()
    pools = len(work.servers)
    network = ciw.create_network(  # all runs begin in the first pool
        arrival_distributions=[ciw.dists.Sequential([*gaps, float("inf")]), *[None] * (pools - 1)],
        service_distributions=[Hold() for _ in range(pools)],
        number_of_servers=work.servers,
        routing=ciw.routing.ProcessBased(route),
    )
    simulation = ciw.Simulation(network, node_class=Quiet)
    simulation.simulate_until_max_customers(len(work.submitted), method="Finish")
    return np.array(starts)


def salabim_starts(given: SimulationInput) -> Int64:
    """Return the start of each task, by salabim."""
    import salabim  # type: ignore[import-untyped]

    work = _work(given)
    env = salabim.Environment(trace=False, yieldless=False)
    pools = [salabim.Resource("pool", servers, monitor=False, env=env) for servers in work.servers]
    starts: list[float] = [0] * len(work.hold)

    class Run(salabim.Component):  # type: ignore[misc]
        number: int

        def process(self) -> Generator[Any, Any, None]:
            for task in range(work.first[self.number], work.first[self.number + 1]):
                yield self.request(pools[work.pool[task]])
                starts[task] = env.now()
                yield self.hold(work.hold[task])
                self.release()

    class Submissions(salabim.Component):  # type: ignore[misc]
        def process(self) -> Generator[Any, Any, None]:
            for r, at in enumerate(work.submitted):
                yield self.hold(till=at)
                run = Run("run", env=env)
                run.number = r  # not by a keyword argument, as those make salabim look at signatures
                run.status.monitor(False)
                run.mode.monitor(False)

    Submissions(env=env)
    env.run()
    return np.array(starts)

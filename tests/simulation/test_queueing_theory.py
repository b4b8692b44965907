"""I9: mean waits against queueing theory, by independent replications with fixed seeds.

A formula is believed if its value for every class lies in that class's 99 % t-interval; the intervals are narrow enough to
refuse the formulas that might be mistaken for it. The mean service time of a queue of one class is the unit of time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import factorial, log, sqrt

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats

from pipesim.simulation import Scenario, simulate
from pipesim.streams import stream
from pipesim.trace import Trace

Floats = NDArray[np.float64]

SEED, REPLICATIONS, CUSTOMERS = 9, 20, 18_000
#: Left out of the means at the beginning, where the queue is still too short, and at the end, where nobody comes any more
#: to pass those of low priority.
MARGIN = 500
#: The widest interval that is accepted, relative to the theory.
NARROW = 0.15
#: A unit of time, in seconds: long against the microsecond to which the simulator rounds.
UNIT_S = 100


@dataclass(frozen=True)
class Service:
    """A law of service times: how to draw n of them, its mean and its second moment."""

    draw: Callable[[np.random.Generator, int], Floats]
    mean: float
    second_moment: float


def exponential(mean: float = 1.0) -> Service:
    return Service(lambda rng, n: rng.exponential(mean, n), mean, 2 * mean**2)


def constant(mean: float = 1.0) -> Service:
    return Service(lambda _, n: np.full(n, mean), mean, mean**2)


def lognormal(cv: float) -> Service:
    """A lognormal law of mean 1 by its coefficient of variation: 1 + cv^2 = exp(sigma^2)."""
    variance = log(1 + cv**2)
    return Service(lambda rng, n: rng.lognormal(-variance / 2, sqrt(variance), n), 1.0, 1 + cv**2)


def hyperexponential(cv: float, mean: float = 1.0) -> Service:
    """A mixture of two exponential laws, each with half of the mean (Whitt 1982, "balanced means")."""
    p = (1 + sqrt((cv**2 - 1) / (cv**2 + 1))) / 2

    def draw(rng: np.random.Generator, n: int) -> Floats:
        return rng.exponential(mean / 2 / np.where(rng.random(n) < p, p, 1 - p))

    return Service(draw, mean, mean**2 / (2 * p * (1 - p)))


def erlang_c(servers: int, load: float) -> float:
    """Return the probability of waiting in an M/M/c queue (Erlang 1917); divided by c (1 - load), it is the mean wait."""
    offered = servers * load
    busy = offered**servers / factorial(servers) / (1 - load)
    return busy / (sum(offered**k / factorial(k) for k in range(servers)) + busy)


def erlang_b(servers: int, load: float) -> float:
    """Return the probability of being lost in an M/M/c/c system, which has no room to wait (Erlang 1917)."""
    terms = [(servers * load) ** k / factorial(k) for k in range(servers + 1)]
    return terms[-1] / sum(terms)


def pollaczek_khinchine(rate: float, service: Service) -> float:
    """Return the mean wait in an M/G/1 queue, rate E[S^2] / 2 (1 - load) (Pollaczek 1930, Khinchine 1932)."""
    return rate * service.second_moment / (2 * (1 - rate * service.mean))


def cobham(first: float | Floats, loads: Sequence[float]) -> Floats:
    """Return the mean wait of each class under non-preemptive priorities (Cobham 1954).

    It is first / (1 - load of the classes above) (1 - load of those and this one).

    Args:
        first: The mean time until a server is free for the first in line: the sum of rate E[S^2] / 2 with one server,
            erlang_c / c with c servers and one exponential law for all classes.
        loads: What part of all servers each class takes, the class that goes first at the front.
    """
    total: Floats = np.cumsum([0.0, *loads])
    return first / ((1 - total[:-1]) * (1 - total[1:]))


@dataclass(frozen=True)
class Queue:
    """A queue with Poisson arrivals: what comes to it, the class that goes first at the front, and what waits mean there.

    Args:
        servers: How many there are.
        classes: The arrival rate and the service of each class.
        waits: The mean wait of each class.
        wrong: What it is not, by what one would have to take the queue for.
    """

    servers: int
    classes: Sequence[tuple[float, Service]]
    waits: Floats
    wrong: Mapping[str, Floats | float]

    @property
    def scenario(self) -> Scenario:
        pool = {"name": "servers", "slots": self.servers}
        order = "priority" if len(self.classes) > 1 else "fifo"
        return Scenario.model_validate({"name": "queue", "platform": {"pools": [pool]}, "policy": {"order": order}})


def one_server(rate: float, service: Service, wrong: dict[str, Service]) -> Queue:
    """An M/G/1 queue, and those of the same rate with other laws of service."""
    wait = pollaczek_khinchine(rate, service)
    others = {name: pollaczek_khinchine(rate, other) for name, other in wrong.items()}
    return Queue(1, [(rate, service)], np.array([wait]), others | {"time in the system": wait + service.mean})


def many_servers(servers: int, load: float) -> Queue:
    """An M/M/c queue."""
    idle = servers * (1 - load)
    wrong = {
        "one fast server": load / idle,
        "a line at each server": load / (1 - load),
        "no room to wait": erlang_b(servers, load) / idle,
    }
    return Queue(servers, [(servers * load, exponential())], np.array([erlang_c(servers, load) / idle]), wrong)


def priorities(servers: int, classes: Sequence[tuple[float, Service]]) -> Queue:
    """An M/G/1 queue, or M/M/c with one law for all classes, under non-preemptive priorities."""
    loads = [rate * service.mean / servers for rate, service in classes]
    if servers == 1:
        residual = np.array([rate * service.second_moment / 2 for rate, service in classes])
        first = float(residual.sum())
        # Who may interrupt does not see those below him.
        wrong = {"preemptive": cobham(np.cumsum(residual), loads)}
    else:
        first = erlang_c(servers, sum(loads)) / servers
        wrong = {"one fast server": cobham(sum(loads) / servers, loads)}
    wrong["fifo"] = np.full(len(loads), first / (1 - sum(loads)))
    wrong["the last class first"] = cobham(first, loads[::-1])[::-1]
    return Queue(servers, classes, cobham(first, loads), wrong)


QUEUES = {
    "M/M/1": one_server(0.6, exponential(), {"M/D/1": constant(), "cv 1.2": lognormal(1.2)}),
    "M/D/1": one_server(0.7, constant(), {"M/M/1": exponential(), "cv 0.5": lognormal(0.5)}),
    "M/G/1-lognormal": one_server(0.5, lognormal(1.5), {"M/M/1": exponential(), "cv 1.2": lognormal(1.2)}),
    "M/G/1-hyperexponential": one_server(0.5, hyperexponential(2.0), {"M/M/1": exponential(), "cv 1.7": lognormal(1.7)}),
    "M/M/5": many_servers(5, 0.7),
    "M/M/1-priorities": priorities(1, [(rate, exponential()) for rate in (0.15, 0.2, 0.25)]),
    "M/G/1-priorities": priorities(1, [(0.5, hyperexponential(1.5, mean=0.5)), (0.15, constant(2.0))]),
    "M/M/3-priorities": priorities(3, [(rate, exponential()) for rate in (0.5, 0.6, 0.7)]),
}


def customers(name: str, replication: int) -> Trace:
    """Draw the runs of one replication, each of one task on one slot."""
    rates, services = zip(*QUEUES[name].classes, strict=True)
    gaps, picks, lengths = (stream(SEED, name, replication, what) for what in ("gaps", "picks", "lengths"))
    arrival = gaps.exponential(1 / sum(rates), CUSTOMERS).cumsum()
    of_class = picks.choice(len(rates), CUSTOMERS, p=np.array(rates) / sum(rates))
    duration = np.choose(of_class, [service.draw(lengths, CUSTOMERS) for service in services])
    run_id = pl.Series([f"{i:05d}" for i in range(CUSTOMERS)])
    submitted_at = datetime(2026, 1, 1) + pl.Series(arrival * UNIT_S * 1e6).cast(pl.Int64).cast(pl.Duration("us"))
    runs = pl.select(
        run_id=run_id, submitted_at=submitted_at, priority=pl.Series(-of_class), pipeline_name=pl.lit("p"),
        status=pl.lit("UNKNOWN"), raw_status=pl.lit("?"), time_basis=pl.lit("utc"),
    )  # fmt: skip
    tasks = pl.select(
        run_id=run_id, duration_s=pl.Series(duration * UNIT_S), task_id=pl.lit("t"), attempt=1, task_name=pl.lit("t"),
        status=pl.lit("SUCCEEDED"), raw_status=pl.lit("?"), is_censored=False,
    )  # fmt: skip
    return Trace({"pipeline_runs": runs, "task_runs": tasks})


def mean_waits(simulated: Trace) -> Floats:
    """Return the mean wait of each class, the one of the highest priority at the front."""
    rows = simulated.task_runs.join(simulated.pipeline_runs, on="run_id", maintain_order="left")[MARGIN:-MARGIN]
    wait = (pl.col("started_at") - pl.col("queued_at")).dt.total_microseconds() / 1e6 / UNIT_S
    return rows.group_by("priority").agg(wait.mean().alias("wait")).sort("priority", descending=True)["wait"].to_numpy()


@pytest.mark.endurance
@pytest.mark.parametrize("name", QUEUES)
def test_i9_mean_waits_are_those_of_theory_and_no_others(name: str) -> None:
    queue = QUEUES[name]
    simulated = [simulate(customers(name, replication), queue.scenario).trace for replication in range(REPLICATIONS)]
    by_reference = simulate(customers(name, 0), queue.scenario, engine="reference").trace
    assert by_reference.task_runs.equals(simulated[0].task_runs)

    waits = np.array([mean_waits(trace) for trace in simulated])
    low, high = stats.t.interval(0.99, REPLICATIONS - 1, waits.mean(axis=0), stats.sem(waits))
    assert np.all((low < queue.waits) & (queue.waits < high)), (low, queue.waits, high)
    assert np.all(high - low < NARROW * queue.waits), (low, queue.waits, high)
    believed = [wrong for wrong, value in queue.wrong.items() if np.all((low < value) & (value < high))]
    assert not believed

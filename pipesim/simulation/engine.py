"""What every engine takes and gives.

An engine is a function from `SimulationInput` to `Schedule`: structures of arrays, without names or frames, so that an
interpreted and a compiled engine can stand behind the same call and be compared attempt by attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipesim.schema import STATUSES
from pipesim.simulation.calendar import LATER, Calendar
from pipesim.simulation.upkeep import Retrainings, Upkeep

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]

#: What is called now and then with the share of the simulated time that has passed, 0..1.
Tell = Callable[[float], None]

#: An instant that did not come.
NEVER = int(np.iinfo(np.int64).min)

#: Outcomes and states are positions in `pipesim.schema.STATUSES`.
CODE = {status: code for code, status in enumerate(STATUSES)}
#: A task that ends so lets its children be queued.
PASSES = tuple(CODE[status] for status in ("SUCCEEDED", "UNKNOWN", "SKIPPED"))
#: A task that ends so makes all its descendants SKIPPED.
FAILS = tuple(CODE[status] for status in ("FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"))
#: A task that is left so keeps its descendants PENDING.
STAYS_OPEN = tuple(CODE[status] for status in ("PENDING", "RUNNING"))

#: The resource dimensions of demand and capacity, and how many of their units make one GPU, core, byte or slot.
DIMENSIONS = {"gpus": 1000, "cpu_cores": 1000, "memory_bytes": 1, "slots": 1000}
#: The dimension by which a pool is measured is the first of these that it limits.
LEADING = ("gpus", "slots", "cpu_cores", "memory_bytes")

#: What may pass a task that does not fit.
NONE, GREEDY, EASY, CONSERVATIVE = range(4)
#: What the order looks at: a key given beforehand, the instant of queueing, the tenant's dominant share, the service that the
#: run has attained, a function of the user's, what its model would gain by a new version, or the age of its live one.
BY_KEY, NEWEST, FAIR, ATTAINED, OWN, GAIN, STALEST = range(7)
#: Which node is taken: the first, the fullest, the emptiest, or the fullest and several if none has room.
FIRST_FIT, BEST_FIT, WORST_FIT, PACK = range(4)
#: Why an attempt was interrupted.
EVICTED, BROKEN = range(2)


def lead_of(capacity: Int64) -> int:
    """Return the dimension by which a pool is measured: the first of `LEADING` that it limits."""
    order = sorted(range(len(capacity)), key=lambda d: LEADING.index(list(DIMENSIONS)[d]))
    return next((d for d in order if capacity[d]), 0)


def dominant_shares(demand: Int64, capacity: Int64) -> Float64:
    """Return the largest part that each demand, [n, D], takes of what there is, [n, D], of any resource that is limited."""
    shares: Float64 = np.divide(demand, capacity, out=np.zeros(demand.shape), where=capacity > 0)
    return np.asarray(shares.max(axis=1, initial=0.0))


class Waiting(NamedTuple):
    """An attempt whose turn is to be decided, as a user's own order sees it when it is queued.

    Args:
        row: Its row in the frame that a class is made with.
        now_s: Seconds from the first submission until now.
        submitted_s: Seconds from the first submission until that of its run.
        attempt: Its number among the attempts of its task, from 1.
        priority: Its run's priority, 0 where the log says none.
        estimated_duration_s: How long it is believed to hold its resources.
        gpus: What it takes of what its pool limits, likewise the next three.
        cpu_cores: Cores.
        memory_bytes: Bytes.
        slots: Slots.
        attained_s: Seconds of a whole pool that the attempts of its run have had, each times its dominant share.
    """

    row: int
    now_s: float
    submitted_s: float
    attempt: float
    priority: float
    estimated_duration_s: float
    gpus: float
    cpu_cores: float
    memory_bytes: float
    slots: float
    attained_s: float


@dataclass(frozen=True)
class Rules:
    """The rules of service.

    Args:
        backfill: `NONE`, `GREEDY`, `EASY` or `CONSERVATIVE`.
        order: `BY_KEY`, `NEWEST`, `FAIR`, `ATTAINED`, `OWN`, `GAIN` or `STALEST`.
        own: The function of `OWN`.
        preempts: Whether an attempt may evict others of lower priority.
        checkpoint: The microseconds of work that an interrupted attempt keeps in multiples of; 0: it keeps none.
        restart: Microseconds that it needs besides when it starts again.
        most_attempts: How many failed attempts a task may have before it has failed; 0: no limit.
        backoff: [B] Microseconds from the n-th failure of a task until it is queued again; the last holds for all further.
        horizon: The last instant that is simulated.
        depth: How many that wait in a pool conservative backfill looks at, from the first in order on.
    """

    backfill: int = NONE
    order: int = BY_KEY
    own: Callable[[Waiting], float] | None = None
    preempts: bool = False
    checkpoint: int = 0
    restart: int = 0
    most_attempts: int = 0
    backoff: Int64 = field(default_factory=lambda: np.zeros(1, np.int64))
    horizon: int = LATER
    depth: int = 500


@dataclass(frozen=True)
class Tenants:
    """What is due to the tenants. G tenants, K demand classes.

    Args:
        of_class: [K] The tenant of a demand class.
        weight: [G] What its dominant share is divided by.
        quota: [G, D] What it may hold on the whole platform; `LATER` where that is not limited.
    """

    of_class: Int32
    weight: Float64
    quota: Int64


@dataclass(frozen=True)
class Nodes:
    """The machines of the pools. P pools, N nodes, K demand classes, D dimensions. A pool without nodes of its own is one.

    Args:
        first: [P + 1] Where each pool's nodes begin; the last is N.
        capacity: [N, D] What each node has; 0 where its pool does not limit the dimension.
        kind: [N] The number of its model of GPU, or -1 for one that takes every task.
        placement: [P] How a node is chosen.
        class_kind: [K] The model of GPU that a demand class needs, or -1.
        class_parts: [K] On how many nodes a demand class must be split, as it is larger than each; 1 for all others.
    """

    first: Int64
    capacity: Int64
    kind: Int32
    placement: Int8
    class_kind: Int32
    class_parts: Int64


@dataclass(frozen=True)
class Scaling:
    """The reactive autoscalers. Sizes are thousandths of nodes, or units of the leading dimension of a pool without.

    Args:
        least: [P] The least size.
        most: [P] The greatest; 0 for a pool that has no autoscaler.
        step: [P] The size is `least` plus multiples of this, or `most`.
        target: [P] The share of the capacity that is to be held or waited for.
        cooldown: [P] Microseconds after a change in which there is no other.
        delay: [P] Microseconds from asking for capacity until it is there.
    """

    least: Int64
    most: Int64
    step: Int64
    target: Float64
    cooldown: Int64
    delay: Int64


@dataclass(frozen=True)
class SimulationInput:
    """A scenario and a trace as arrays. R runs, T tasks, A attempts, E edges, P pools, K demand classes, D dimensions.

    Runs are sorted by submission, then by identifier. The tasks of a run are contiguous, the attempts of a task likewise.
    Two attempts are of one demand class when they go to the same pool with the same demand (of one tenant, where tenants
    matter; for one model of GPU, where nodes differ). Instants are int64 microseconds since 1970, times int64 microseconds,
    resources the int64 units of `DIMENSIONS`.

    Args:
        run_submitted: [R] Instant of submission, ascending; `LATER` of retrainings, which follow all others.
        run_tasks: [R + 1] Where each run's tasks begin; the last is T.
        task_parents: [T] How many edges lead to the task.
        task_children: [T + 1] Where each task's children begin in `children`; the last is E.
        children: [E] Child tasks.
        task_attempts: [T + 1] Where each task's attempts begin; the last is A.
        attempt_class: [A] Demand class, or -1 for an attempt that holds nothing and ends as it is queued.
        attempt_hold: [A] How long it holds its resources.
        attempt_outcome: [A] How it ends, a `CODE`.
        attempt_key: [A] Order key of the policy; the least goes first.
        class_pool: [K] Pool of the demand class.
        class_demand: [K, D] Demand of the demand class; 0 where its pool does not limit the dimension.
        capacity: [P, D] Capacity of the pool; 0 where it does not limit the dimension.
        rules: The rules of service.
        attempt_estimate: [A] How long it is believed to hold its resources; by default the truth.
        run_priority: [R] What a user's own order is told; by default 0.
        class_priority: [K] Which demand class may evict which: those of less; by default all are equal.
        size: [P] The size that `capacity` stands for, as in `Scaling`; by default that of a pool without nodes.
        tenants: What is due to them; None where no rule looks at it.
        nodes: The machines; None where no rule looks at them.
        scaling: The autoscalers; None where there is none.
        calendar: What changes capacity from outside; None where nothing does.
        upkeep: The models and what has them trained again; None where no rule looks at them.
    """

    run_submitted: Int64
    run_tasks: Int64
    task_parents: Int32
    task_children: Int64
    children: Int64
    task_attempts: Int64
    attempt_class: Int32
    attempt_hold: Int64
    attempt_outcome: Int8
    attempt_key: Float64
    class_pool: Int32
    class_demand: Int64
    capacity: Int64
    rules: Rules = Rules()
    attempt_estimate: Int64 | None = None
    run_priority: Int64 | None = None
    class_priority: Int64 | None = None
    size: Int64 | None = None
    tenants: Tenants | None = None
    nodes: Nodes | None = None
    scaling: Scaling | None = None
    calendar: Calendar | None = None
    upkeep: Upkeep | None = None

    @property
    def submissions(self) -> int:
        """How many runs are submitted by themselves."""
        return len(self.run_submitted) if self.upkeep is None else self.upkeep.submissions

    def leading(self) -> list[int]:
        """Return the dimension by which each pool is measured."""
        return [lead_of(row) for row in self.capacity]

    def sizes(self) -> Int64:
        """Return the size of each pool at the beginning, [P]."""
        return self.capacity[np.arange(len(self.capacity)), self.leading()] if self.size is None else self.size

    def class_shares(self) -> Float64:
        """Return the dominant share of each demand class, [K]."""
        return dominant_shares(self.class_demand, self.capacity[self.class_pool])


@dataclass(frozen=True)
class Interruptions:
    """The runs of attempts that did not come to their end, I in all, in order of time, then of attempts.

    Args:
        attempt: [I] Which attempt.
        queued: [I] When it was queued,
        started: [I] when it was given its resources,
        ended: [I] and when they were taken away.
        cause: [I] `EVICTED` or `BROKEN`.
        node: [I] The first node on which it ran; -1 where there are none.
        nodes: [I] On how many it ran.
    """

    attempt: Int32
    queued: Int64
    started: Int64
    ended: Int64
    cause: Int8
    node: Int32
    nodes: Int32


@dataclass(frozen=True)
class Provisioning:
    """What was provisioned, C changes in order of time, the first of each pool at the first submission.

    Args:
        at: [C] Instant.
        pool: [C] Pool.
        amount: [C, D] What it has from then on. A node counts until it is empty; a pool without nodes may hold more than this
            until what runs has ended.
    """

    at: Int64
    pool: Int32
    amount: Int64


@dataclass(frozen=True)
class Schedule:
    """What happened, as arrays aligned with those of the `SimulationInput`.

    Args:
        queued: [A] Instant at which the attempt was queued (the last time, if it was interrupted), or `NEVER`.
        started: [A] Instant at which it was given its resources, or `NEVER`.
        ended: [A] Instant at which it gave them back, or `NEVER`; also where the simulation stopped before.
        outcome: [A] How it ended or would have: as given, or NODE_FAIL where its node broke once too often.
        task_state: [T] What became of the task, a `CODE`.
        node: [A] The first node on which it ran; -1 where there are none.
        nodes: [A] On how many nodes it ran.
        interruptions: What came before of attempts that were interrupted.
        provisioning: What was provisioned.
        stranded: [P] Of the leading dimension, unit-microseconds that were free while a waiting attempt did not fit although
            the pool had enough for it in all.
        stopped: The last instant of the simulation: its last event, or the horizon.
        retrainings: What became of the retrainings; None where there is no upkeep.
    """

    queued: Int64
    started: Int64
    ended: Int64
    outcome: Int8
    task_state: Int8
    node: Int32
    nodes: Int32
    interruptions: Interruptions
    provisioning: Provisioning
    stranded: Float64
    stopped: int
    retrainings: Retrainings | None = None

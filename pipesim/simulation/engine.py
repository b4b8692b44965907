"""What every engine takes and gives.

An engine is a function from `SimulationInput` to `Schedule`: structures of arrays, without names or frames, so that an
interpreted and a compiled engine can stand behind the same call and be compared attempt by attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipesim.schema import STATUSES

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]

#: What is called now and then with the share of the runs that have been submitted, 0..1.
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


@dataclass(frozen=True)
class SimulationInput:
    """A scenario and a trace as arrays. R runs, T tasks, A attempts, E edges, P pools, K demand classes, D dimensions.

    Runs are sorted by submission, then by identifier. The tasks of a run are contiguous, the attempts of a task likewise.
    Two attempts are of one demand class when they go to the same pool with the same demand. Instants are int64
    microseconds since 1970, times int64 microseconds, resources the int64 units of `DIMENSIONS`.

    Args:
        run_submitted: [R] Instant of submission, ascending.
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
        greedy: Whether a task that does not fit may be passed.
        newest_first: Whether, instead of the key, the instant of queueing counts, the latest first.
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
    greedy: bool
    newest_first: bool = False


@dataclass(frozen=True)
class Schedule:
    """What happened, as arrays aligned with those of the `SimulationInput`.

    Args:
        queued: [A] Instant at which the attempt was queued, or `NEVER`.
        started: [A] Instant at which it was given its resources, or `NEVER`.
        ended: [A] Instant at which it gave them back, or `NEVER`.
        task_state: [T] What became of the task, a `CODE`.
    """

    queued: Int64
    started: Int64
    ended: Int64
    task_state: Int8

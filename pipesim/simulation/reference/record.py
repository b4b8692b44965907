"""What the reference engine writes down while it simulates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipesim.simulation.engine import CODE, NEVER, Interruptions, Provisioning, Schedule, SimulationInput
from pipesim.simulation.reference.pools import Piece, Pool


class Record:
    """The instants of every attempt, the interruptions, and what was provisioned."""

    def __init__(self, given: SimulationInput, pools: list[Pool], origin: int) -> None:
        attempts = len(given.attempt_hold)
        self.queued, self.started, self.ended = [NEVER] * attempts, [NEVER] * attempts, [NEVER] * attempts
        self.outcome: list[int] = given.attempt_outcome.tolist()
        self.task_state = [CODE["PENDING"]] * len(given.task_parents)
        self.node, self.nodes = [-1] * attempts, [0] * attempts
        self.interruptions: list[tuple[int, ...]] = []
        self.provisioning = {(origin, pool.number): pool.amount for pool in pools}
        self.dimensions = given.capacity.shape[1]
        self.stranded = [0.0] * len(pools)

    def start(self, attempt: int, now: int, pieces: list[Piece]) -> None:
        """An attempt has been given its resources."""
        self.started[attempt] = now
        if pieces:
            self.node[attempt], self.nodes[attempt] = pieces[0][0].number, len(pieces)

    def interrupt(self, attempt: int, now: int, cause: int) -> None:
        """An attempt has lost its resources, and will be queued again."""
        times = self.queued[attempt], self.started[attempt]
        self.interruptions.append((now, attempt, *times, cause, self.node[attempt], self.nodes[attempt]))
        self.queued[attempt] = self.started[attempt] = NEVER
        self.node[attempt], self.nodes[attempt] = -1, 0

    def provision(self, pool: Pool, now: int) -> None:
        """The amount of a pool may have changed."""
        amount = pool.provisioned()
        if amount != pool.amount:
            pool.amount = amount
            self.provisioning[now, pool.number] = amount

    def schedule(self, stopped: int) -> Schedule:
        """Return all of it as arrays."""
        self.interruptions.sort(key=lambda i: i[:2])
        columns = np.array(self.interruptions, np.int64).reshape(-1, 7).T
        ended, attempt, queued, started, cause, node, nodes = columns.tolist()
        changes = sorted(self.provisioning.items())
        return Schedule(
            queued=_array(self.queued, np.int64),
            started=_array(self.started, np.int64),
            ended=_array(self.ended, np.int64),
            outcome=_array(self.outcome, np.int8),
            task_state=_array(self.task_state, np.int8),
            node=_array(self.node, np.int32),
            nodes=_array(self.nodes, np.int32),
            interruptions=Interruptions(
                attempt=_array(attempt, np.int32),
                queued=_array(queued, np.int64),
                started=_array(started, np.int64),
                ended=_array(ended, np.int64),
                cause=_array(cause, np.int8),
                node=_array(node, np.int32),
                nodes=_array(nodes, np.int32),
            ),
            provisioning=Provisioning(
                at=_array([at for (at, _), _ in changes], np.int64),
                pool=_array([pool for (_, pool), _ in changes], np.int32),
                amount=np.array([amount for _, amount in changes], np.int64).reshape(-1, self.dimensions),
            ),
            stranded=_array(self.stranded, np.float64),
            stopped=stopped,
        )


def _array(values: Sequence[float], kind: type[Any]) -> npt.NDArray[Any]:
    return np.array(values, dtype=kind)

from __future__ import annotations

from typing import Any

import numpy as np

from pipesim.workload.tasks.attempts import prepare
from pipesim.workload.tasks.kinds import fit_kinds


def test_time_that_a_kind_does_not_tell_is_that_of_all_kinds(job_trace: Any) -> None:
    """Of the one kind 100 attempts failed after ten minutes; of the other 40 did, and the log does not say after how long."""
    kind = np.repeat(["train", "evaluate"], [400, 100])
    failed = np.concatenate([np.arange(400) < 100, np.arange(100) < 40])
    seconds = np.where(failed, 600.0, 60.0)
    trace = job_trace(
        np.where(failed & (kind == "evaluate"), np.nan, seconds), task_type=kind, status=np.where(failed, "FAILED", "SUCCEEDED")
    )
    for one in fit_kinds(prepare(trace), trace):
        outcomes = {o.status: o for o in one.outcomes}
        assert outcomes["FAILED"].probability == (0.4 if one.task_type == "evaluate" else 0.25)
        held = outcomes["FAILED"].held
        assert held is not None
        assert held.quantile(np.array([0.5]))[0] == 600.0

"""The run launcher of one machine: it knows which runs have lost their process, however that was killed."""

import json
import os
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

_THIS_MACHINE = ("localhost", "127.0.0.1")
#: How much younger than its run's first event a process may look, as the clock may have been set meanwhile.
_CLOCK_SET_S = 60.0


class LocalRunLauncher(DefaultRunLauncher):
    """Runs each run as a process of the code server, and tells the run monitor whether that process still lives.

    Dagster's own launcher cannot tell. A code server marks those of its runs whose process died; but when it is killed with
    them, as by a power cut, they stay "started" for good and keep their places in the run queue.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Let the run monitor ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Say whether a started run has its process; of a run that no code server of this machine started, that it has."""
        alive = CheckRunHealthResult(WorkerStatus.RUNNING)
        if json.loads(run.tags.get(GRPC_INFO_TAG, "{}")).get("host") not in _THIS_MACHINE:
            return alive
        begun = self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_START)
        if not begun or begun[-1].dagster_event is None or begun[-1].dagster_event.pid is None:
            return alive
        pid = begun[-1].dagster_event.pid
        if is_alive(pid, begun[-1].timestamp):
            return alive
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {pid} is gone")


def is_alive(pid: int, since: float) -> bool:
    """Return whether the process that had this number at an instant (seconds since 1970) is still alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists, and belongs to somebody else
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        kernel = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
    except OSError:
        return True  # only Linux tells more
    booted = next(float(line.split()[1]) for line in kernel if line.startswith("btime "))
    started = booted + int(fields[18]) / os.sysconf("SC_CLK_TCK")
    return state != "Z" and started < since + _CLOCK_SET_S

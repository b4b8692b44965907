"""The canonical rows of a Slurm job's accounting record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipesim.ingest.reading.unit import Record, Value
from pipesim.ingest.sources.slurm import values
from pipesim.ingest.sources.slurm.attempts import RunFacts
from pipesim.schema import TERMINAL_STATUSES

#: The columns that are read, in lower case, and those that say the same in another way.
USED = frozenset({
    "jobid", "jobidraw", "cluster", "jobname", "user", "account", "partition", "priority", "state", "submit",
    "eligible", "start", "end", "elapsed", "elapsedraw", "alloctres", "reqtres", "alloccpus", "ncpus", "reqcpus",
    "allocnodes", "nnodes", "reqnodes", "reqmem", "allocgres", "reqgres", "nodelist", "exitcode", "failednode",
    "restarts", "ntasks", "tresusageintot", "tresusageouttot", "avediskread", "avediskwrite",
})  # fmt: skip
_ONLY_TASK = "job"
_DISK = "fs/disk"


class JobRow:
    """One line's values by the names of their columns.

    Args:
        places: The place of each column, by its name in lower case.
        cells: The values.
    """

    def __init__(self, places: Mapping[str, int], cells: Sequence[str]) -> None:
        self._places = places
        self._cells = cells

    def get(self, name: str) -> str | None:
        """Return a column's value; None if there is no such column or it says nothing."""
        place = self._places.get(name)
        return None if place is None else values.given(self._cells[place])

    def first(self, *names: str) -> str | None:
        """Return the value of the first of some columns that says something."""
        return next((value for name in names if (value := self.get(name)) is not None), None)

    @cached_property
    def restarts(self) -> int | None:
        """How often the job had been requeued, if the log says so."""
        text = self.get("restarts") or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    @cached_property
    def status(self) -> str:
        """The canonical state of the attempt."""
        return values.attempt_status(self.get("state"), self.get("end") is not None) or ""

    @cached_property
    def submitted_at(self) -> str | None:
        """When it was submitted, or requeued."""
        return values.instant(self.get("submit"))

    @cached_property
    def started_at(self) -> str | None:
        """When it was given its resources; a job that was cancelled before has its end there in some versions."""
        start = self.get("start")
        if start is not None and self.status in TERMINAL_STATUSES and start == self.get("end") and not self._held_any:
            return None
        return values.instant(start)

    @cached_property
    def ended_at(self) -> str | None:
        """When it gave them back; of a job that is not over, sacct may give the end of its window."""
        return values.instant(self.get("end")) if self.status in TERMINAL_STATUSES else None

    @property
    def _held_any(self) -> bool:
        """Whether the record does not tell that nothing was allocated."""
        if "alloctres" in self._places:
            return self.get("alloctres") is not None
        if counts := [count for name in ("alloccpus", "allocnodes") if (count := self.get(name))]:
            return counts != ["0"] * len(counts)
        return "nodelist" not in self._places or self.get("nodelist") is not None

    @property
    def never_ran(self) -> bool:
        """Whether the record tells that the job had not started."""
        return "start" in self._places and self.started_at is None

    @cached_property
    def queued_at(self) -> str | None:
        """When it became eligible; NULL if it never was before it ended."""
        eligible = values.instant(self.get("eligible"))
        if "eligible" not in self._places or (eligible is None and self.started_at):
            return self.submitted_at
        ended = self.ended_at
        return None if eligible and ended and self.never_ran and eligible > ended else eligible

    def facts(self) -> RunFacts:
        """Return what the record says of the whole job, as its only one."""
        state = self.get("state") or ""
        status = values.run_status(state)
        over = status in TERMINAL_STATUSES
        return RunFacts(status, state, self.submitted_at, self.started_at, self.ended_at if over else None)


@dataclass
class Usage:
    """Bytes that the steps of a job read from and wrote to disks; None until one says so."""

    read: Value = None
    written: Value = None

    def add(self, step: JobRow) -> None:
        """Add what a step says."""
        self.read = _sum(self.read, _moved(step, "tresusageintot", "avediskread"))
        self.written = _sum(self.written, _moved(step, "tresusageouttot", "avediskwrite"))


def _sum(so_far: Value, more: int | str | None) -> Value:
    if more is None or isinstance(so_far, str):
        return so_far
    return more if isinstance(more, str) or not isinstance(so_far, int) else so_far + more


def _moved(step: JobRow, total: str, average: str) -> int | str | None:
    """Return a step's bytes: the total, or the average of its tasks times their number."""
    if (disk := values.resources(step.get(total)).get(_DISK)) is not None:
        return values.amount(disk)
    if (each := values.amount(step.get(average))) is None:
        return None
    tasks = step.get("ntasks") or ""
    if not (tasks.isascii() and tasks.isdigit() and len(tasks) < 10) or isinstance(each, str):
        return each if isinstance(each, str) else None
    return each * int(tasks)


def job_rows(run: str, component: str | None, attempt: int, row: JobRow, facts: RunFacts, usage: Usage) -> list[Record]:
    """Return the canonical records of a job's line: its run, and the attempt of its task.

    Args:
        run: The run's identifier.
        component: The component of a heterogeneous job that the line is of.
        attempt: Which attempt it is.
        row: What the line says.
        facts: What all lines of the job say together.
        usage: What the job's steps read and wrote.
    """
    task = _ONLY_TASK if component is None else f"{_ONLY_TASK}+{component}"
    whole: Record = {
        "table": "pipeline_runs",
        "run_id": run,
        "pipeline_name": row.get("jobname") or "slurm",
        "tenant": row.get("account"),
        "user": row.get("user"),
        "priority": row.get("priority"),
        "status": facts.status,
        "raw_status": facts.state,
        "submitted_at": facts.submitted_at,
        "started_at": facts.started_at,
        "ended_at": facts.ended_at,
    }
    nodes = row.get("nodelist")
    partition = row.get("partition")
    part: Record = {
        "table": "task_runs",
        "run_id": run,
        "task_id": task,
        "attempt": attempt,
        "task_name": task,
        "status": row.status,
        "raw_status": row.get("state"),
        "queued_at": row.queued_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "duration_s": _duration(row),
        # A job that waits may name several partitions, the first of which to have room it will run in.
        "pool": partition if partition and "," not in partition else None,
        "node_id": nodes if nodes and not set("[,") & set(nodes) else None,
        **_held(row),
        "read_bytes": usage.read,
        "written_bytes": usage.written,
        "error": _error(row),
    }
    return [whole, part]


def _duration(row: JobRow) -> float | str | None:
    if row.status not in TERMINAL_STATUSES or row.never_ran:
        return None
    raw = row.get("elapsedraw")
    return raw if raw is not None else values.seconds(row.get("elapsed"))


def _held(row: JobRow) -> dict[str, Value]:
    """Return what was allocated, or where nothing is yet, what was asked for."""
    allocated = values.resources(row.get("alloctres"))
    requested = {} if {"cpu", "mem"} <= allocated.keys() else values.resources(row.get("reqtres"))
    cpus = values.amount(allocated.get("cpu")) or _count(
        row.first("alloccpus", "ncpus"), requested.get("cpu"), row.get("reqcpus")
    )
    memory = values.amount(allocated.get("mem"), 1 << 20) or values.amount(requested.get("mem"), 1 << 20)
    if memory is None and (asked := row.get("reqmem")):
        nodes = _count(allocated.get("node"), row.first("allocnodes", "nnodes"), requested.get("node"), row.get("reqnodes"))
        memory = values.requested_memory(asked, _number(nodes), _number(cpus))
    gpus, model = _gpus(row, allocated, requested)
    return {"cpu_cores": cpus, "gpus": gpus, "gpu_type": model, "memory_bytes": memory or None}


def _gpus(row: JobRow, allocated: Mapping[str, str], requested: Mapping[str, str]) -> tuple[int | str | None, str | None]:
    found = values.gpus(allocated)
    if found[0] is None and (generic := row.get("allocgres")):
        found = values.generic_gpus(generic)
    if found[0] is None and not allocated:
        found = values.gpus(requested)
        if found[0] is None and (generic := row.get("reqgres")):
            found = values.generic_gpus(generic)
    return found


def _count(*texts: str | None) -> int | str | None:
    """Return the first count that says something; zero is what a job that waits holds."""
    return next((count for text in texts if (count := values.amount(text))), None)


def _number(value: int | str | None) -> int | None:
    return value if isinstance(value, int) else None


def _error(row: JobRow) -> str | None:
    """Return why an attempt did not succeed, in Slurm's words."""
    if row.status not in TERMINAL_STATUSES or row.status == "SUCCEEDED":
        return None
    code, node = row.get("exitcode"), row.get("failednode")
    parts = [f"ExitCode {code}" if code and code != "0:0" else None, f"FailedNode {node}" if node else None]
    return ", ".join(part for part in parts if part) or None

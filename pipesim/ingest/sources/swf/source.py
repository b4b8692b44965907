"""The `swf` source: logs in the Standard Workload Format, in which the Parallel Workloads Archive publishes those of clusters.

The shape is that of version 2.2 (https://www.cs.huji.ac.il/labs/parallel/workload/swf.html): a line a job with 18 numbers, of
which -1 says that it is not known, and comments that begin with `;`, some of them headers. It was run on no log of the archive,
only on fixtures in that shape; see docs/sources/swf.md for the mapping.

A job becomes a run with one task. Where a job was checkpointed or swapped out, its partial executions (status 2, 3, 4) are the
attempts of its task, and its line of status 0 or 1, which sums them up, is only the run.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.reading.unit import Record, Unit, Value
from pipesim.ingest.sources.swf.log import FIELDS, HEADERS, PARTIAL, Job, Log, Times, read_line, read_lines, read_log, times
from pipesim.ingest.sources.translated import Translated

#: A burst that was swapped out is work that ended without an outcome.
_STATUSES = {
    "-1": "UNKNOWN", "0": "FAILED", "1": "SUCCEEDED", "2": "CANCELLED", "3": "SUCCEEDED", "4": "FAILED", "5": "CANCELLED",
}  # fmt: skip
#: A job whose last burst is to be continued has not ended.
_RUN_STATUSES = {**_STATUSES, "2": "RUNNING"}
_TASK = "job"
_KILOBYTE = 1024
_LARGEST = 2**63
#: How many lines tell whether a file is of this format.
_TELLING = 20


class Swf(Translated):
    """Lines of the Standard Workload Format."""

    name = "swf"
    description = "the Standard Workload Format (SWF) of the Parallel Workloads Archive"
    suffixes = frozenset({".swf", ".txt"})

    def recognise(self, head: Head) -> Recognised | None:
        """Nothing but comments and lines of 18 numbers; the comments' headers make it certain."""
        if head.file.format != "csv":
            return None
        comments = [line.strip("; \t") for line in head.lines if line.lstrip().startswith(";")]
        headed = [line for line in comments if line.split(":")[0].strip() in HEADERS and ":" in line]
        # The last line may be cut short where the head ends.
        jobs = [line for line in head.lines if not line.lstrip().startswith(";")][:_TELLING]
        whole = [isinstance(read_line(1, line), Job) for line in (jobs[:-1] if len(jobs) > 1 else jobs)]
        if not any(whole) and not (headed and not jobs):
            return None
        if headed:
            return Recognised(3, f"headers and lines of the Standard Workload Format: {headed[0][:60]}")
        return Recognised(2, f"lines of {len(FIELDS)} numbers") if all(whole) else None

    def units(self, file: LogFile) -> Iterator[Unit]:
        """Yield the comments and the jobs, each a line."""
        log = read_log(file)
        for line in read_lines(file):
            if isinstance(line, Job):
                yield _job(line, log)
            elif line.number == log.capacity:
                yield Unit(line.number, line.raw, _capacity(log))
            else:
                yield line


def _capacity(log: Log) -> list[Record]:
    """Return the machine as a pool, unless it is cut into several partitions whose sizes no header tells."""
    if len(log.partitions) > 1:
        return []
    pool = _pool(log, next(iter(log.partitions), None))
    cores = log.processors or log.nodes
    return [
        {
            "table": "pools", "pool": pool, "valid_from": log.start, "kind": "cpu", "node_count": log.nodes, "cpu_cores": cores,
        }
    ]  # fmt: skip


def _pool(log: Log, partition: str | None) -> str | None:
    if partition is not None:
        return f"{log.name}/partition {partition}"
    return None if log.partitions else log.name


def _job(job: Job, log: Log) -> Unit:
    if job.number in log.repeated:
        detail = f"another job has the number {job.id} before; give each log a file of its own"
        return Unit(job.number, job.raw, problem=("job_number_repeated", detail))
    if (several := log.several.get(job.number)) is None:
        own = times(job, job.submit)
        return Unit(job.number, job.raw, [_run(job, log, job.status, own), _task(job, log, 1, own)])
    records = [_run(job, log, several.status, several.whole)]
    if job.status in PARTIAL:
        records.append(_task(job, log, *several.parts[job.number]))
    return Unit(job.number, job.raw, records)


def _run_id(job: Job, log: Log) -> str:
    return f"swf-{log.name}-{job.id}"


def _qualified(log: Log, kind: str, number: str | None) -> str | None:
    """Return what sets a number apart from the same number in another log."""
    return None if number is None else f"{log.name}/{kind} {number}"


def _run(job: Job, log: Log, status: str, when: Times) -> Record:
    canonical = _RUN_STATUSES.get(status, status)
    return {
        "table": "pipeline_runs",
        "run_id": _run_id(job, log),
        "pipeline_name": _qualified(log, "executable", job.executable) or log.name,
        "tenant": _qualified(log, "group", job.group),
        "user": _qualified(log, "user", job.user),
        "status": canonical,
        "raw_status": status,
        "submitted_at": log.at(when.queued),
        "started_at": log.at(when.started),
        "ended_at": None if canonical == "RUNNING" else log.at(when.ended),
        "time_basis": "relative" if log.relative else "utc",
    }


def _task(job: Job, log: Log, attempt: int, when: Times) -> Record:
    return {
        "table": "task_runs",
        "run_id": _run_id(job, log),
        "task_id": _TASK,
        "attempt": attempt,
        "task_name": _TASK,
        "status": _STATUSES.get(job.status, job.status),
        "raw_status": job.status,
        "queued_at": log.at(when.queued),
        "started_at": log.at(when.started),
        "ended_at": log.at(when.ended),
        "duration_s": None if job.never_ran else job.run,
        "pool": _pool(log, job.partition),
        "cpu_cores": job.processors or job.requested_processors,
        "memory_bytes": _memory(job),
    }


def _memory(job: Job) -> Value:
    """Return the bytes of all processors together, of which the log gives the kilobytes of one."""
    processors = job.processors or job.requested_processors
    if job.memory is None or processors is None:
        return None
    total = job.memory * _KILOBYTE * processors
    return round(total) if abs(total) < _LARGEST else f"{total:.0f}"

"""What a log in the Standard Workload Format says as a whole: its headers, its machine, and jobs of several lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.repeats import Keys, plain_lines
from pipesim.ingest.reading.unit import Unit, line_units

#: The fields of a line, in order, as the format names them.
FIELDS = (
    "Job Number", "Submit Time", "Wait Time", "Run Time", "Number of Allocated Processors", "Average CPU Time Used",
    "Used Memory", "Requested Number of Processors", "Requested Time", "Requested Memory", "Status", "User ID", "Group ID",
    "Executable Number", "Queue Number", "Partition Number", "Preceding Job Number", "Think Time from Preceding Job",
)  # fmt: skip
HEADERS = frozenset({
    "Version", "Computer", "Installation", "Conversion", "MaxJobs", "MaxRecords", "Preemption", "UnixStartTime",
    "TimeZoneString", "StartTime", "EndTime", "MaxNodes", "MaxProcs", "MaxRuntime", "MaxMemory", "AllowOveruse",
    "MaxQueues", "MaxPartitions",
})  # fmt: skip
#: Statuses of a partial execution: to be continued, the last of a job that completed, the last of one that failed.
PARTIAL = frozenset({"2", "3", "4"})
CANCELLED = "5"
_REMEDY = "a line has 18 numbers (see docs/sources/swf.md); name the format that the file is of with --source"
_HEADER = re.compile(r"\s*;+\s*([A-Za-z]+)\s*:\s*(.*)", re.DOTALL)
_ONE = r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?"
_NUMBER = re.compile(_ONE)
_JOB = re.compile(rf"\s*[0-9]{{1,18}}(?:\s+{_ONE}){{{len(FIELDS) - 1}}}\s*")
_STATUS, _PARTITION = FIELDS.index("Status"), FIELDS.index("Partition Number")
#: Some two thousand years: what the calendar holds three of.
_MOST_SECONDS = 7e10


class Job(NamedTuple):
    """A line's values; what is -1 is None."""

    number: int
    raw: str
    id: str
    status: str
    submit: float | None
    wait: float | None
    run: float | None
    processors: float | None
    requested_processors: float | None
    memory: float | None
    user: str | None
    group: str | None
    executable: str | None
    partition: str | None

    @property
    def never_ran(self) -> bool:
        """Whether it was cancelled before it had processors."""
        return self.status == CANCELLED and not self.run and not self.processors


def read_line(number: int, text: str) -> Job | Unit:
    """Return a line's job, or its unit if it is a comment or cannot be read."""
    if text.lstrip().startswith(";"):
        return Unit(number, text)
    if _JOB.fullmatch(text) is None:
        return Unit(number, text, problem=_problem(text))
    parts = text.split()
    _, submit, wait, run, held, _, used, asked, _, wanted, *_ = [None if v == -1 else v for v in map(float, parts[:10])]
    for name, value in zip(FIELDS[1:4], (submit, wait, run), strict=True):
        if value is not None and abs(value) > _MOST_SECONDS:
            return Unit(number, text, problem=("time_too_long", f"{name}: {value:.0f} s"))
    status, user, group, executable = map(_name, parts[_STATUS : _STATUS + 4])
    return Job(
        number, text, parts[0], status or "-1", submit, wait, run, held, asked, used if wanted is None else wanted,
        user, group, executable, _name(parts[_PARTITION]),
    )  # fmt: skip


def _problem(text: str) -> tuple[str, str]:
    """Return what is wrong with a line that is no job's."""
    parts = text.split(maxsplit=len(FIELDS))
    if len(parts) != len(FIELDS):
        found = len(parts) if len(parts) < len(FIELDS) else "more"
        return "field_count", f"a line has {len(FIELDS)} fields, not {found}"
    bad = [(n, p) for n, p in zip(FIELDS, parts, strict=True) if _NUMBER.fullmatch(p) is None]
    name, part = bad[0] if bad else (FIELDS[0], parts[0])
    return "not_a_number", f"{name}: {part[:100]!r}"


def _name(part: str) -> str | None:
    """Return a number that stands for a name."""
    return None if part in ("-1", "-1.0") else part


@dataclass(frozen=True, slots=True)
class Times:
    """When a run or an attempt was what, in the log's seconds."""

    queued: float | None
    started: float | None
    ended: float | None


def times(job: Job, queued: float | None) -> Times:
    """Return the times of a line that waited since `queued`; one that never ran waited until it was cancelled."""
    begun = None if queued is None or job.wait is None else queued + job.wait
    if job.never_ran:
        return Times(queued, None, begun)
    return Times(queued, begun, None if begun is None or job.run is None else begun + job.run)


@dataclass(frozen=True)
class Several:
    """A job of several lines.

    Args:
        status: How it did, in the log's word.
        whole: When.
        parts: The attempt and the times of each partial execution, by line.
    """

    status: str
    whole: Times
    parts: Mapping[int, tuple[int, Times]]


@dataclass(frozen=True)
class Log:
    """What has to be known of a file before its lines can be told.

    Args:
        name: What sets its numbers apart from those of other logs.
        start: The instant from which it counts.
        relative: Whether that instant is not known, and 1970 stands for it.
        capacity: The line of the header that says how large the machine is; None if none does.
        nodes: Its nodes.
        processors: Its processors.
        partitions: The partitions that jobs name, two at most.
        several: The jobs of several lines that a line is of.
        repeated: Lines whose number is that of another job before.
    """

    name: str
    start: datetime
    relative: bool
    capacity: int | None
    nodes: int | None
    processors: int | None
    partitions: frozenset[str]
    several: Mapping[int, Several]
    repeated: frozenset[int]

    def at(self, second: float | None) -> datetime | str | None:
        """Return the instant of a second of the log, or what is refused as none where no calendar goes that far."""
        if second is None:
            return None
        try:
            return self.start + timedelta(seconds=second)
        except OverflowError:
            return f"{second:.0f} s"


def read_log(file: LogFile) -> Log:
    """Read a file once, or twice if job numbers are repeated.

    Raises:
        FileError: If no line is of this format, or headers contradict each other.
    """
    if file.format in ("parquet", "sqlite"):
        raise FileError(f"this is a {file.format} file, not lines of text", where=file.name, remedy=_REMEDY)
    scan = _Scan(file)
    jobs = Keys(scan.numbers())
    if scan.lines and not scan.any_job:
        raise FileError("no line has 18 numbers", where=file.name, remedy=_REMEDY)
    several: dict[int, Several] = {}
    repeated: set[int] = set()
    if jobs.any_repeated or scan.partial:
        groups: dict[str, list[Job]] = {}
        for job in read_lines(file):
            if isinstance(job, Job) and (jobs.repeated(job.id) or job.status in PARTIAL):
                groups.setdefault(job.id, []).append(job)
        for lines in groups.values():
            _tell_apart(lines, several, repeated)
    start, relative = scan.start()
    nodes, processors = scan.whole("MaxNodes"), scan.whole("MaxProcs")
    stated = "MaxProcs" if processors else "MaxNodes" if nodes else None
    capacity = scan.headers[stated][0] if stated else None
    name, partitions = file.stem, frozenset(scan.partitions)
    return Log(name, start, relative, capacity, nodes, processors, partitions, several, frozenset(repeated))


def read_lines(file: LogFile) -> Iterator[Job | Unit]:
    """Yield every line of a file."""
    for unit in line_units(file, Unit):
        yield unit if unit.problem or not unit.raw.strip() else read_line(unit.number, unit.raw)


@dataclass
class _Scan:
    """The first reading of a file."""

    file: LogFile
    headers: dict[str, tuple[int, str]] = field(default_factory=dict)
    partitions: set[str] = field(default_factory=set)
    lines: int = 0
    any_job: bool = False
    partial: bool = False

    def numbers(self) -> Iterator[str]:
        """Yield the number of each line that looks like a job's, and take in the rest."""
        for number, text in plain_lines(self.file):
            parts = text.split(None, len(FIELDS))
            if parts[0].startswith(";"):
                if (match := _HEADER.fullmatch(text)) and match[1] in HEADERS:
                    self._header(number, match[1], match[2].strip())
                continue
            self.lines += 1
            if len(parts) == len(FIELDS):
                self.any_job = self.any_job or isinstance(read_line(number, text), Job)
                self.partial = self.partial or parts[_STATUS] in PARTIAL
                if len(self.partitions) < 2 and (partition := _name(parts[_PARTITION])):
                    self.partitions.add(partition)
                yield parts[0]

    def _header(self, number: int, name: str, value: str) -> None:
        before = self.headers.setdefault(name, (number, value))
        if name == "UnixStartTime" and before[1] != value:
            raise FileError(
                f"UnixStartTime is {value[:40]} here, and {before[1][:40]} in line {before[0]}",
                where=f"{self.file.name}:{number}",
                remedy="these are two logs: split the file",
            )

    def whole(self, name: str) -> int | None:
        """Return the whole number that a header begins with; None if there is none, or it is zero."""
        match = re.match(r"[0-9]{1,18}\b", self.headers.get(name, (0, ""))[1])
        return int(match[0]) or None if match else None

    def start(self) -> tuple[datetime, bool]:
        """Return the instant from which the log counts, and whether it is not known."""
        seconds = self.whole("UnixStartTime") or 0
        if seconds > 10**10:
            line, value = self.headers["UnixStartTime"]
            raise FileError(
                f"UnixStartTime is {value[:40]}", where=f"{self.file.name}:{line}", remedy="give it in seconds since 1970"
            )
        return datetime.fromtimestamp(seconds, UTC), seconds == 0


def _tell_apart(lines: Sequence[Job], several: dict[int, Several], repeated: set[int]) -> None:
    """Sort the lines of one number into one job's whole, its partial executions, and other jobs."""
    sums = [job for job in lines if job.status not in PARTIAL]
    bursts = [job for job in lines if job.status in PARTIAL]
    repeated |= {job.number for job in sums if job.raw.split() != sums[0].raw.split()}
    if not bursts:
        return
    parts = _parts(bursts, sums[0].submit if sums else None)
    first, last = (parts[burst.number][1] for burst in (bursts[0], bursts[-1]))
    status = sums[0].status if sums else bursts[-1].status
    job = Several(status, Times(first.queued, first.started, last.ended), parts)
    several |= {line.number: job for line in lines if line.number not in repeated}


def _parts(bursts: Iterable[Job], submit: float | None) -> dict[int, tuple[int, Times]]:
    """Return the partial executions of a job: only the first has a submit time, the others waited since the one before.

    Where the first one comes again word for word, as in joined files, what follows are the same ones.
    """
    found: dict[int, tuple[int, Times]] = {}
    attempts: dict[int, int] = {}
    since, chain = submit, 0  # a hash of all lines since the submission, which stands for them
    for job in bursts:
        chain = hash((chain if job.submit is None else 0, *job.raw.split()))
        attempt = attempts.setdefault(chain, len(attempts) + 1)
        found[job.number] = attempt, (part := times(job, since if job.submit is None else job.submit))
        since = part.ended
    return found

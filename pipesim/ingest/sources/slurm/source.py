"""The `slurm` source: Slurm's job accounting, as `sacct --parsable2` or `--parsable` writes it.

The shape is that of the manual page sacct(1) of Slurm 24.11 and of the program's source (`src/sacct/print.c`), with the fields
of versions before 21.08: `AllocGRES`, `ReqGRES`, and `ReqMem` per node or core. It was run on no real cluster's export, only on
fixtures in that shape; see docs/sources/slurm.md for the mapping.

A job's line becomes a run and an attempt of its only task, or of one of its tasks where the job is heterogeneous. Lines of its
steps hold no row: what they read and wrote is added up into the attempt of the job's line before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.reading.repeats import Keys, plain_lines
from pipesim.ingest.reading.unit import Record, Unit, line_units
from pipesim.ingest.sources.slurm.attempts import Accounted, Attempts, RunFacts, attempts
from pipesim.ingest.sources.slurm.rows import USED, JobRow, Usage, job_rows
from pipesim.ingest.sources.slurm.values import JobId, array_elements, attempt_status, given, instant, job_id
from pipesim.ingest.sources.translated import Translated

_COMMAND = (
    "sacct --allusers --duplicates --parsable2 --starttime=2026-01-01 --format=JobID,JobName,User,Account,Partition,Priority,"
    "State,Submit,Eligible,Start,End,Elapsed,AllocTRES,ReqTRES,NodeList,ExitCode"
)
_REMEDY = f"write it with `{_COMMAND}`"
#: The elements of pending arrays that one file may have, so that a short file cannot name more runs than memory holds.
_MOST_PENDING = 100_000
#: How many lines are held back, when other lines than its steps follow a job's.
_MOST_WAITING = 10_000


@dataclass(frozen=True)
class _Layout:
    """The columns of a file, by their names in lower case."""

    header: str
    delimiter: str
    trailing: bool
    places: Mapping[str, int]

    @cached_property
    def id(self) -> int:
        """The place of the identifier; JobID tells an array's elements, JobIDRaw does not."""
        return self.places["jobid" if "jobid" in self.places else "jobidraw"]

    def run(self, values: Sequence[str], job: JobId) -> str:
        """Return the identifier of a job's run: two clusters number their jobs alike."""
        place = self.places.get("cluster")
        cluster = None if place is None else given(values[place])
        return f"slurm-{cluster}-{job.job}" if cluster else f"slurm-{job.job}"

    def values(self, text: str) -> list[str] | None:
        """Return the values of a line, or None if they are not as many as the header has names."""
        values = text.split(self.delimiter)
        if self.trailing and values and not values.pop():
            return values if len(values) == len(self.places) else None
        return values if not self.trailing and len(values) == len(self.places) else None


class _Entry(NamedTuple):
    """A line of a job or a step."""

    number: int
    raw: str
    run: str
    id: JobId
    row: JobRow


@dataclass
class _Open:
    """A job's line whose steps may still come, with the units of those that came."""

    entry: _Entry
    usage: Usage
    steps: list[Unit] = field(default_factory=list)


class Slurm(Translated):
    """Lines of sacct."""

    name = "slurm"
    description = "Slurm's job accounting, as `sacct --parsable2` writes it"
    suffixes = frozenset({".txt", ".psv", ".csv", ".log", ".sacct"})

    def recognise(self, head: Head) -> Recognised | None:
        """A header of sacct, which no other program's has the names of."""
        layout = _layout(head.lines[0]) if head.file.format == "csv" and head.lines else None
        if layout is None or _lacking(layout):
            return None
        return Recognised(3, f"the columns of sacct: {', '.join(layout.header.split(layout.delimiter)[:8])}")

    def units(self, file: LogFile) -> Iterator[Unit]:
        """Yield the header, the jobs and their steps, each a line."""
        layout = _read_layout(file)
        jobs = Keys(_runs(file, layout))
        found = attempts(_records(file, layout, jobs)) if jobs.any_repeated else Attempts()
        pending = 0
        current: _Open | None = None
        for entry in _entries(file, layout):
            if isinstance(entry, _Entry) and entry.id.step is not None:
                unit = _step(entry, current, jobs)
                if current:
                    current.steps.append(unit)
                else:
                    yield unit
                continue
            if current and isinstance(entry, Unit) and len(current.steps) < _MOST_WAITING:
                current.steps.append(entry)  # more of the job's steps may follow
                continue
            if current:
                yield from _job(current, found)
                current = None
            if isinstance(entry, Unit):
                yield entry
            elif entry.id.elements is None:
                current = _Open(entry, Usage())
            else:
                unit = _pending_array(entry, _MOST_PENDING - pending)
                pending += len(unit.records) // 2
                yield unit
        if current:
            yield from _job(current, found)


def _is_one_job(entry: _Entry) -> bool:
    return entry.id.step is None and entry.id.elements is None


def _layout(text: str) -> _Layout | None:
    """Return the columns that a line names, or None if it is no header of sacct."""
    text = text.strip("\r\n")
    if (match := re.match(r"\s*[A-Za-z]+([^A-Za-z0-9\r\n]{1,10})[A-Za-z]", text)) is None:
        return None
    delimiter = match[1]
    names = [name.lower() for name in text.split(delimiter)]
    trailing = names[-1] == ""
    names = names[:-1] if trailing else names
    if not {"jobid", "jobidraw"} & set(names) or not all(re.fullmatch("[a-z]+", name) for name in names):
        return None
    if len(set(names)) < len(names):
        return None
    return _Layout(text, delimiter, trailing, {name: place for place, name in enumerate(names)})


def _lacking(layout: _Layout) -> list[str]:
    lacking = [] if "state" in layout.places else ["State"]
    return lacking if {"submit", "start"} & set(layout.places) else [*lacking, "Submit or Start"]


def _read_layout(file: LogFile) -> _Layout:
    if file.format in ("parquet", "sqlite"):
        raise FileError(f"this is a {file.format} file, not the text of sacct", where=file.name, remedy=_REMEDY)
    first = next((unit for unit in line_units(file, Unit) if unit.raw.strip()), None)
    text = first.raw if first and not first.problem else ""
    where = f"{file.name}:{first.number if first else 1}"
    if (layout := _layout(text)) is None:
        why = (
            "there is no header: the first line is a job's"
            if job_id(re.split(r"[^0-9A-Za-z_+.\[\]]", text, maxsplit=1)[0])
            else f"this is no header of sacct's parsable output: {text[:80]!r}"
        )
        raise FileError(why, where=where, remedy=f"{_REMEDY}, without --noheader and with every column once")
    if lacking := _lacking(layout):
        raise FileError(f"the columns {' and '.join(lacking)} are missing", where=where, remedy=_REMEDY)
    return layout


def _runs(file: LogFile, layout: _Layout) -> Iterator[str]:
    """Yield the run of each line that is a job's."""
    for _, text in plain_lines(file):
        values = layout.values(text.rstrip("\r\n"))
        if values and (job := job_id(values[layout.id].strip())) and job.step is None and job.elements is None:
            yield layout.run(values, job)


def _entries(file: LogFile, layout: _Layout) -> Iterator[_Entry | Unit]:
    """Yield each line as an entry, or as a finished unit where it is none."""
    header, id_place = layout.header, layout.id
    unread = tuple(sorted(name for name in header.split(layout.delimiter) if name and name.lower() not in USED))
    for unit in line_units(file, Unit):
        text = unit.raw
        if unit.problem or not text.strip():
            yield unit
        elif text == header:
            yield Unit(unit.number, text, unused=unread)
        elif (values := layout.values(text)) is None:
            _insist_same_header(file, unit, layout)
            detail = f"the header has {len(layout.places)} columns; a name may hold the delimiter, see --delimiter of sacct"
            yield Unit(unit.number, text, problem=("field_count", detail))
        elif (id_ := job_id(values[id_place].strip())) is None:
            _insist_same_header(file, unit, layout)
            yield Unit(unit.number, text, problem=("no_job_id", f"{values[id_place][:200]!r} is no job's identifier"))
        else:
            run = layout.run(values, id_)
            row = JobRow(layout.places, values)
            state = row.get("state")
            if id_.step is None and attempt_status(state, True) is None:
                yield Unit(unit.number, text, problem=("unmapped_status", f"{(state or '')[:200]!r} is no state of Slurm"))
            else:
                yield _Entry(unit.number, text, run, id_, row)


def _insist_same_header(file: LogFile, unit: Unit, layout: _Layout) -> None:
    if _layout(unit.raw) is not None:
        raise FileError(
            "the columns change here", where=f"{file.name}:{unit.number}", remedy="split the file before each header"
        )


def _records(file: LogFile, layout: _Layout, jobs: Keys) -> Iterator[Sequence[Accounted]]:
    """Yield the records of each job that has several."""
    found: dict[str, list[Accounted]] = {}
    for entry in _entries(file, layout):
        if isinstance(entry, _Entry) and _is_one_job(entry) and jobs.repeated(entry.run):
            row = entry.row
            record = Accounted(
                entry.number, entry.id.component, row.get("user"), row.get("jobname"), row.get("state") or "",
                row.submitted_at, row.started_at, instant(row.get("end")), row.restarts,
            )  # fmt: skip
            found.setdefault(entry.run, []).append(record)
    yield from found.values()


def _step(entry: _Entry, current: _Open | None, jobs: Keys) -> Unit:
    job = current.entry if current else None
    if current and job and (job.run, job.id.component) == (entry.run, entry.id.component):
        current.usage.add(entry.row)
    elif entry.run not in jobs:
        return Unit(entry.number, entry.raw, problem=("step_without_job", f"job {entry.id.job} has no line that could be read"))
    return Unit(entry.number, entry.raw)


def _job(opened: _Open, found: Attempts) -> Iterator[Unit]:
    entry = opened.entry
    if entry.number in found.reused:
        detail = f"another job had the number {entry.id.job} before; export the column Cluster if it is of another cluster"
        yield Unit(entry.number, entry.raw, problem=("job_id_reused", detail))
    else:
        row = entry.row
        number = found.numbers.get(entry.number) or (row.restarts or 0) + 1
        facts = found.runs.get(entry.number) or row.facts()
        yield Unit(entry.number, entry.raw, job_rows(entry.run, entry.id.component, number, row, facts, opened.usage))
    yield from opened.steps


def _pending_array(entry: _Entry, room: int) -> Unit:
    """Return the unit of an array's elements that have no records of their own yet: a run for each."""
    try:
        indices = array_elements(entry.id.elements or "")
    except ValueError as error:
        return Unit(entry.number, entry.raw, problem=("array_elements", str(error)))
    if len(indices) > room:
        detail = f"the pending arrays of this file have over {_MOST_PENDING} elements"
        return Unit(entry.number, entry.raw, problem=("array_elements", detail))
    facts: RunFacts = entry.row.facts()
    rows: list[Record] = []
    for index in indices:
        rows += job_rows(f"{entry.run}_{index}", None, (entry.row.restarts or 0) + 1, entry.row, facts, Usage())
    return Unit(entry.number, entry.raw, rows)

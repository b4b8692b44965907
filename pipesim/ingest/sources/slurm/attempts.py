"""Records of one Slurm job told apart: attempts after a requeue, components, repeated exports, and numbers used again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipesim.ingest.sources.slurm.values import given_back, run_status
from pipesim.schema import TERMINAL_STATUSES

#: Of several components that ended without success, the first of these is how the job did.
_WORST = ("FAILED", "NODE_FAIL", "TIMEOUT", "CANCELLED")
_LAST = "\uffff"


@dataclass(frozen=True, slots=True)
class Accounted:
    """What one job record says that bears on the others of its job.

    Args:
        line: Its line.
        component: The component of a heterogeneous job.
        user: Whose it is.
        name: The job's name.
        state: Its state in Slurm's word.
        submitted_at: When it was submitted; after a requeue, when that was.
        started_at: When it was given its resources; None if it never was.
        ended_at: When it gave them back.
        restarts: How often the job had been requeued before, where the log says so.
    """

    line: int
    component: str | None
    user: str | None
    name: str | None
    state: str
    submitted_at: str | None
    started_at: str | None
    ended_at: str | None
    restarts: int | None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What all records of a job say together."""

    status: str
    state: str
    submitted_at: str | None
    started_at: str | None
    ended_at: str | None


@dataclass(frozen=True)
class Attempts:
    """What the records of jobs with several of them are.

    Args:
        numbers: The attempt that a line is of.
        runs: What the job of a line did as a whole.
        reused: Lines whose number another job had before.
    """

    numbers: dict[int, int] = field(default_factory=dict)
    runs: dict[int, RunFacts] = field(default_factory=dict)
    reused: set[int] = field(default_factory=set)


def attempts(jobs: Iterable[Sequence[Accounted]]) -> Attempts:
    """Return what the records of jobs are.

    Args:
        jobs: The records of each job that has more than one.
    """
    found = Attempts()
    for records in jobs:
        components: dict[str | None, list[Accounted]] = {}
        for record in sorted(records, key=_when):
            components.setdefault(record.component, []).append(record)
        last: dict[str | None, Accounted] = {}
        kept: list[Accounted] = []
        for component, ordered in components.items():
            same = [ordered[0]]
            for record in ordered[1:]:
                if _is_another_job(same[-1], record):
                    found.reused.add(record.line)
                else:
                    same.append(record)
            numbers = _numbers(same)
            found.numbers.update(numbers)
            # An open record of an attempt may stand beside its final one, where exports were joined.
            last[component] = max(same, key=lambda r: (numbers[r.line], _is_over(r), r.ended_at or "", r.line))
            kept += same
        facts = _together(kept, list(last.values()))
        found.runs.update({record.line: facts for record in kept})
    return found


def _when(record: Accounted) -> tuple[str, str, int]:
    return record.started_at or record.submitted_at or _LAST, record.submitted_at or _LAST, record.line


def _is_another_job(earlier: Accounted, later: Accounted) -> bool:
    """Whether a number was given out again: to another user, or to another name without a requeue."""
    if earlier.user and later.user and earlier.user != later.user:
        return True
    renamed = earlier.name != later.name
    return renamed and earlier.submitted_at != later.submitted_at and not given_back(earlier.state)


def _numbers(records: Sequence[Accounted]) -> Mapping[int, int]:
    """Return the attempt of each line: by the count of restarts where all have it, else by the order of the starts."""
    identities = _identities(records)
    counted = {(identities[r.line], r.restarts) for r in records}
    if None not in (restarts for _, restarts in counted) and len(counted) == len({r for _, r in counted}):
        return {r.line: r.restarts + 1 for r in records if r.restarts is not None}
    order = {identity: number for number, identity in enumerate(dict.fromkeys(identities[r.line] for r in records), 1)}
    return {line: order[identity] for line, identity in identities.items()}


def _identities(records: Sequence[Accounted]) -> Mapping[int, tuple[str, str]]:
    """Return what makes a line's attempt the same as another line's: its start, or before there is one its submission.

    A requeue is a new submission, so a line without a start is of the attempt that has the same one.
    """
    begun = {r.submitted_at: r.started_at for r in records if r.started_at and r.submitted_at}
    found: dict[int, tuple[str, str]] = {}
    for r in records:
        start = r.started_at or begun.get(r.submitted_at or "")
        found[r.line] = ("started", start) if start else ("submitted", r.submitted_at or "")
    return found


def _is_over(record: Accounted) -> bool:
    return run_status(record.state) in TERMINAL_STATUSES


def _together(records: Sequence[Accounted], last: Sequence[Accounted]) -> RunFacts:
    decisive = _decisive(last)
    ends = [r.ended_at for r in last if r.ended_at]
    return RunFacts(
        run_status(decisive.state),
        decisive.state,
        min((r.submitted_at for r in records if r.submitted_at), default=None),
        min((r.started_at for r in records if r.started_at), default=None),
        max(ends, default=None) if _is_over(decisive) else None,
    )


def _decisive(last: Sequence[Accounted]) -> Accounted:
    """Return the component that tells how the job is: one that goes on, else the worst."""
    ranks = {status: rank for rank, status in enumerate(("RUNNING", "PENDING", *_WORST))}
    return min(last, key=lambda r: ranks.get(run_status(r.state), len(ranks)))

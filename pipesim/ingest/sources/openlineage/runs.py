"""What the events of a whole log say together of its runs: which are pipelines, which are tasks, and what waits for what.

A parent facet names the run that started this one, and since version 1-1-0 the topmost run too. The topmost run is the pipeline
run, whatever the number of levels; the runs below it that start no others are its tasks. Those in between only group.

A task depends on another of its pipeline run if it reads a data set that the other one wrote, and the other one had ended when
it began. As time only goes forward, such dependencies have no cycle.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from pipesim.ingest.sources.openlineage.events import DataSet, Event, Link

#: Of a data set with more pairs of a writer and a reader in one pipeline run, a reader depends on the last writer before it
#: only: what a log says must not grow with the square of its length.
MAX_PAIRS = 10_000
#: How many data sets a run may have for them to be shared with other runs.
_FEW = 16


@dataclass(slots=True)
class _Run:
    """What all events of a run say together.

    Args:
        first: The number of the entry that names it first.
        begun: Its first START, else its first event.
        started: Its first START, as the log writes it.
        ended: Its last terminal event.
        link: The run above it.
        groups: Whether its job's type says that it only starts others.
        stated: Whether an event says what state it is in.
    """

    first: int
    begun: datetime
    started: datetime | None = None
    ended: datetime | None = None
    link: Link | None = None
    link_rank: tuple[bool, datetime, str] | None = None
    groups: bool = False
    stated: bool = False
    reads: Set[str] = frozenset()
    writes: Set[str] = frozenset()


class Runs:
    """The runs of one log.

    Args:
        events: Its events of runs, each with the number of its entry.
    """

    def __init__(self, events: Iterable[tuple[int, Event]]) -> None:
        self._runs: dict[str, _Run] = {}
        self._names: dict[str, str] = {}
        self._links: dict[Link, Link] = {}
        self._data: dict[frozenset[str], frozenset[str]] = {}
        self._above: set[str] = set()
        self._tops: dict[str, str | None] = {}
        for number, event in events:
            self._add(number, event)
        self._parents = self._dependencies()

    def top(self, run_id: str) -> str | None:
        """Return the pipeline run that a run belongs to, itself perhaps; None where the runs above it form a circle."""
        path: list[str] = []
        place: str | None = run_id
        while place is not None and place not in self._tops:
            path.append(place)
            self._tops[place] = None  # where it is met again on the way up
            run = self._runs.get(place)
            if run is None or run.link is None:
                self._tops[place] = place
            else:
                place = run.link.run_id
        top = self._tops[place] if place is not None else None
        self._tops.update(dict.fromkeys(path, top))
        return top

    def groups(self, run_id: str) -> bool:
        """Whether a run only starts others: its job's type says so, or another run names it as one above."""
        return run_id in self._above or self._runs[run_id].groups

    def knows(self, run_id: str) -> bool:
        """Whether the log has an event of a run, and not only of runs below it."""
        return run_id in self._runs

    def stated(self, run_id: str) -> bool:
        """Whether any event says what state a run is in."""
        return self._runs[run_id].stated

    def started(self, run_id: str) -> datetime | None:
        """Return the first START of a run, as the log writes it."""
        return self._runs[run_id].started

    def name(self, run_id: str) -> str | None:
        """Return the job's name of a run, as runs below it tell it."""
        return self._names.get(run_id)

    def parents(self, number: int, run_id: str) -> Sequence[str]:
        """Return the tasks that a task depends on, where the entry is the first one that names it."""
        return self._parents.get(run_id, ()) if self._runs[run_id].first == number else ()

    def _add(self, number: int, event: Event) -> None:
        if event.run_id is None:
            return
        # Instants without a zone are only compared with each other: a log that names none does so throughout.
        at = event.at if event.at.tzinfo else event.at.replace(tzinfo=UTC)
        run = self._runs.get(event.run_id)
        if run is None:
            run = self._runs[event.run_id] = _Run(number, at)
        if event.starts and (run.started is None or at < run.begun):
            run.started, run.begun = event.at, at
        elif run.started is None:
            run.begun = min(run.begun, at)
        if event.ends:
            run.ended = at if run.ended is None else max(run.ended, at)
        run.groups |= event.groups
        run.stated |= event.status is not None
        run.reads = self._joined(run.reads, event.inputs)
        run.writes = self._joined(run.writes, event.outputs)
        for link in (event.parent, event.root):
            if link is not None:
                self._above.add(link.run_id)
                if link.job and link.job < self._names.get(link.run_id, "\U0010ffff"):
                    self._names[link.run_id] = link.job
        if above := event.root or event.parent:
            # Whatever the order of the events: those that name the root count first, then the earliest.
            rank = (event.root is None, at, above.run_id)
            if run.link_rank is None or rank < run.link_rank:
                run.link, run.link_rank = self._links.setdefault(above, above), rank

    def _joined(self, known: Set[str], more: Sequence[DataSet]) -> Set[str]:
        """Return data sets with those of one more event; small equal ones are one object, as a log repeats few often."""
        new = {data.asset_id for data in more}
        if new <= known:
            return known
        if isinstance(known, set):
            known |= new
            return known
        joined = frozenset(known | new)
        return self._data.setdefault(joined, joined) if len(joined) <= _FEW else set(joined)

    def _dependencies(self) -> Mapping[str, Sequence[str]]:
        writers: defaultdict[tuple[str, str], list[tuple[datetime, datetime, str]]] = defaultdict(list)
        readers: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for run_id, run in self._runs.items():
            if not (run.reads or run.writes) or self.groups(run_id) or (top := self.top(run_id)) in (None, run_id):
                continue
            for asset in run.reads:
                readers[str(top), asset].append(run_id)
            if run.ended is not None:
                for asset in run.writes:
                    writers[str(top), asset].append((run.ended, run.begun, run_id))
        found: defaultdict[str, list[str]] = defaultdict(list)
        for data, reading in readers.items():
            if data in writers:
                self._depend(reading, sorted(writers[data]), found)
        return {run_id: sorted(set(parents)) for run_id, parents in found.items()}

    def _depend(
        self, readers: Sequence[str], writers: Sequence[tuple[datetime, datetime, str]], found: Mapping[str, list[str]]
    ) -> None:
        """Add the dependencies that one data set makes; the writers come in the order of (ended, begun)."""
        many = len(readers) * len(writers) > MAX_PAIRS
        ends = [(ended, begun) for ended, begun, _ in writers]
        for run_id in readers:
            run = self._runs[run_id]
            # Of two tasks that begin and end in the same instant, neither comes before the other.
            before = bisect_left if run.ended == run.begun else bisect_right
            count = before(ends, (run.begun, run.begun))
            if count:
                found[run_id] += [w for _, _, w in writers[count - 1 if many else 0 : count]]

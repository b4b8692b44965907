"""Dependencies that follow from the data of OpenLineage events: they run from earlier to later, and never in circles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.ingest.sources.openlineage import runs
from pipesim.ingest.sources.openlineage.events import Event, read_event
from pipesim.ingest.sources.openlineage.runs import Runs
from tests.ingest.sources.openlineage_events import data, event, read, rows, run_id, run_of

#: A task: when it starts and ends (None: not in the log), what it reads and what it writes.
Task = tuple[int | None, int | None, str, str]
NIGHT = datetime(2026, 3, 2, tzinfo=UTC)


def _events(tasks: Sequence[Task], top: int = 99) -> list[Event]:
    """Return the events of tasks numbered from 1, of one pipeline run."""
    found = []
    for number, (start, end, reads, writes) in enumerate(tasks, 1):
        sides = {"inputs": [data(name) for name in reads], "outputs": [data(name) for name in writes]}
        for kind, minute in (("START", start), ("COMPLETE", end)):
            if minute is not None:
                at = (NIGHT + timedelta(minutes=minute)).isoformat()
                found.append(read_event(event(kind, eventTime=at, run=run_of(number, top), **sides)))
    return found


def _parents(tasks: Sequence[Task]) -> dict[int, list[int]]:
    """Return the tasks that each task depends on."""
    events = _events(tasks)
    known = Runs(enumerate(events))
    numbers = {run_id(number): number for number in range(1, len(tasks) + 1)}
    return {
        numbers[str(e.run_id)]: [numbers[parent] for parent in parents]
        for n, e in enumerate(events)
        if (parents := known.parents(n, str(e.run_id)))
    }


@pytest.mark.parametrize(
    ("tasks", "parents"),
    [
        ([(0, 1, "", "a"), (1, 2, "a", "b"), (2, 3, "b", "")], {2: [1], 3: [2]}),
        # All who wrote what it reads, but not who did so later.
        ([(0, 1, "", "a"), (1, 2, "", "a"), (3, 4, "a", ""), (5, 6, "", "a")], {3: [1, 2]}),
        # Who had not ended was not waited for: it ran side by side, or its end is not in the log.
        ([(0, 5, "", "a"), (4, 6, "a", "")], {}),
        ([(0, None, "", "a"), (4, 6, "a", "")], {}),
        # Each reads what the other one writes: the later one waits.
        ([(0, 1, "a", "b"), (2, 3, "b", "a")], {2: [1]}),
        # In the same instant, neither comes first, whether or not that instant is all there is of them.
        ([(1, 1, "a", "b"), (1, 1, "b", "a")], {}),
        ([(1, 1, "a", "b"), (1, 2, "b", "a")], {2: [1]}),
        # Of tasks whose start is not in the log, the end is all that is known.
        ([(None, 1, "", "a"), (None, 2, "a", "")], {2: [1]}),
        # Its own data make no task wait for itself.
        ([(0, 1, "a", "a")], {}),
    ],
)
def test_a_task_depends_on_those_that_had_written_what_it_reads(tasks: list[Task], parents: dict[int, list[int]]) -> None:
    assert _parents(tasks) == parents


_MINUTES = st.integers(0, 4)
_TASKS = st.lists(
    st.tuples(st.none() | _MINUTES, st.none() | _MINUTES, st.text("abc", max_size=2), st.text("abc", max_size=2)).map(
        lambda t: (t[0], max(t[1], t[0]), *t[2:]) if t[0] is not None and t[1] is not None else t
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(_TASKS)
def test_dependencies_have_no_circle_and_run_forward_in_time(tasks: list[Task]) -> None:
    parents = _parents(tasks)
    tuple(TopologicalSorter(parents).static_order())
    for child, earlier in parents.items():
        start, end, reads, _ = tasks[child - 1]
        for parent in earlier:
            ended, wrote = tasks[parent - 1][1], tasks[parent - 1][3]
            assert set(reads) & set(wrote)
            begun = start if start is not None else end
            assert ended is not None
            assert begun is not None
            assert ended <= begun


def test_where_very_many_write_and_read_a_data_set_only_the_last_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_PAIRS", 8)
    writers: list[Task] = [(n, n + 1, "", "a") for n in range(3)]
    assert _parents([*writers, (3, 4, "a", ""), (2, 5, "a", "")]) == {4: [1, 2, 3], 5: [1, 2]}
    assert _parents([*writers, (3, 4, "a", ""), (2, 5, "a", ""), (0, 1, "a", "")]) == {4: [3], 5: [2]}


def test_dependencies_stay_within_one_pipeline_run(tmp_path: Path) -> None:
    lines = [
        event("COMPLETE", run=run_of(1, 90), outputs=[data("a")]),
        event("COMPLETE", eventTime="2026-03-02T10:00:00Z", run=run_of(2, 91), inputs=[data("a")]),
        event("COMPLETE", eventTime="2026-03-02T10:00:00Z", run=run_of(3, 90), inputs=[data("a")]),
        event("COMPLETE", eventTime="2026-03-02T10:00:00Z", run=run_of(4), inputs=[data("a")]),
    ]
    lake, _ = read(tmp_path, [json.dumps(line) for line in lines])
    assert rows(lake, "task_edges") == [{"run_id": run_id(90), "task_id": run_id(3), "parent_task_id": run_id(1)}]


def test_a_run_whose_data_come_from_a_task_that_is_refused_is_refused(tmp_path: Path) -> None:
    lines = [
        event("COMPLETE", run=run_of(1, 90), outputs=[data("a")]),
        event("FAIL", run=run_of(1, 90)),
        event("COMPLETE", eventTime="2026-03-02T10:00:00Z", run=run_of(2, 90), inputs=[data("a")]),
        event("COMPLETE", run=run_of(3)),
    ]
    lake, account = read(tmp_path, [json.dumps(line) for line in lines])
    assert (account.valid, account.quarantined) == (1, 3)
    assert [row["run_id"] for row in rows(lake, "pipeline_runs")] == [run_id(3)]

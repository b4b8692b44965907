from __future__ import annotations

from collections import Counter
from datetime import datetime
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesim.errors import RequestError
from pipesim.trace import Trace
from pipesim.workload.structure import find_places, fit_structure


def dag_trace(runs: list[tuple[str, str, str, list[str], list[tuple[int, int]]]]) -> Trace:
    """Runs of (run_id, pipeline_name, status, task names, edges as (child, parent) positions), with unrelated task ids."""
    return Trace(
        {
            "pipeline_runs": pl.DataFrame(
                {
                    "run_id": [r[0] for r in runs],
                    "pipeline_name": [r[1] for r in runs],
                    "status": [r[2] for r in runs],
                    "raw_status": "",
                    "submitted_at": datetime(2024, 1, 1),
                    "observed_until": datetime(2024, 1, 2),
                    "time_basis": "utc",
                }
            ),
            "task_runs": pl.DataFrame(
                [
                    {
                        "run_id": r[0],
                        "task_id": f"{r[0]}-{9 - i}",
                        "attempt": a,
                        "task_name": n,
                        "status": "FAILED",
                        "raw_status": "",
                    }
                    for r in runs
                    for i, n in enumerate(r[3])
                    for a in (1, 2)
                ]
            ),
            "task_edges": pl.DataFrame(
                [
                    {"run_id": r[0], "task_id": f"{r[0]}-{9 - c}", "parent_task_id": f"{r[0]}-{9 - p}"}
                    for r in runs
                    for c, p in r[4]
                ],
                schema={"run_id": pl.String, "task_id": pl.String, "parent_task_id": pl.String},
            ),
        }
    )


DIAMOND = (["load", "a", "b", "join"], [(1, 0), (2, 0), (3, 1), (3, 2)])
CHAIN = (["load", "train"], [(1, 0)])


def test_equal_dags_are_one_shape_whatever_their_task_ids() -> None:
    runs = [(f"r{i}", "p", "SUCCEEDED", *DIAMOND) for i in range(3)]
    runs.append(("r3", "p", "SUCCEEDED", ["b", "join", "load", "a"], [(1, 0), (1, 3), (0, 2), (3, 2)]))  # told in another order
    runs.append(("r4", "q", "SUCCEEDED", *CHAIN))
    structure, notes = fit_structure(find_places(dag_trace(runs)))
    assert notes == []
    assert [len(s.tasks) for s in structure.shapes] == [4, 2]
    assert structure.pipelines == ("p", "q")
    assert (structure.pair_pipeline, structure.pair_shape, structure.pair_runs) == ((0, 1), (0, 1), (4, 1))
    diamond = structure.shapes[0]
    names = [t.task_id for t in diamond.tasks]
    assert names == ["load", "a", "b", "join"]
    assert {(names[c], names[p]) for c, p in diamond.edges} == {("a", "load"), ("b", "load"), ("join", "a"), ("join", "b")}


def test_cut_short_runs_count_only_with_a_shape_that_completed() -> None:
    runs = [
        ("r0", "p", "SUCCEEDED", *DIAMOND),
        ("r1", "p", "FAILED", *DIAMOND),
        ("r2", "p", "FAILED", ["load"], []),
        ("r3", "never", "FAILED", *CHAIN),
    ]
    structure, notes = fit_structure(find_places(dag_trace(runs)))
    assert sorted(zip(structure.pair_pipeline, structure.pair_runs, strict=True)) == [(0, 1), (1, 2)]
    assert len(notes) == 1
    assert notes[0].startswith("structure: 1 unfinished run of")


def test_tasks_of_one_name_get_distinct_ids() -> None:
    structure, _ = fit_structure(find_places(dag_trace([("r0", "p", "SUCCEEDED", ["x", "x", "x-1"], [(1, 0), (2, 1)])])))
    assert len({t.task_id for t in structure.shapes[0].tasks}) == 3


def test_a_cycle_is_refused_with_its_run() -> None:
    runs = [("fine", "p", "SUCCEEDED", *CHAIN), ("looped", "p", "SUCCEEDED", ["a", "b"], [(0, 1), (1, 0)])]
    with pytest.raises(RequestError, match="'looped' form a cycle"):
        fit_structure(find_places(dag_trace(runs)))


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, str, str, list[str], list[tuple[int, int]]]]:
    """Runs of a few pipelines, many of which share tasks."""
    runs = []
    for r in range(draw(st.integers(1, 30))):
        names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4))
        edges = [(i, i - 1) for i in range(1, len(names)) if draw(st.sampled_from([True, True, True, False]))]
        runs.append((f"r{r}", draw(st.sampled_from(["p", "p", "q", "s"])), "SUCCEEDED", names, edges))
    return runs


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs(), st.randoms())
def test_neither_the_order_of_rows_nor_identifiers_matter(runs: list[Any], random: Random) -> None:
    structure, notes = fit_structure(find_places(dag_trace(runs)))
    shuffled = random.sample(runs, len(runs))
    renamed = []
    for i, (_, pipeline, status, names, edges) in enumerate(shuffled):
        order = random.sample(range(len(names)), len(names))
        place = {old: new for new, old in enumerate(order)}
        renamed.append((f"x{i}", pipeline, status, [names[o] for o in order], [(place[c], place[p]) for c, p in edges]))
    assert fit_structure(find_places(dag_trace(renamed))) == (structure, notes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs())
def test_expected_runs_are_those_of_the_log(runs: list[Any]) -> None:
    structure, _ = fit_structure(find_places(dag_trace(runs)))
    expected = dict.fromkeys(structure.pipelines, 0.0)
    labels: dict[str, set[str]] = {name: set() for name in structure.pipelines}
    for _, pipeline, _, names, _ in runs:
        labels[pipeline] |= set(names)
    for pipeline, shape, weight in zip(structure.pair_pipeline, structure.pair_shape, structure.pair_runs, strict=True):
        assert weight > 0
        expected[structure.pipelines[pipeline]] += weight
        assert {task.task_name for task in structure.shapes[shape].tasks} <= labels[structure.pipelines[pipeline]]
    assert expected == pytest.approx(Counter(run[1] for run in runs))
    assert len({shape.key for shape in structure.shapes}) == len(structure.shapes)
    unseen = range(len(structure.shapes) - structure.recombined, len(structure.shapes))
    assert set(unseen) <= set(structure.pair_shape)
    if len(structure.shapes) == 1:
        assert structure.recombined == 0


def test_recombined_shapes_are_the_last_and_as_frequent_as_unseen_ones_are() -> None:
    runs = [(f"r{i}", "p", "SUCCEEDED", ["load", "train", "end"], [(1, 0), (2, 1)]) for i in range(99)]
    runs.append(("r99", "p", "SUCCEEDED", ["fetch", "train", "deploy"], [(1, 0), (2, 1)]))
    structure, notes = fit_structure(find_places(dag_trace(runs)))
    assert structure.recombined == 2
    assert structure.pair_runs == pytest.approx((0.99 * 99, 0.99, 0.5, 0.5))
    names = {tuple(task.task_name for task in shape.tasks) for shape in structure.shapes[2:]}
    assert names == {("load", "train", "deploy"), ("fetch", "train", "end")}
    assert notes == ["structure: 1.00% of the runs get 2 recombined shapes that no run of the log has"]


def test_twins_whose_children_differ_are_one_shape_whatever_their_ids() -> None:
    """Two tasks `x` of one depth, of which one has a child: the identifiers alone would say which of them."""
    one = ("r0", "p", "SUCCEEDED", ["x", "x", "y"], [(2, 0)])
    other = ("r1", "p", "SUCCEEDED", ["x", "x", "y"], [(2, 1)])
    structure, _ = fit_structure(find_places(dag_trace([one, other])))
    assert structure.pair_runs == (2.0,)

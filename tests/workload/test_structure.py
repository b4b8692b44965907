from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from pipesim.errors import RequestError
from pipesim.trace import Trace
from pipesim.workload.structure import fit_structure


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
    structure, notes = fit_structure(dag_trace(runs))
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
    structure, notes = fit_structure(dag_trace(runs))
    assert sorted(zip(structure.pair_pipeline, structure.pair_runs, strict=True)) == [(0, 1), (1, 2)]
    assert len(notes) == 1
    assert notes[0].startswith("structure: 1 unfinished runs")


def test_tasks_of_one_name_get_distinct_ids() -> None:
    structure, _ = fit_structure(dag_trace([("r0", "p", "SUCCEEDED", ["x", "x", "x-1"], [(1, 0), (2, 1)])]))
    assert len({t.task_id for t in structure.shapes[0].tasks}) == 3


def test_a_cycle_is_refused_with_its_run() -> None:
    runs = [("fine", "p", "SUCCEEDED", *CHAIN), ("looped", "p", "SUCCEEDED", ["a", "b"], [(0, 1), (1, 0)])]
    with pytest.raises(RequestError, match="'looped' form a cycle"):
        fit_structure(dag_trace(runs))

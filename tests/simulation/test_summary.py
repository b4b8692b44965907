"""The figures that a scenario asks for, of cases worked by hand; and how they are stored."""

from dataclasses import replace

import duckdb
import pytest

from pipesim.catalog import create_views
from pipesim.simulation import RunSummary, Scenario, simulate
from pipesim.simulation.summary import summarize
from tests.simulation.test_results import SECOND, broken_twice, job

G1 = {"name": "g", "gpus": 1}
PLAIN = (
    "scenario", "replication", "engine", "pipelines", "tasks", "mean_wait_s", "p50_wait_s", "p95_wait_s", "p99_wait_s",
    "mean_jct_s", "p95_jct_s", "makespan_s", "utilization", "engine_seconds", "seconds",
)  # fmt: skip


def summary(trace_of, runs, *pools, **parts):
    return simulate(trace_of(runs), Scenario(name="s", platform={"pools": list(pools)}, **parts), engine="reference").summary


def asked(found):
    figures = found.as_dict()
    assert tuple(figures)[: len(PLAIN)] == PLAIN
    return {name: figures[name] for name in list(figures)[len(PLAIN) :]}


def test_a_plain_scenario_asks_for_nothing(trace_of):
    found = summary(trace_of, [job(0, 1)], G1)
    assert asked(found) == {}
    assert found.as_frame().select("warmup_s", "unfinished", "cost", "bills", "provisioned").row(0) == (None,) * 5


def test_waits_are_kept_in_batches_in_the_order_of_the_queue(trace_of, monkeypatch):
    """One GPU, jobs of 4 s at 0, 1, 2, 3 and 4 wait 0, 3, 6, 9 and 12 s: two batches of two, and one that is left over."""
    monkeypatch.setattr("pipesim.simulation.summary.BATCHES", 2)
    found = summary(trace_of, [job(at, 4) for at in (3, 0, 2, 4, 1)], G1)
    assert found.wait_batches == (1.5, 7.5)
    assert "wait_batches" not in found.as_dict()
    monkeypatch.setattr("pipesim.simulation.summary.BATCHES", 64)
    assert summary(trace_of, [job(at, 4) for at in (0, 1)], G1).wait_batches == (0.0, 3.0)
    again = RunSummary.revive(found.as_frame().row(0, named=True), found.asked)
    assert replace(found, seconds=0.0, engine_seconds=0.0) == again


def test_a_warm_up_counts_for_nothing(trace_of):
    """One GPU, jobs of 4 s at 0, 0, 0 and 6: of those queued from 5 on one waits from 6 to 12, and ends at 16."""
    runs = [job(0, 4), job(0, 4), job(0, 4), job(6, 4), job(30, 2)]
    found = summary(trace_of, runs, G1, warmup_days=5 * SECOND)
    assert asked(found) == {"warmup_s": 5.0}
    assert (found.pipelines, found.mean_wait_s, found.mean_jct_s, found.makespan_s) == (5, 3.0, 6.0, 32.0)
    assert found.utilization == {"g": pytest.approx((16 - 5 + 2) / (32 - 5), rel=1e-15)}
    nothing = summary(trace_of, runs, G1, warmup_days=1.0)
    assert (nothing.warmup_s, nothing.mean_wait_s, nothing.mean_jct_s, nothing.utilization) == (32.0, None, None, {"g": None})


def test_a_warm_up_that_is_found_ends_where_the_waits_have_settled(trace_of):
    """Five jobs come at once, then one at a time: the waits are 0 to 8 s, then 0."""
    runs = [job(0, 2) for _ in range(5)] + [job(10 + 3 * i, 2) for i in range(15)]
    found = summary(trace_of, runs, G1, warmup_days="auto")
    assert asked(found) == {"warmup_s": 10.0}
    assert (found.mean_wait_s, found.mean_jct_s) == (0.0, 2.0)
    assert asked(summary(trace_of, [job(0, 2)], G1, warmup_days="auto")) == {"warmup_s": 0.0}


def test_what_is_not_over_and_what_was_late(trace_of):
    """Until 7, all due 5 s after their submission: one ends at 3, one at 6, one runs since; the last has time."""
    found = summary(
        trace_of,
        [job(0, 3), job(0, 3), job(0, 10), job(4, 10)],
        G1,
        horizon_days=7 * SECOND,
        policy={"order": "edf", "deadline_s": 5},
    )
    assert asked(found) == {"unfinished": 2, "deadlines_missed": 2 / 3}
    assert (found.makespan_s, found.utilization, found.mean_jct_s) == (7.0, {"g": 1.0}, 4.5)
    unknown = summary(trace_of, [job(0, 3)], G1, policy={"order": "edf", "deadline_s": "priority * 2"})
    assert asked(unknown) == {"deadlines_missed": None}


def test_evictions_are_counted_and_wait_again(trace_of):
    """Evicted at 4, again until 7: waits of 0, 3 and 0 s; all of its 4 s are lost."""
    found = summary(
        trace_of, [job(0, 10, priority=0), job(4, 3, priority=1)], G1, policy={"order": "priority", "preemption": True}
    )
    assert asked(found) == {"evictions": 1}
    assert (found.mean_wait_s, found.makespan_s, found.utilization) == (1.0, 17.0, {"g": 1.0})


def test_attempts_on_broken_nodes_are_counted(trace_of):
    """Two were interrupted, one was the last that its task may have; 16 GPU-seconds of 11 nodes for 16 s were held."""
    compiled, schedule, scenario = broken_twice(trace_of)
    trace = simulate(trace_of([job(0, 1)]), scenario, engine="reference").trace
    found = summarize(compiled, schedule, scenario, trace, replication=0, engine="-", engine_seconds=0.0, began=0.0)
    assert asked(found) == {"node_failures": 3, "fragmentation": {"g": 0.0}}
    assert found.utilization == {"c": 0.0, "g": 16 / (44 * 16)}


def test_what_is_free_in_pieces_is_fragmented(trace_of):
    """On each of two nodes one GPU of two is held until 10; from 2 on a task needs two on one node, and has them until 15."""
    pool = {"name": "g", "nodes": {"count": 2, "gpus": 2}, "placement": "spread"}
    found = summary(trace_of, [job(0, 10), job(0, 10), job(2, 5, gpus=2.0)], pool)
    assert asked(found) == {"fragmentation": {"g": (2 * 8) / (4 * 15)}}


def test_the_mean_of_what_an_autoscaler_had(trace_of):
    """One GPU at first; the second is asked for at once, is there after 5 s, and is let go of when both jobs are over."""
    scale = {"min": 1, "max": 2, "delay_s": 5.0, "cooldown_s": 0.0}
    found = summary(trace_of, [job(0, 10), job(0, 10)], G1 | {"autoscale": scale})
    assert found.makespan_s == 15.0
    assert asked(found) == {"provisioned": {"g": pytest.approx((5 + 2 * 5 + 1 * 5) / 15, rel=1e-15)}}


def test_summaries_of_all_scenarios_and_of_old_ones_stand_in_one_table(trace_of, tmp_path):
    pool = G1 | {"cost": {"per_h": 3600.0}}
    rows = {
        "old": summary(trace_of, [job(0, 1)], G1).as_frame().select(PLAIN[:-2]),
        "plain": summary(trace_of, [job(0, 1)], G1).as_frame(),
        "rich": summary(trace_of, [job(0, 1)], pool, warmup_days=0.5 * SECOND, horizon_days=1.0).as_frame(),
    }
    assert rows["plain"].schema == rows["rich"].schema
    for name, frame in rows.items():
        folder = tmp_path / "simulated" / "summaries" / f"scenario={name}" / "replication=0"
        folder.mkdir(parents=True)
        frame.write_parquet(folder / "summaries.parquet")
    with duckdb.connect() as con:
        create_views(con, tmp_path)
        found = con.sql("SELECT scenario, warmup_s, unfinished, bills[1].cost FROM simulated.summaries ORDER BY ALL").fetchall()
    assert found == [("old", None, None, None), ("plain", None, None, None), ("rich", 0.5, 0, 0.5)]

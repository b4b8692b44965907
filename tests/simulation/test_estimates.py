"""What the scheduler believes about durations, and what it does with it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipesim.errors import RequestError
from pipesim.experiments import replications
from pipesim.lake import Lake
from pipesim.simulation import Scenario, simulate
from pipesim.simulation.compilation import compile_scenario
from pipesim.trace import Trace
from pipesim.verbs import fit_workload, ingest_logs
from pipesim.workload import FitConfig

G = {"name": "g", "gpus": 1, "speed": 2.0}
STORE = {"read_mb_per_s": 1, "write_mb_per_s": 1, "latency_s": 3}


def run(submitted: float, *durations: Any, task_name: str = "t", task_type: str = "train", **columns: Any) -> dict[str, Any]:
    """A run of tasks that each need a GPU; a duration may be an attempt, (seconds, status)."""
    attempts = [[d if isinstance(d, tuple) else (d, "SUCCEEDED")] for d in durations]
    tasks = [{"attempts": a, "gpus": 1.0, "task_name": task_name, "task_type": task_type, "read_bytes": 0} for a in attempts]
    return {"submitted": submitted, "tasks": tasks, **columns}


def estimates(trace: Trace, kind: Any, history: Trace | None = None, replication: int = 0, **workload: Any) -> Any:
    what_if = Scenario(
        name="s",
        platform={"pools": [G], "store": STORE},
        policy={"estimates": kind},
        **({"workload": {"kind": "synthetic", "days": 1, **workload}} if workload else {}),
    )
    return compile_scenario(trace, what_if, history=history, replication=replication).given


def test_history_is_the_mean_of_the_closest_that_were_seen(trace_of: Any) -> None:
    """Of the name in the pipeline, else of the tenant, else of the type, else of all; then rule 4 as for true durations."""
    history = trace_of(
        [
            # What failed, and what still ran, held the GPU too; what never ran, or nobody timed, does not count.
            run(0, 10, (20, "FAILED"), (60, "RUNNING"), (None, "PENDING"), (None, "SUCCEEDED"), pipeline_name="a", tenant="x"),
            run(0, 100, pipeline_name="b", tenant="x", task_type="evaluate"),
            run(0, 500, pipeline_name="c", tenant="y"),
        ]
    )
    trace = trace_of(
        [
            run(0, 7, pipeline_name="a", tenant="z"),
            run(0, 7, pipeline_name="a", tenant="x", task_name="other"),
            run(0, 7, pipeline_name="z", tenant="z", task_type="evaluate"),
            run(0, 7, pipeline_name="z", tenant=None, task_type="deploy"),
        ]
    )
    natural = [30, 190 / 4, 100, 690 / 5]
    assert estimates(trace, "history", history).attempt_estimate.tolist() == [3_000_000 + n * 500_000 for n in natural]
    assert estimates(history, "history").attempt_estimate[:3].tolist() == [18_000_000] * 3


def test_a_history_that_says_no_duration_is_refused(trace_of: Any) -> None:
    for history in (Trace(), trace_of([run(0, (None, "PENDING"))])):
        with pytest.raises(RequestError, match="known duration") as caught:
            estimates(trace_of([run(0, 1)]), "history", history)
        assert caught.value.where == "policy.estimates"


def test_noise_has_mean_1_the_asked_variation_and_a_stream_of_each_replication(trace_of: Any) -> None:
    trace = trace_of([run(0, *[100] * 4000)])

    def factors(**workload: Any) -> Any:
        found = estimates(trace, {"noisy": 0.5}, **workload)
        return found.attempt_estimate / found.attempt_hold

    first = factors()
    assert first.mean() == pytest.approx(1, abs=4 * 0.5 / np.sqrt(4000))
    assert first.std() == pytest.approx(0.5, rel=0.1)
    assert (first == factors()).all()
    assert (first != factors(replication=1)).all()
    assert (first != factors(seed=1)).all()


def test_the_truth_needs_no_estimates(trace_of: Any) -> None:
    assert estimates(trace_of([run(0, 1)]), "oracle").attempt_estimate is None


def starts(trace: Trace, history: Trace, **policy: Any) -> list[float]:
    what_if = Scenario(name="s", platform={"pools": [{"name": "g", "gpus": 2}]}, policy={"estimates": "history", **policy})
    found = simulate(trace, what_if, history=history, engine="reference").trace
    first = found.pipeline_runs["submitted_at"].min()
    return [(at - first).total_seconds() for at in found.task_runs.sort("run_id")["started_at"]]


def test_orders_and_backfill_go_by_what_is_believed(trace_of: Any) -> None:
    """One GPU is taken until 10, believed until 20; then comes what needs both, then what takes 15, believed 5."""
    history = trace_of([run(0, length, pipeline_name=name) for name, length in (("late", 5), ("wide", 8), ("first", 20))])
    work = [run(0, 10, pipeline_name="first"), run(1, 3, pipeline_name="wide"), run(2, 15, pipeline_name="late")]
    work[1]["tasks"][0]["gpus"] = 2.0
    trace = trace_of(work)
    assert starts(trace, history, backfill="easy") == [0, 17, 2]
    assert starts(trace, trace, backfill="easy") == [0, 10, 13]
    for submission in work:
        submission["tasks"][0]["gpus"] = 2.0
    for order in ("sjf", "estimated_duration_s"):
        assert starts(trace_of(work), history, order=order) == [0, 25, 10]
        assert starts(trace_of(work), trace, order=order) == [0, 10, 13]


def test_a_synthetic_workload_is_estimated_from_what_was_observed(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [f"2026-03-0{1 + i % 7}T00:00:{i:02d}Z" for i in range(40)]
    logs = {
        "pipeline_runs": ["run_id,pipeline_name,status,submitted_at", *(f"r{i},p,ok,{at[i]}" for i in range(40))],
        "task_runs": [
            "run_id,task_id,task_name,task_type,status,duration_s,queued_at,gpus",
            *(f"r{i},t,train,train,ok,{60 + i % 7},{at[i]},1" for i in range(40)),
        ],
    }
    for name, lines in logs.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    ingest_logs(lake, sorted(tmp_path.glob("*.csv")), "native")
    fit_workload(lake, FitConfig())
    asked = []

    def spy(*arguments: Any, **named: Any) -> Any:
        asked.append(named["history"])
        return simulate(*arguments, **named)

    monkeypatch.setattr(replications, "simulate", spy)
    common: dict[str, Any] = {"platform": {"pools": [G]}, "policy": {"order": "sjf", "estimates": "history"}}
    drawn = Scenario(name="drawn", workload={"kind": "synthetic", "days": 2}, **common)
    replications.run_scenarios(lake, [drawn, Scenario(name="replayed", **common)], engine="reference")
    assert asked[0].task_runs.height == 40
    assert asked[1] is None

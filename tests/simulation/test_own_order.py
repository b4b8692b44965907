"""A user's own order of service: where it may come from, what it is told, which engine runs it, what becomes of mistakes."""

from pathlib import Path
from typing import Any

import pytest

from pipesim.errors import RequestError
from pipesim.simulation import ENGINES, Scenario, SimulationResult, simulate

FUNCTION = """
def widest_first(task):
    return -task.gpus

def raising(task):
    return 1 / (task.gpus - 2)

def not_a_number(task):
    return float("nan") if task.submitted_s > 1 else 0.0

def a_word(task):
    return "soon"
"""
CLASS = """
class ByTenant:
    def __init__(self, attempts):
        self.rank = attempts["tenant"].rank("dense", descending=True).to_list()

    def __call__(self, task):
        return self.rank[task.row]
"""
NJIT = """
import numba

@numba.njit
def aged(task):
    assert task.gpus < 8
    return task.estimated_duration_s / 10 - task.submitted_s - task.priority + task.attempt * 0.5
"""


@pytest.fixture
def own(tmp_path: Path) -> Any:
    """Write a file and return its path, of a name of its own."""

    def write(text: str) -> Path:
        path = tmp_path / f"order_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(text)
        return path

    return write


def simulated(trace_of: Any, order: str, engine: str | None = None, gpus: float = 3.0) -> SimulationResult:
    """One GPU of three is taken until 10; the others come at 1, 2, ... and want 1, 2, 3 and 1."""
    wide = [(10, 1.0), (4, 1.0), (7, 2.0), (2, gpus), (1, 1.0)]
    runs = [
        {
            "submitted": at,
            "tasks": [{"attempts": [(lasts, "SUCCEEDED")], "gpus": width}],
            "tenant": "abcd"[at % 4],
            "priority": at,
        }
        for at, (lasts, width) in enumerate(wide)
    ]
    what_if = Scenario(name="s", platform={"pools": [{"name": "g", "gpus": gpus}]}, policy={"order": order})
    return simulate(trace_of(runs), what_if, engine=engine)


def starts(result: SimulationResult) -> list[float]:
    first = result.trace.pipeline_runs["submitted_at"].min()
    return [(at - first).total_seconds() for at in result.trace.task_runs.sort("run_id")["started_at"]]


def test_a_function_of_a_file(trace_of: Any, own: Any) -> None:
    result = simulated(trace_of, f"{own(FUNCTION)}:widest_first")
    assert starts(result) == [0, 1, 12, 10, 12]
    assert result.summary.engine == "reference"


def test_a_class_is_made_with_the_attempts(trace_of: Any, own: Any) -> None:
    result = simulated(trace_of, f"{own(CLASS)}:ByTenant")
    assert starts(result) == starts(
        simulated(trace_of, "CASE tenant WHEN 'a' THEN 4 WHEN 'b' THEN 3 WHEN 'c' THEN 2 ELSE 1 END")
    )


def test_an_installed_module(trace_of: Any, own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own(FUNCTION)
    monkeypatch.syspath_prepend(path.parent)
    assert starts(simulated(trace_of, f"{path.stem}:widest_first")) == [0, 1, 12, 10, 12]


def test_machine_code_runs_in_both_engines_alike(trace_of: Any, own: Any) -> None:
    order = f"{own(NJIT)}:aged"
    by_default = simulated(trace_of, order)
    assert by_default.summary.engine == "compiled"
    assert by_default.trace.task_runs.equals(simulated(trace_of, order, "reference").trace.task_runs)


def test_plain_python_is_refused_by_the_compiled_engine(trace_of: Any, own: Any) -> None:
    with pytest.raises(RequestError, match="Python") as caught:
        simulated(trace_of, f"{own(FUNCTION)}:widest_first", "compiled")
    assert caught.value.where == "policy.order"
    assert "--engine reference" in str(caught.value.remedy)
    assert "numba.njit" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("name", "task", "reason"),
    [
        ("raising", "run-002", "ZeroDivisionError: float division by zero"),
        ("not_a_number", "run-002", "it gave NaN"),
        ("a_word", "run-000", "it gave 'soon', which is no number"),
    ],
)
def test_a_mistake_stops_the_run_with_the_task(trace_of: Any, own: Any, name: str, task: str, reason: str) -> None:
    with pytest.raises(RequestError, match=f"{name} has no key for run '{task}' task 't00' attempt 1: {reason}") as caught:
        simulated(trace_of, f"{own(FUNCTION)}:{name}")
    assert caught.value.where == "policy.order"


@pytest.mark.parametrize("engine", ENGINES)
def test_machine_code_that_raises_stops_both_engines(trace_of: Any, own: Any, engine: str) -> None:
    with pytest.raises(RequestError, match="run 'run-003' task 't00' attempt 1: AssertionError"):
        simulated(trace_of, f"{own(NJIT)}:aged", engine, gpus=9.0)


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        (None, "f", "there is no file"),
        (FUNCTION, "absent", "has no absent"),
        ("x = 1", "x", "cannot be called"),
        ("x =", "x", "SyntaxError"),
        ("class C:\n    pass", "C", "cannot be made of a frame"),
        ("class C:\n    def __init__(self, attempts):\n        self.x = attempts['tenants']", "C", "ColumnNotFoundError"),
        ("class C:\n    def __init__(self, attempts):\n        pass", "C", "no __call__"),
    ],
)
def test_what_is_no_order_is_refused_before_simulating(trace_of: Any, own: Any, text: str | None, name: str, says: str) -> None:
    path = "absent.py" if text is None else own(text)
    with pytest.raises(RequestError, match=says) as caught:
        simulated(trace_of, f"{path}:{name}")
    assert caught.value.where == "policy.order"


@pytest.mark.parametrize(("name", "engine"), [("smallest_product", "compiled"), ("EarliestModelFirst", "reference")])
def test_the_example_of_the_docs_runs_where_it_says(trace_of: Any, name: str, engine: str) -> None:
    """One job holds the GPU; then pipeline a has a long one and b a short one: by product b goes first, by rank a."""
    runs = [
        {"submitted": at, "pipeline_name": pipeline, "tasks": [{"attempts": [(lasts, "SUCCEEDED")], "gpus": 1}]}
        for at, pipeline, lasts in ((0, "a", 5), (1, "b", 2), (2, "a", 9))
    ]
    order = f"{Path(__file__).parents[2] / 'docs/examples/own_order.py'}:{name}"
    scenario = Scenario(name="s", platform={"pools": [{"name": "gpu", "gpus": 1}]}, policy={"order": order})
    result = simulate(trace_of(runs), scenario)
    assert result.summary.engine == engine
    started = result.trace.task_runs.sort("started_at")["run_id"].to_list()
    assert started == ["run-000", *(["run-001", "run-002"] if engine == "compiled" else ["run-002", "run-001"])]

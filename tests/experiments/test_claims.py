"""Two processes in one home: whoever comes second waits for the scenarios that both want, and for no others."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest

from pipesim.experiments.claims import claimed
from pipesim.experiments.replications import RunResult, run_scenarios
from pipesim.experiments.sweeps import load_sweep
from pipesim.lake import Lake
from pipesim.simulation import Scenario

HOLDER = """
import sys
from pathlib import Path
from pipesim.experiments.claims import claimed
from pipesim.lake import Lake
with claimed(Lake(Path(sys.argv[1])), ["a", "b"]):
    print("claimed", flush=True)
    sys.stdin.read()
"""


@contextmanager
def _held(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that simulates a and b."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(home)], text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


def test_others_wait_for_what_is_claimed_and_for_nothing_else(lake: Lake) -> None:
    said: list[str] = []
    with _held(lake.root) as holder:
        with claimed(lake, ["c"], said.append):
            assert said == []

        def end(text: str) -> None:
            said.append(text)
            holder.communicate("")

        with claimed(lake, ["b", "c"], end):
            assert holder.poll() == 0
    assert said == ["another process simulates b in this home just now; waiting for it"]


def test_a_claim_dies_with_its_process(lake: Lake) -> None:
    with _held(lake.root) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        said: list[str] = []
        with claimed(lake, ["a"], said.append):
            assert said == []


@pytest.fixture
def sweep(tmp_path: Path) -> list[Scenario]:
    path = tmp_path / "sweep.yaml"
    path.write_text(
        "name: s\nworkload: {kind: synthetic, days: 2, seed: 1}\n"
        "platform: {pools: [{name: p, slots: {sweep: [1, 2, 3]}}]}\nreplications: 2\n"
    )
    return [variant.scenario for variant in load_sweep(path).variants()]


def test_two_sweeps_at_once_do_the_work_of_one(fitted: Lake, sweep: list[Scenario]) -> None:
    together = Barrier(2)

    def run(_: int) -> list[RunResult]:
        together.wait()
        return run_scenarios(Lake(fitted.root), sweep, workers=1, reuse=True)

    with ThreadPoolExecutor(2) as both:
        one, other = both.map(run, range(2))
    assert sorted([sum(result.kept for result in found) for found in (one, other)]) == [0, 6]
    figures = [[{**r.summary.as_dict(), "seconds": 0, "engine_seconds": 0} for r in found] for found in (one, other)]
    assert figures[0] == figures[1]

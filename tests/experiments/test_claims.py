"""Two processes in one home: whoever comes second waits for the scenarios that both want, and for no others."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from pipesim.errors import WorkError
from pipesim.experiments import precision
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


def test_a_thread_does_not_wait_for_itself_and_others_do_until_its_outer_claim_ends(lake: Lake) -> None:
    said: list[str] = []

    def claim() -> None:
        with claimed(Lake(lake.root), ["a"], said.append):
            pass

    with ThreadPoolExecutor(1) as other:
        with claimed(lake, ["a", "b"]):
            with claimed(lake, ["a"], said.append):
                assert said == []
            waits = other.submit(claim)
            with pytest.raises(TimeoutError):
                waits.result(timeout=0.5)
        waits.result(timeout=10)
    assert said == ["another process simulates a in this home just now; waiting for it"]


def test_replications_are_claimed_from_the_first_round_to_the_last(fitted: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a run of fewer replications, between two rounds, would drop some that are taken for stored."""
    scenario = Scenario.model_validate(
        {"name": "s", "workload": {"kind": "synthetic", "days": 1}, "platform": {"pools": [{"name": "p", "slots": 2}]}}
    )
    rounds: list[int] = []
    with ThreadPoolExecutor(1) as pool:

        def disturbed(lake: Lake, scenarios: list[Scenario], **options: Any) -> list[RunResult]:
            found = run_scenarios(lake, scenarios, **options)
            rounds.append(len(found))
            if len(rounds) == 1:
                others.append(pool.submit(run_scenarios, Lake(lake.root), scenarios, replications=1, workers=1, reuse=True))
                time.sleep(0.3)
            stored.append(lake.replications("s"))
            return found

        others: list[Future[list[RunResult]]] = []
        stored: list[list[int]] = []
        monkeypatch.setattr(precision, "run_scenarios", disturbed)
        results, _ = precision.run_to_precision(fitted, [scenario], precision.Precision("mean_wait_s", 0.3), workers=1)
        others[0].result(timeout=60)
    assert len(rounds) > 1
    assert stored == [list(range(count)) for count in rounds]
    assert len(results) == rounds[-1]


def test_what_a_process_half_wrote_when_it_died_claims_nothing(lake: Lake) -> None:
    torn = lake.root / ".staging" / "dead"
    torn.mkdir()
    (torn / "simulates.json").write_text('["a')
    said: list[str] = []
    with claimed(lake, ["a"], said.append):
        assert said == []


def test_a_full_disk_is_told_in_words(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(WorkError, match="no room left"), claimed(lake, ["a"]):
        pass

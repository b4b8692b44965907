"""A sweep that is stopped, however that is, goes on where it was, and ends as one does that nobody disturbed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipesim.lake import Lake
from pipesim.verbs import ingest_logs

pytestmark = pytest.mark.endurance

SAMPLE = Path(__file__).parents[2] / "traces" / "sample"
SWEEP = """
name: size
workload: {kind: replay}
platform:
  pools:
    - {name: gpu, gpus: {sweep: {from: 8, to: 17, step: 1}}}
    - {name: cpu, cpu_cores: {sweep: {from: 24, to: 26, step: 1}}}
replications: 3
"""
RUNS = 10 * 3 * 3
#: What stops a sweep, how many runs later, and the code that it then exits with.
STOPS = [(signal.SIGINT, 10, 130), (signal.SIGTERM, 20, 130), (signal.SIGKILL, 10, -signal.SIGKILL)]
#: What differs between two runs of the same.
TIMES = ("engine_seconds", "seconds")


def _begin(home: Path, workers: int) -> subprocess.Popen[str]:
    command = ["simulate", str(home.parent / "size.yaml"), "--workers", str(workers), "--home", str(home), "--json"]
    return subprocess.Popen(
        # Whoever runs the tests may ignore SIGINT, which a new process would inherit.
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
         "from pipesim.cli import main\nif __name__ == '__main__': main()", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(SAMPLE.parents[1])},
    )  # fmt: skip


def _told(err: str) -> list[str]:
    """Return what stderr holds besides what the sample's log makes the simulator warn of, which is no progress bar."""
    return [line for line in err.split("\n") if line and not re.fullmatch(r"warning: size-[\x20-\x7e]+", line)]


def _stored(home: Path) -> dict[str, tuple[int, int]]:
    """Return the stored runs, each with what tells whether it was stored again."""
    found = {}
    for manifest in (home / "lake" / "simulated" / "manifests").glob("*/*/manifest.json"):
        state = manifest.stat()
        run = f"{manifest.parent.parent.name}/{manifest.parent.name}".replace("scenario=", "").replace("replication=", "")
        found[run] = (state.st_ino, state.st_mtime_ns)
    return found


def _files(home: Path) -> dict[str, bytes]:
    """Return the bytes of each file of the lake."""
    return {str(file.relative_to(home)): file.read_bytes() for file in (home / "lake").rglob("*.*") if file.is_file()}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sweep_goes_on_where_it_was_stopped(tmp_path: Path, workers: int) -> None:
    (tmp_path / "size.yaml").write_text(SWEEP)
    homes = [tmp_path / "stopped", tmp_path / "undisturbed"]
    for home in homes:
        ingest_logs(Lake(home), [SAMPLE], "native")
    before: dict[str, tuple[int, int]] = {}
    for number, runs, code in STOPS:
        sweep = _begin(homes[0], workers)
        while len(_stored(homes[0])) < len(before) + runs:
            assert sweep.poll() is None, sweep.communicate()
            time.sleep(0.02)
        if number == signal.SIGINT:
            os.killpg(sweep.pid, number)  # as a terminal does, to the workers too
        else:
            sweep.send_signal(number)
        out, err = sweep.communicate(timeout=60)  # returns only once the workers have ended too
        assert (sweep.returncode, out) == (code, "")
        if number != signal.SIGKILL:  # of which Python tells that semaphores were left
            assert _told(err) == ["error: interrupted; nothing is half-written"]
        after = _stored(homes[0])
        assert len(before) + runs <= len(after) < RUNS
        assert {run: after[run] for run in before} == before, "nothing is simulated twice"
        before = after
    done = []
    for home in homes:
        sweep = _begin(home, workers)
        out, err = sweep.communicate(timeout=300)
        assert (sweep.returncode, _told(err)) == (0, [])
        done.append(json.loads(out)["runs"])
    after = _stored(homes[0])
    assert len(after) == RUNS
    assert {run: after[run] for run in before} == before
    taken = {f"{run['scenario']}/{run['replication']}" for run in done[0] if run["seconds"] == 0}
    assert taken == set(before)
    plain = [[{k: v for k, v in run.items() if k not in TIMES} for run in runs] for runs in done]
    assert plain[0] == plain[1]
    assert _files(homes[0]) == _files(homes[1])
    assert [path for path in (homes[0] / ".staging").iterdir() if path.is_dir() or path.suffix == ".commit"] == []

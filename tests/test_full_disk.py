"""A full disk, simulated with a small file system: each verb says so, changes nothing, and works once there is room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipesim import analytics
from pipesim.errors import WorkError
from pipesim.lake import Lake
from pipesim.verbs import fit_workload, ingest_logs, synthesize_trace
from pipesim.workload import FitConfig, SynthesisConfig

VERBS: list[Callable[[Lake], object]] = [
    lambda lake: ingest_logs(lake, [lake.root.parents[1] / "log.jsonl"], "native"),
    lambda lake: fit_workload(lake, FitConfig(arrivals="poisson")),
    lambda lake: synthesize_trace(lake, SynthesisConfig(days=14)),
    analytics.build,
]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of the test's own, of hardly any size."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def _write_log(file: Path) -> None:
    lines = []
    for number in range(3000):
        at = f"2026-02-{1 + number // 200:02}T{number % 24:02}:{number % 60:02}:00Z"
        run = {
            "table": "pipeline_runs",
            "run_id": f"r{number}",
            "pipeline_name": "p",
            "status": "SUCCEEDED",
            "submitted_at": at,
        }
        task = {"run_id": f"r{number}", "task_id": "t", "task_name": "train", "status": "SUCCEEDED", "duration_s": 60 + number}
        lines += [json.dumps(run), json.dumps(task)]
    file.write_text("\n".join(lines))


def _used(disk: Path) -> int:
    room = os.statvfs(disk)
    return (room.f_blocks - room.f_bfree) * room.f_frsize


def _state(home: Path) -> dict[str, int]:
    return {str(f.relative_to(home)): f.stat().st_mtime_ns for f in home.rglob("*") if f.is_file() and ".staging" not in str(f)}


def test_each_verb_tells_of_a_full_disk_changes_nothing_and_works_once_there_is_room(small: Path) -> None:
    lake = Lake(small / "home")
    _write_log(small.parent / "log.jsonl")
    for verb in VERBS:
        subprocess.run(["mount", "-o", f"remount,size={_used(small) + 4096}", small], check=True)
        before = _state(lake.root)
        with pytest.raises(WorkError, match="no room left on the disk"):
            verb(lake)
        assert _state(lake.root) == before
        assert [path for path in (lake.root / ".staging").iterdir() if path.is_dir()] == []
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        verb(lake)
        assert _state(lake.root) != before


SWEEP = """
name: size
workload: {kind: replay}
platform: {pools: [{name: p, slots: {sweep: {from: 1, to: 12, step: 1}}}]}
"""


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.endurance)])
def test_a_sweep_that_fills_the_disk_keeps_what_it_stored_and_goes_on_once_there_is_room(small: Path, workers: int) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
    lake = Lake(small / "home")
    _write_log(small.parent / "log.jsonl")
    ingest_logs(lake, [small.parent / "log.jsonl"], "native")
    (small.parent / "size.yaml").write_text(SWEEP)
    arguments = ["simulate", small.parent / "size.yaml", "--home", lake.root, "--workers", str(workers), "--json"]
    command = [sys.executable, "-m", "pipesim", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(["mount", "-o", f"remount,size={_used(small) + (900 << 10)}", small], check=True)
    full = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    stored = {file: state for file, state in _state(lake.root).items() if "simulated" in file}
    done = lake.simulated_scenarios()
    assert (full.returncode, full.stdout) == (1, ""), full.stderr
    assert "there is no room left on the disk" in full.stderr
    assert "-> make room and run the command again" in full.stderr
    assert 0 < len(done) < 12
    subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
    mended = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    runs = json.loads(mended.stdout)["runs"]
    assert len(runs) == 12
    assert {run["scenario"] for run in runs if run["seconds"] == 0} == set(done)
    after = _state(lake.root)
    assert {file for file in stored if after[file] != stored[file]} <= {"lake/simulated/sweeps/size.parquet"}

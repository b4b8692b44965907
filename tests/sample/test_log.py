"""The logs in `traces/sample/`: their bytes, their size, and the damage that they declare."""

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from pipesim.sample import expected_accounting
from pipesim.sample.damage import BAD_RUNS
from pipesim.sample.log import sample_log
from pipesim.shipped import shipped
from pipesim.trace import Trace

_FOLDER = shipped("traces", "sample")


@pytest.fixture(scope="module")
def files() -> dict[str, list[str]]:
    return {path.name: path.read_text(encoding="ascii").split("\n")[:-1] for path in sorted(_FOLDER.iterdir())}


def test_one_command_writes_the_shipped_files_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "pipesim.sample", str(tmp_path)], check=True, capture_output=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in _FOLDER.iterdir())
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (_FOLDER / path.name).read_bytes(), path.name


def test_the_logs_are_small() -> None:
    assert sum(path.stat().st_size for path in _FOLDER.iterdir()) <= 5_000_000


def test_another_seed_writes_other_logs() -> None:
    shipped_log, other = sample_log(), sample_log(seed=1, days=3)
    assert shipped_log.files["task_io.csv"] != other.files["task_io.csv"]
    counts = other.accounting
    assert counts["lines"] == sum(counts[k] for k in ("valid", "duplicates", "quarantined", "blank_or_header"))


def test_every_line_is_accounted_for(files: dict[str, list[str]]) -> None:
    expected = expected_accounting()
    lines = [line for each in files.values() for line in each]
    assert len(files) == expected["files"]
    assert len(lines) == expected["lines"]
    assert expected["lines"] == sum(expected[k] for k in ("valid", "duplicates", "quarantined", "blank_or_header"))
    assert expected["quarantined"] == sum(expected["quarantined_by_kind"].values())
    repeated = sum(
        n - 1 for name in files for line, n in Counter(files[name]).items() if line and not name.startswith("events")
    )
    events = Counter(line for name, each in files.items() if name.startswith("events") for line in each if line)
    assert repeated + sum(n - 1 for n in events.values()) == expected["duplicates"]
    assert lines.count("") + sum(name.endswith(".csv") for name in files) == expected["blank_or_header"]


def test_the_readme_states_the_accounting() -> None:
    text = (_FOLDER.parent / "README.md").read_text(encoding="utf-8")
    expected = expected_accounting()
    counts = {k: v for k, v in expected.items() if isinstance(v, int)} | expected["rows"] | expected["quarantined_by_kind"]
    for name, count in counts.items():
        assert f"| {name} | {count:,} |" in text, name


def test_the_damage_is_what_it_says(files: dict[str, list[str]]) -> None:
    kinds = expected_accounting()["quarantined_by_kind"]
    lines = [line for name, each in files.items() if name.startswith("events") for line in each if line]
    records = [json.loads(line) for line in lines if line.endswith("}")]
    assert len(lines) - len(records) == kinds["truncated JSON"]
    assert sum(r.get("duration_s", 0) < 0 for r in records) == kinds["negative duration"]
    backwards = [r for r in records if "started_at" in r and "ended_at" in r and r["started_at"] > r["ended_at"]]
    assert len(backwards) == kinds["ended before it started"]
    assert sum(r["status"] == "OOMKilled" for r in records) == kinds["unknown status word"]
    assert sum("run_id" not in r for r in records) == kinds["no run_id"]
    edges = [line.split(",") for line in files["task_edges.csv"]]
    assert sum(task == parent for _, task, parent in edges) == kinds["self-dependency"]
    of_bad_runs = sum(r.get("run_id") in BAD_RUNS for r in records) + sum(edge[0] in BAD_RUNS for edge in edges)
    assert of_bad_runs == kinds["dependency on a missing task"] + kinds["dependency cycle"]


def test_events_come_out_of_order_and_in_pieces(files: dict[str, list[str]], observed: Trace) -> None:
    weeks = [[json.loads(x) for x in each if x.endswith("}")] for name, each in files.items() if name.startswith("events")]
    late = sum(b["event_at"] < a["event_at"] for week in weeks for a, b in pairwise(week))
    assert late > 200
    per_attempt = Counter(
        (r["run_id"], r["task_id"], r.get("attempt", 1)) for week in weeks for r in week if "task_id" in r and "run_id" in r
    )
    assert Counter(per_attempt.values())[2] > 0.3 * observed.task_runs.height


def test_events_fold_to_the_observed_trace(files: dict[str, list[str]], observed: Trace) -> None:
    """A naive fold in event order gives the instants of the truth back, so the log has lost nothing."""
    records = [json.loads(x) for name, each in files.items() if name.startswith("events") for x in each if x.endswith("}")]
    folded: dict[tuple[str, str, int], dict[str, object]] = {}
    for r in sorted(records, key=lambda r: r["event_at"]):
        if r["table"] == "task_runs" and r.get("task_id") != "x1" and r.get("run_id") not in BAD_RUNS:
            folded.setdefault((r["run_id"], r["task_id"], r.get("attempt", 1)), {}).update(r)
    rows = {(r["run_id"], r["task_id"], r["attempt"]): r for r in observed.task_runs.iter_rows(named=True)}
    assert folded.keys() == rows.keys()
    for key, row in rows.items():
        for name in ("queued_at", "started_at", "ended_at"):
            text = row[name] and row[name].isoformat(timespec="milliseconds") + "Z"
            assert folded[key].get(name) == text, (key, name)
        for name in ("task_type", "framework", "gpus", "cpu_cores", "read_bytes", "written_bytes", "pool", "error"):
            assert folded[key].get(name) == row[name], (key, name)

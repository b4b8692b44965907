"""What ingesting costs: 1M native JSONL task rows against DuckDB's bare typed read of the same file, in turns.

    python benchmarks/ingest.py [--rows 1000000] [--repeats 3]

Each measurement is a process of its own, so that peak memory is its own as well. Quote the medians and the ratio.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TYPES = {
    "run_id": "VARCHAR", "task_id": "VARCHAR", "attempt": "INTEGER", "task_name": "VARCHAR", "task_type": "VARCHAR",
    "framework": "VARCHAR", "status": "VARCHAR", "queued_at": "TIMESTAMP", "started_at": "TIMESTAMP", "ended_at": "TIMESTAMP",
    "cpu_cores": "DOUBLE", "gpus": "DOUBLE", "memory_bytes": "BIGINT", "read_bytes": "BIGINT", "pool": "VARCHAR",
}  # fmt: skip


def write_log(path: Path, rows: int) -> None:
    """Write task rows with the columns of `TYPES`, three tasks a run."""
    with path.open("w") as file:
        for i in range(rows):
            minute, second = i // 60 % 60, i % 60
            row = {
                "run_id": f"run-{i // 3}", "task_id": f"t{i % 3}", "attempt": 1,
                "task_name": "train-model", "task_type": "train", "framework": "tensorflow", "status": "SUCCEEDED",
                "queued_at": f"2026-01-01T00:{minute:02}:{second:02}.123456Z",
                "started_at": f"2026-01-01T01:{minute:02}:{second:02}Z", "ended_at": f"2026-01-01T02:{minute:02}:{second:02}Z",
                "cpu_cores": 4.0, "gpus": 1.0, "memory_bytes": i * 1000, "read_bytes": i * 77, "pool": "training",
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")


def bare_read(log: Path) -> None:
    """Read the file into a typed DuckDB table, unchecked."""
    import duckdb

    con = duckdb.connect()
    begun = time.perf_counter()
    con.execute(
        f"CREATE TABLE t AS SELECT * FROM read_json('{log}', format = 'newline_delimited', columns = {TYPES})"
    ).fetchall()
    _tell(begun)


def full_ingest(log: Path) -> None:
    """Ingest the file into a fresh home folder: read losslessly, typed, validated, folded, stored."""
    from pipesim.ingest import find_source, ingest
    from pipesim.lake import Lake

    with tempfile.TemporaryDirectory(dir=log.parent) as home:
        lake = Lake(Path(home))
        begun = time.perf_counter()
        report = ingest(lake, [log], find_source("native"))
        _tell(begun)
        again = time.perf_counter()
        ingest(lake, [log], find_source("native"))
        print(json.dumps({"valid": report.as_dict()["valid"], "again_s": time.perf_counter() - again}))


def _tell(begun: float) -> None:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - begun, "cpu_s": time.process_time(), "peak_mb": peak_mb}))


def main() -> None:
    """Run both in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        {"bare": bare_read, "ingest": full_ingest}[options.only[0]](Path(options.only[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "tasks.jsonl"
        write_log(log, options.rows)
        figures: dict[str, list[dict[str, float]]] = {"bare": [], "ingest": []}
        for _ in range(options.repeats):
            for name, found in figures.items():
                command = [sys.executable, __file__, "--only", name, str(log)]
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found.append({k: v for line in out.splitlines() for k, v in json.loads(line).items()})
        print(f"{options.rows:,} rows, {log.stat().st_size / 1e6:.0f} MB, median of {options.repeats}")
        for name, found in figures.items():
            median = {key: statistics.median(f[key] for f in found) for key in found[0]}
            print(f"{name:<8}" + "  ".join(f"{key} {value:,.2f}" for key, value in median.items()))
        ratios = [a["seconds"] / b["seconds"] for a, b in zip(figures["ingest"], figures["bare"], strict=True)]
        print(f"ingest / bare typed read: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()

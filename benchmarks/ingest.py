"""What ingesting costs: a log of task rows beside DuckDB's bare typed read of the same files, in turns.

    python benchmarks/ingest.py [--rows 1000000] [--repeats 3] [--kinds jsonl csv ...]

The kinds are one file of JSON lines or CSV, plain or compressed with gzip, one Parquet file, and a folder of 10,000 JSON files
of as many lines each as make up the rows (one for 10,000 rows). Each measurement is a process of its own, so that peak memory
is its own as well; `again` is the time of a second ingest of the same files, which have not changed. Quote medians and ratios.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

TYPES = {
    "run_id": "VARCHAR", "task_id": "VARCHAR", "attempt": "INTEGER", "task_name": "VARCHAR", "task_type": "VARCHAR",
    "framework": "VARCHAR", "status": "VARCHAR", "queued_at": "TIMESTAMP", "started_at": "TIMESTAMP", "ended_at": "TIMESTAMP",
    "cpu_cores": "DOUBLE", "gpus": "DOUBLE", "memory_bytes": "BIGINT", "read_bytes": "BIGINT", "pool": "VARCHAR",
}  # fmt: skip
KINDS = ("jsonl", "csv", "jsonl.gz", "csv.gz", "parquet", "folder")
FOLDER_FILES = 10_000


def task_rows(rows: int) -> Iterator[dict[str, object]]:
    """Yield task rows with the columns of `TYPES`, three tasks a run."""
    for i in range(rows):
        minute, second = i // 60 % 60, i % 60
        yield {
            "run_id": f"run-{i // 3}", "task_id": f"t{i % 3}", "attempt": 1,
            "task_name": "train-model", "task_type": "train", "framework": "tensorflow", "status": "SUCCEEDED",
            "queued_at": f"2026-01-01T00:{minute:02}:{second:02}.123456Z",
            "started_at": f"2026-01-01T01:{minute:02}:{second:02}Z", "ended_at": f"2026-01-01T02:{minute:02}:{second:02}Z",
            "cpu_cores": 4.0, "gpus": 1.0, "memory_bytes": i * 1000, "read_bytes": i * 77, "pool": "training",
        }  # fmt: skip


def write_logs(folder: Path, rows: int, kinds: list[str]) -> dict[str, Path]:
    """Write the log once in every kind that is asked for."""
    found = {kind: folder / ("many" if kind == "folder" else f"tasks.{kind}") for kind in kinds}
    if plain := {kind.removesuffix(".gz") for kind in kinds} & {"jsonl", "csv"} | ({"jsonl"} if "parquet" in kinds else set()):
        _write_plain(folder, rows, plain)
    for kind in {"jsonl.gz", "csv.gz"} & set(kinds):
        with (folder / f"tasks.{kind}".removesuffix(".gz")).open("rb") as source, gzip.open(found[kind], "wb", 6) as target:
            shutil.copyfileobj(source, target, 1 << 20)
    if "parquet" in kinds:
        import duckdb

        duckdb.sql(f"COPY ({_typed_read(folder / 'tasks.jsonl')}) TO '{found['parquet']}' (FORMAT parquet)")
    if "folder" in kinds:
        found["folder"].mkdir()
        step = max(1, rows // FOLDER_FILES)
        lines = (json.dumps(row) + "\n" for row in task_rows(min(rows, step * FOLDER_FILES)))
        for number in range(FOLDER_FILES):
            (found["folder"] / f"{number}.jsonl").write_text("".join(islice(lines, step)))
    return found


def _write_plain(folder: Path, rows: int, kinds: set[str]) -> None:
    with (folder / "tasks.jsonl").open("w") as lines, (folder / "tasks.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, list(TYPES), lineterminator="\n")
        writer.writeheader()
        for row in task_rows(rows):
            if "jsonl" in kinds:
                lines.write(json.dumps(row) + "\n")
            if "csv" in kinds:
                writer.writerow(row)


def _typed_read(log: Path) -> str:
    path = log / "*.jsonl" if log.is_dir() else log
    if log.suffix == ".parquet":
        return f"SELECT * FROM read_parquet('{path}')"
    if ".csv" in log.suffixes:
        return f"SELECT * FROM read_csv('{path}', header = true, columns = {TYPES})"
    return f"SELECT * FROM read_json('{path}', format = 'newline_delimited', columns = {TYPES})"


def bare_read(log: Path) -> None:
    """Read the log into a typed DuckDB table, unchecked."""
    import duckdb

    con = duckdb.connect()
    begun = time.perf_counter()
    con.execute(f"CREATE TABLE t AS {_typed_read(log)}").fetchall()
    _tell(begun)


def full_ingest(log: Path) -> None:
    """Ingest the log into a fresh home folder: read losslessly, typed, validated, folded, stored."""
    from pipesim.ingest import find_source, ingest
    from pipesim.lake import Lake

    with tempfile.TemporaryDirectory(dir=log.parent) as home:
        lake = Lake(Path(home))
        begun = time.perf_counter()
        report = ingest(lake, [log], find_source("native"))
        _tell(begun)
        again = time.perf_counter()
        ingest(lake, [log], find_source("native"))
        print(json.dumps({"again": time.perf_counter() - again, "valid": report.as_dict()["valid"]}))


def _tell(begun: float) -> None:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - begun, "cpu": time.process_time(), "peak_mb": peak_mb}))


def _measured(name: str, log: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--only", name, str(log)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {key: value for line in out.splitlines() for key, value in json.loads(line).items()}


def main() -> None:
    """Run both in turns on every kind and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        {"bare": bare_read, "ingest": full_ingest}[options.only[0]](Path(options.only[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        logs = write_logs(Path(folder), options.rows, options.kinds)
        print(f"{options.rows:,} rows, medians of {options.repeats}; seconds, peak in MB")
        print(f"{'kind':<10}{'bare':>8}{'ingest':>8}{'ratio':>7}{'from':>7}{'to':>7}{'again':>8}{'bare peak':>11}{'peak':>8}")
        for kind, log in logs.items():
            pairs = [(_measured("bare", log), _measured("ingest", log)) for _ in range(options.repeats)]
            ratios = [ours["seconds"] / bare["seconds"] for bare, ours in pairs]
            bare_s, bare_mb = (statistics.median(bare[key] for bare, _ in pairs) for key in ("seconds", "peak_mb"))
            seconds, again, peak = (
                statistics.median(ours[key] for _, ours in pairs) for key in ("seconds", "again", "peak_mb")
            )
            print(
                f"{kind:<10}{bare_s:>8.2f}{seconds:>8.2f}{statistics.median(ratios):>7.2f}{min(ratios):>7.2f}{max(ratios):>7.2f}"
                f"{again:>8.2f}{bare_mb:>11.0f}{peak:>8.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""A small trace of awkward rows, and where variants of it stand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

MONDAY = datetime(2026, 3, 2)
HORIZON = MONDAY + timedelta(days=1, hours=6)
Rows = list[dict[str, Any]]
Tables = dict[str, Rows]


def at(days: int, hours: int, minutes: float = 0) -> datetime:
    return MONDAY + timedelta(days=days, hours=hours, minutes=minutes)


def run(run_id: str, tenant: str | None, status: str, submitted: datetime | None, ended: datetime | None) -> dict[str, Any]:
    return {
        "run_id": run_id, "pipeline_name": "p", "tenant": tenant, "status": status, "raw_status": status,
        "submitted_at": submitted, "ended_at": ended, "observed_until": HORIZON, "time_basis": "utc",
    }  # fmt: skip


def task(run_id: str, task_id: str, attempt: int, kind: str | None, status: str, **given: Any) -> dict[str, Any]:
    blank = dict.fromkeys(
        ("framework", "queued_at", "started_at", "ended_at", "duration_s", "pool", "cpu_cores", "gpus", "gpu_type",
         "memory_bytes", "read_bytes", "written_bytes")
    )  # fmt: skip
    names = {"run_id": run_id, "task_id": task_id, "attempt": attempt, "task_name": task_id, "task_type": kind}
    return {**blank, **names, "status": status, "raw_status": status, "is_censored": False, **given}


def capacity(pool: str, since: datetime, **given: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("gpus", "gpu_type", "cpu_cores", "memory_bytes", "slots"))
    return {"pool": pool, "valid_from": since, "valid_to": None, "kind": pool, **blank, **given}


def moved(run_id: str, task_id: str, attempt: int, way: str, asset: str, version: str, size: int | None) -> dict[str, Any]:
    return {
        "run_id": run_id, "task_id": task_id, "attempt": attempt, "direction": way, "asset_id": asset, "version": version,
        "size_bytes": size, "row_count": None if size is None else size // 10,
    }  # fmt: skip


def handmade(variant: int) -> Tables:
    """A trace of awkward rows; the variant delays one attempt by as many minutes."""
    late = timedelta(minutes=variant)
    gpu, cpu = {"pool": "gpu"}, {"pool": "cpu"}
    return {
        "pipeline_runs": [
            run("A", "x", "SUCCEEDED", at(0, 0, 10), at(0, 3)),
            run("B", None, "FAILED", at(0, 23, 30), at(1, 1, 15)),
            run("C", "x", "RUNNING", at(1, 2), None),
            run("D", "y'; DROP TABLE x --", "UNKNOWN", None, None),
            run("E", "x", "CANCELLED", at(0, 0, 20), at(0, 0, 20)),
            # In the week before; one on the stroke of an hour, one of a tenant without any task.
            run("F", "x", "SUCCEEDED", at(-3, 22), at(-3, 23)),
            run("H", "idle", "TIMEOUT", at(-3, 23, 59), at(-3, 23, 59)),
            run("M", None, "NODE_FAIL", at(-7, 0, 5), at(-7, 2)),
            run("P", "idle", "PENDING", at(1, 4), None),
        ],
        "task_runs": [
            # Zero wait and zero duration.
            task("A", "p", 1, "preprocess", "SUCCEEDED", queued_at=at(0, 0, 10), started_at=at(0, 0, 10),
                 ended_at=at(0, 0, 10), cpu_cores=2.0, read_bytes=100, written_bytes=7, **cpu),
            # A failed attempt and its retry, over several hours.
            task("A", "t", 1, "train", "FAILED", framework="TensorFlow", queued_at=at(0, 0, 10),
                 started_at=at(0, 0, 40) + late, ended_at=at(0, 1, 20) + late, duration_s=2400.0, is_censored=True, gpus=2.0,
                 memory_bytes=10, **gpu),
            task("A", "t", 2, "train", "SUCCEEDED", framework="TensorFlow", queued_at=at(0, 1, 20) + late,
                 started_at=at(0, 1, 20) + late, ended_at=at(0, 3), gpus=2.0, written_bytes=50, **gpu),
            # Over midnight.
            task("B", "p", 1, "preprocess", "SUCCEEDED", queued_at=at(0, 23, 30), started_at=at(0, 23, 45),
                 ended_at=at(1, 0, 30), cpu_cores=3.0, **cpu),
            # A third of a GPU of a type without a price, ending inside the hour on whose stroke it starts.
            task("B", "t", 1, "train", "TIMEOUT", framework="PyTorch", queued_at=at(1, 0, 30), started_at=at(1, 1),
                 ended_at=at(1, 1, 15), duration_s=901.5, gpus=1 / 3, gpu_type="H900", **gpu),
            # Still running, running and said to last beyond the end of the log, still waiting, cancelled and skipped while
            # waiting.
            task("C", "t", 1, "train", "RUNNING", queued_at=at(1, 2), started_at=at(1, 2, 30), is_censored=True, gpus=4.0,
                 **gpu),
            task("C", "z", 1, "train", "RUNNING", queued_at=at(1, 5), started_at=at(1, 5), is_censored=True, gpus=0.0,
                 duration_s=7200.0, cpu_cores=1.0, **cpu),
            task("C", "w", 1, "evaluate", "PENDING", queued_at=at(1, 3), is_censored=True, duration_s=60.0, **cpu),
            task("C", "x", 1, "deploy", "CANCELLED", queued_at=at(1, 3, 10), ended_at=at(1, 3, 40), **cpu),
            task("C", "y", 1, "deploy", "SKIPPED", queued_at=at(1, 4), ended_at=at(1, 4, 30), **cpu),
            # Queued, but never said to have started; no pool, no type.
            task("D", "u", 1, None, "UNKNOWN", queued_at=at(1, 5), duration_s=77.0),
            # From stroke to stroke, twice the same.
            *(
                task("F", twin, 1, "train", "SUCCEEDED", framework="PyTorch", queued_at=at(-3, 22), started_at=at(-3, 22),
                     ended_at=at(-3, 23), duration_s=3600.0, gpus=1.0, gpu_type="v100", memory_bytes=3 * 2**30, **gpu)
                for twin in ("t1", "t2")
            ),
            # Lost with its node, in a pool of two types of GPU, and tried again as something else and without any instant.
            task("F", "n", 1, "other", "NODE_FAIL", framework="MXNet", queued_at=at(-3, 22), started_at=at(-3, 22, 10),
                 ended_at=at(-3, 22, 40), is_censored=True, gpus=2.0, pool="mixed"),
            task("F", "n", 2, "train", "SUCCEEDED", framework="PyTorch", duration_s=600.0, gpus=2.0, read_bytes=11, **gpu),
            # Two attempts of different kind, both with all their instants.
            task("F", "k", 1, "compress", "CANCELLED", framework="MXNet", queued_at=at(-3, 22), started_at=at(-3, 22, 5),
                 ended_at=at(-3, 22, 15), is_censored=True, gpus=1.0, cpu_cores=8.0, memory_bytes=2**31, **gpu),
            task("F", "k", 2, "harden", "SUCCEEDED", framework="PyTorch", queued_at=at(-3, 22, 15), started_at=at(-3, 22, 20),
                 ended_at=at(-3, 22, 50), cpu_cores=8.0, **cpu),
            # Started but never ended, only its duration is known; skipped; and of a run that the log does not have.
            task("F", "e", 1, "evaluate", "SUCCEEDED", queued_at=at(-3, 22), started_at=at(-3, 22, 20), duration_s=240.0,
                 cpu_cores=0.5, **cpu),
            task("F", "s", 1, "deploy", "SKIPPED", duration_s=5.0),
            task("G", "o", 1, "other", "SUCCEEDED", duration_s=30.0, cpu_cores=1.0),
            # At the same hours of the week as A, in a pool that nobody names.
            task("M", "t", 1, "train", "NODE_FAIL", queued_at=at(-7, 0, 10), started_at=at(-7, 0, 50), ended_at=at(-7, 2),
                 gpus=1.0),
            task("M", "u", 1, "train", "CANCELLED", queued_at=at(-7, 0, 15), ended_at=at(-7, 0, 30), **gpu),
        ],
        "pools": [
            capacity("gpu", at(-1, 0), gpus=4.0, gpu_type="T4"),
            # The pool grows in the middle of an hour, and the log does not close the old capacity.
            capacity("gpu", at(1, 0, 30), gpus=8.0, gpu_type="T4", memory_bytes=2**33),
            capacity("cpu", at(-1, 0), cpu_cores=4.0, slots=2),
            capacity("mixed", at(-1, 0), gpus=2.0, gpu_type="T4"),
            capacity("mixed", at(0, 0), gpus=2.0, gpu_type="V100"),
        ],
        "task_io": [
            moved("A", "p", 1, "read", "raw", "1", 100),
            moved("A", "t", 1, "read", "raw", "1", None),
            moved("A", "t", 2, "write", "model", "1", 50),
            moved("F", "t1", 1, "read", "raw", "2", 30),
        ],
    }  # fmt: skip


def without_instants(tables: Tables) -> Tables:
    """The trace as a synthetic one tells it: submissions and durations, but no instants of its tasks and no ends."""
    blank = dict.fromkeys(("queued_at", "started_at", "ended_at"))
    return {
        **tables,
        "pipeline_runs": [{**row, "ended_at": None} for row in tables["pipeline_runs"]],
        "task_runs": [{**row, **blank} for row in tables["task_runs"]],
        "pools": [],
    }


Identity = tuple[str, str, int]
#: What stands under which origin, trace and replication. The scenarios share only two replications.
STORED: dict[Identity, Tables] = {
    ("observed", "observed", 0): handmade(0),
    ("synthetic", "syn-1", 0): handmade(0),
    ("synthetic", "syn-2", 0): without_instants(handmade(0)),
    ("simulated", "fifo", 0): handmade(0),
    ("simulated", "fifo", 1): handmade(7),
    ("simulated", "fifo", 2): handmade(8),
    ("simulated", "sjf", 0): handmade(25),
    ("simulated", "sjf", 1): handmade(95),
    ("simulated", "sjf", 3): handmade(3),
}

#: Rates unlike the shipped ones, which are there to be edited: (resource, type): price, watts, whether assumed.
RATES: dict[tuple[str, str | None], tuple[float, float, bool]] = {
    ("gpu", "T4"): (0.5, 70.0, False),
    ("gpu", "V100"): (2.0, 300.0, False),
    ("gpu", None): (10.0, 1000.0, True),
    ("cpu_core", None): (0.03, 4.0, True),
    ("memory_gib", None): (0.004, 0.4, True),
}

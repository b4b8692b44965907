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


def run(
    run_id: str, tenant: str | None, status: str, submitted: datetime | None, ended: datetime | None, **given: Any
) -> dict[str, Any]:
    return {
        "run_id": run_id, "pipeline_name": "p", "tenant": tenant, "status": status, "raw_status": status,
        "submitted_at": submitted, "ended_at": ended, "observed_until": HORIZON, "time_basis": "utc",
        "trigger": None, "parent_run_id": None, **given,
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


def trained(model: str, version: str, run_id: str | None, **given: Any) -> dict[str, Any]:
    blank = dict.fromkeys(("framework", "size_bytes", "created_at", "deployed_at", "retired_at"))
    return {"model_id": model, "version": version, "produced_by_run_id": run_id, **blank, **given}


def metric(
    model: str, version: str, phase: str, name: str, step: int, measured: datetime, value: float | None
) -> dict[str, Any]:
    return {
        "model_id": model, "version": version, "metric": name, "phase": phase, "step": step, "measured_at": measured,
        "value": value,
    }  # fmt: skip


def looks(model: str, version: str, *seen: tuple[datetime, float | None]) -> Rows:
    """Live measurements of performance, in the order of their steps."""
    return [metric(model, version, "live", "performance", step, *one) for step, one in enumerate(seen)]


def exactly(model: str, version: str, measured: datetime, **told: float | None) -> Rows:
    """What only a simulation knows of a version's time in production."""
    return [metric(model, version, "live", name, 0, measured, value) for name, value in told.items()]


def handmade(variant: int) -> Tables:
    """A trace of awkward rows; the variant delays one attempt by as many minutes."""
    late = timedelta(minutes=variant)
    gpu, cpu = {"pool": "gpu"}, {"pool": "cpu"}
    return {
        "pipeline_runs": [
            run("A", "x", "SUCCEEDED", at(0, 0, 10), at(0, 3), trigger="manual"),
            run("B", None, "FAILED", at(0, 23, 30), at(1, 1, 15), trigger="schedule"),
            run("C", "x", "RUNNING", at(1, 2), None),
            run("D", "y'; DROP TABLE x --", "UNKNOWN", None, None),
            run("E", "x", "CANCELLED", at(0, 0, 20), at(0, 0, 20)),
            # In the week before; one on the stroke of an hour, one of a tenant without any task.
            run("F", "x", "SUCCEEDED", at(-3, 22), at(-3, 23)),
            run("H", "idle", "TIMEOUT", at(-3, 23, 59), at(-3, 23, 59)),
            run("M", None, "NODE_FAIL", at(-7, 0, 5), at(-7, 2)),
            run("P", "idle", "PENDING", at(1, 4), None),
            # Retraining: at the instant of a look at the model; one that failed after training, at the instant at which
            # another version went live; one of a model whose two versions have just gone live at once. Without a task: after
            # two looks at one instant; of a model whose only version was just retired, of one that never had any, and one
            # submitted who knows when.
            run("retrain-p-1", "x", "SUCCEEDED", at(0, 5), at(0, 9), trigger="drift", parent_run_id="A"),
            run("retrain-p-2", "x", "FAILED", at(0, 9), at(0, 12), trigger="schedule", parent_run_id="retrain-p-1"),
            run("R", None, "CANCELLED", at(0, 12), at(0, 13), trigger="data", pipeline_name="twin"),
            run("V", "x", "FAILED", at(0, 7), at(0, 7, 30), trigger="staleness"),
            run("S", None, "PENDING", at(0, 14), None, trigger="staleness", pipeline_name="solo"),
            run("T", "x", "UNKNOWN", at(0, 15), None, trigger="data", pipeline_name="unborn"),
            run("U", "x", "UNKNOWN", None, None, trigger="data"),
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
            # Retraining, with a retry, and with one attempt of which no time is known.
            task("retrain-p-1", "t", 1, "train", "NODE_FAIL", framework="PyTorch", queued_at=at(0, 5), started_at=at(0, 5, 30),
                 ended_at=at(0, 6), is_censored=True, gpus=1.0, memory_bytes=2**31, **gpu),
            task("retrain-p-1", "t", 2, "train", "SUCCEEDED", framework="PyTorch", queued_at=at(0, 6),
                 started_at=at(0, 6) + late, ended_at=at(0, 8) + late, gpus=1.0, memory_bytes=2**31, **gpu),
            task("retrain-p-1", "d", 1, "deploy", "SUCCEEDED", queued_at=at(0, 8) + late, cpu_cores=1.0, **cpu),
            task("retrain-p-2", "t", 1, "train", "SUCCEEDED", framework="PyTorch", queued_at=at(0, 9), started_at=at(0, 9, 15),
                 ended_at=at(0, 11), gpus=2.0, gpu_type="V100", **gpu),
            task("retrain-p-2", "e", 1, "evaluate", "FAILED", queued_at=at(0, 11), started_at=at(0, 11), ended_at=at(0, 12),
                 cpu_cores=2.0, **cpu),
            task("R", "t", 1, "train", "CANCELLED", queued_at=at(0, 12), ended_at=at(0, 13), gpus=1.0, **gpu),
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
        "models": [
            # Live from the beginning, one of which the log does not say when it went live, one that says all, and one that the
            # gate kept from going live.
            trained("p", "0", None, deployed_at=at(-7, 0)),
            trained("p", "1", "A", framework="TensorFlow", created_at=at(0, 2), size_bytes=50),
            trained("p", "2", "retrain-p-1", framework="PyTorch", created_at=at(0, 8) + late, deployed_at=at(0, 9)),
            trained("p", "3", "retrain-p-2", framework="PyTorch", created_at=at(0, 11)),
            # Two that went live at once, of one user's run; the greater number is the later, whatever the order of the words.
            trained("twin", "9", "F", created_at=at(-3, 22, 50), deployed_at=at(0, 12)),
            trained("twin", "10", "F", created_at=at(-3, 22, 50)),
            # Of a run that the log does not have; retired, without any other in its place. The seconds that count are told.
            trained("solo", "v1", "gone", deployed_at=at(0, 0), retired_at=at(0, 14)),
            # Retired before any time counted; and measured only after it was retired.
            trained("warm", "1", None, deployed_at=at(0, 0), retired_at=at(0, 1)),
            trained("warm", "2", None, retired_at=at(0, 2)),
            # In production, but never measured there.
            trained("dark", "1", "B", deployed_at=at(1, 0)),
            trained("early", "1", "B", deployed_at=at(1, 0)),
            # Two versions of one retraining.
            trained("twin", "12", "R", created_at=at(0, 12, 40)),
            trained("twin", "11", "R", created_at=at(0, 12, 20)),
        ],
        "model_metrics": [
            # Before it went live, without a value, and after its place was taken.
            *looks("p", "0", (at(-8, 0), 0.9), (at(-7, 0, -1), 0.85), (at(-6, 0), None), (at(-1, 0), 0.7), (at(0, 4), 0.1)),
            metric("p", "1", "static", "performance", 0, at(0, 2, 10), 0.8),
            metric("p", "1", "static", "performance", 1, at(0, 2, 50), 0.78),
            metric("p", "1", "static", "size_bytes", 1, at(0, 2, 50), 25.0),
            metric("p", "1", "static", "robustness", 0, at(0, 2, 10), 0.5),
            metric("p", "1", "static", "robustness", 1, at(0, 2, 50), None),
            metric("p", "1", "static", "fairness", 0, at(0, 2, 10), 0.125),
            # The last two at one instant.
            *looks("p", "1", (at(0, 3), 0.78), (at(0, 4), 0.75), (at(0, 5), 0.7), (at(0, 6), 0.69), (at(0, 6), 0.68)),
            metric("p", "2", "static", "latency_ms", 0, at(0, 8, 30), 12.5),
            # Measured beyond the end of the log.
            *looks("p", "2", (at(0, 9), 0.82 - variant / 1000), (at(0, 12), None), (at(1, 0), 0.8), (at(1, 7), 0.79)),
            metric("p", "3", "static", "performance", 0, at(0, 11), 0.3),
            *looks("twin", "9", (at(0, 12), 0.5)),
            *looks("twin", "10", (at(0, 12), 0.6), (at(0, 18), 0.55)),
            *looks("solo", "v1", (at(0, 0), 0.9)),
            *exactly("solo", "v1", at(0, 14), mean_performance=0.625, live_s=10_000.0, below_objective_s=2500.0),
            *looks("warm", "1", (at(0, 0), 0.4)),
            *exactly("warm", "1", at(0, 1), mean_performance=None, live_s=0.0, below_objective_s=0.0),
            *looks("warm", "2", (at(0, 3), 0.2)),
            *looks("early", "1", (at(0, 23), 0.35)),
            # A version that is nowhere but here.
            *looks("found", "1", (at(0, 20), 0.45)),
        ],
    }  # fmt: skip


def untended(tables: Tables) -> Tables:
    """The trace of a platform without a lifecycle: no models, and nothing trains them again."""
    again = {r["run_id"] for r in tables["pipeline_runs"] if r["trigger"] not in (None, "manual", "api")} - {"B"}
    kept = {name: [row for row in tables[name] if row["run_id"] not in again] for name in ("pipeline_runs", "task_runs")}
    return {**tables, **kept, "models": [], "model_metrics": []}


def tended(variant: int, retrainings: int, gain: float, objective: bool = True) -> Tables:
    """A morning of a scenario that has one model trained again so many times, each for a gain of performance."""
    runs = [run("a", "x", "SUCCEEDED", at(1, 0), at(1, 2)), run("b", None, "SUCCEEDED", at(1, 3), at(1, 5))]
    tasks = [
        task(r["run_id"], "t", 1, "train", "SUCCEEDED", queued_at=r["submitted_at"], ended_at=r["ended_at"], pool="gpu",
             started_at=r["submitted_at"] + timedelta(minutes=10 * retrainings + variant), duration_s=4800.0, gpus=1.0)
        for r in runs
    ]  # fmt: skip
    versions = [trained("m", "0", None, deployed_at=at(1, 0))]
    half = timedelta(minutes=30)
    for i in range(1, retrainings + 1):
        name, begin = f"retrain-m-{i}", at(1, i)
        runs.append(run(name, "x", "SUCCEEDED", begin, begin + half, trigger="drift", pipeline_name="m"))
        tasks.append(
            task(name, "t", 1, "train", "SUCCEEDED", queued_at=begin, started_at=begin, ended_at=begin + half, pool="gpu",
                 duration_s=1800.0, gpus=2.0 + variant / 10, gpu_type="T4")
        )  # fmt: skip
        versions[-1]["retired_at"] = begin + half
        versions.append(trained("m", str(i), name, created_at=begin, deployed_at=begin + half))
    metrics = []
    for i, version in enumerate(versions):
        value, until = 0.7 + i * gain - variant / 1000, version["retired_at"] or HORIZON
        told = {"mean_performance": value - 0.01, "live_s": (until - version["deployed_at"]) / timedelta(seconds=1)}
        below = {"below_objective_s": told["live_s"] / (2 + i + variant)} if objective else {}
        metrics += looks("m", version["version"], (version["deployed_at"], value))
        metrics += exactly("m", version["version"], until, **told, **below)
    return {
        "pipeline_runs": runs, "task_runs": tasks, "pools": [], "task_io": [], "models": versions, "model_metrics": metrics,
    }  # fmt: skip


def without_instants(tables: Tables) -> Tables:
    """The trace as a synthetic one tells it: submissions and durations, but no instants of its tasks and no ends."""
    blank = dict.fromkeys(("queued_at", "started_at", "ended_at"))
    return {
        **tables,
        "pipeline_runs": [{**row, "ended_at": None} for row in tables["pipeline_runs"]],
        "task_runs": [{**row, **blank} for row in tables["task_runs"]],
        "pools": [], "models": [], "model_metrics": [],
    }  # fmt: skip


Identity = tuple[str, str, int]
#: What stands under which origin, trace and replication. The scenarios share only two replications.
STORED: dict[Identity, Tables] = {
    ("observed", "observed", 0): handmade(0),
    ("synthetic", "syn-1", 0): handmade(0),
    ("synthetic", "syn-2", 0): without_instants(handmade(0)),
    ("simulated", "fifo", 0): handmade(0),
    ("simulated", "fifo", 1): handmade(7),
    ("simulated", "fifo", 2): handmade(8),
    ("simulated", "sjf", 0): untended(handmade(25)),
    ("simulated", "sjf", 1): untended(handmade(95)),
    ("simulated", "sjf", 3): untended(handmade(3)),
    ("simulated", "never-retrain", 0): tended(0, 0, 0.0),
    ("simulated", "never-retrain", 1): tended(3, 0, 0.0),
    ("simulated", "never-retrain", 2): tended(5, 0, 0.0),
    ("simulated", "on-drift", 0): tended(1, 2, 0.05),
    ("simulated", "on-drift", 1): tended(2, 2, 0.05),
    ("simulated", "on-drift", 3): tended(9, 1, 0.05),
    ("simulated", "in-vain", 0): tended(0, 1, -0.05, objective=False),
    ("simulated", "in-vain", 1): tended(4, 1, -0.05, objective=False),
    ("simulated", "once", 0): tended(7, 3, 0.06),
}

#: Rates unlike the shipped ones, which are there to be edited: (resource, type): price, watts, whether assumed.
RATES: dict[tuple[str, str | None], tuple[float, float, bool]] = {
    ("gpu", "T4"): (0.5, 70.0, False),
    ("gpu", "V100"): (2.0, 300.0, False),
    ("gpu", None): (10.0, 1000.0, True),
    ("cpu_core", None): (0.03, 4.0, True),
    ("memory_gib", None): (0.004, 0.4, True),
}

#: Grams of CO2 a kWh, unlike the shipped figure.
CARBON = 125.0

"""How long things take, in plain Python: waits, completion times, and the summary of a trace."""

from __future__ import annotations

from tests.sql.handmade import Tables
from tests.sql.plain import (
    FAILED,
    Reference,
    Row,
    between,
    charged,
    distinct_tasks,
    grouped,
    known,
    mean,
    quantile,
    ratio,
    seconds,
    spread,
    submissions,
    total,
)  # fmt: skip
from tests.sql.plain_usage import held_resources

LEVELS = {
    "all": (), "task_type": ("task_type",), "framework": ("framework",), "tenant": ("tenant",), "pool": ("pool",),
    "task_type_framework": ("task_type", "framework"),
}  # fmt: skip


def by_level(rows: list[Row]) -> dict[tuple[str | None, ...], list[Row]]:
    out = {}
    for level, columns in LEVELS.items():
        for values, group in grouped(rows, *columns).items():
            told = dict(zip(columns, values, strict=True))
            out[(level, *(told.get(c) for c in ("task_type", "framework", "tenant", "pool")))] = group
    return out


def task_waits(t: Tables) -> Reference:
    out = {}
    for key, rows in by_level(charged(t)).items():
        waits = known(between(r, "queued_at", "started_at") for r in rows)
        counts = {"attempts": len(rows), "with_wait": len(waits), "without_wait": len(rows) - len(waits)}
        out[key] = {**counts, **spread(waits, "wait_s", 50, 90, 95, 99)}
    return out


def task_completion_times(t: Tables) -> Reference:
    tasks = []
    for attempts in grouped(charged(t), "run_id", "task_id").values():
        in_turn = sorted(attempts, key=lambda x: x["attempt"])
        queued = [x["queued_at"] for x in in_turn if x["queued_at"]]
        ended = [x["ended_at"] for x in in_turn]
        said = {
            c: next((x[c] for x in reversed(in_turn) if x[c] is not None), None) for c in ("task_type", "framework", "pool")
        }
        time = seconds(max(ended) - min(queued)) if queued and None not in ended else None
        tasks.append({"tenant": attempts[0]["tenant"], **said, "attempts": len(attempts), "time": time})
    out = {}
    for key, rows in by_level(tasks).items():
        times = known(r["time"] for r in rows)
        counts = {"tasks": len(rows), "with_time": len(times), "without_time": len(rows) - len(times)}
        out[key] = {
            **counts,
            "mean_attempts": mean([r["attempts"] for r in rows]),
            **spread(times, "completion_s", 50, 90, 95, 99),
        }
    return out


def wait_quantiles(t: Tables) -> Reference:
    waits = known(between(r, "queued_at", "started_at") for r in t["task_runs"])
    counts = {"with_wait": len(waits), "without_wait": len(t["task_runs"]) - len(waits)}
    return {(i / 200,): {"wait_s": quantile(waits, i / 200), **counts} for i in range(201) if waits}


def completion_quantiles(t: Tables) -> Reference:
    times = known(between(r, "submitted_at", "ended_at") for r in t["pipeline_runs"])
    counts = {"with_jct": len(times), "without_jct": len(t["pipeline_runs"]) - len(times)}
    return {(i / 200,): {"jct_s": quantile(times, i / 200), **counts} for i in range(201) if times}


def job_completion_times(t: Tables) -> Reference:
    order = ["preprocess", "train", "evaluate", "compress", "harden", "deploy", "other"]
    runs = []
    for run in t["pipeline_runs"]:
        kinds = {x["task_type"] for x in t["task_runs"] if x["run_id"] == run["run_id"]} - {None}
        runs.append({**run, "run_type": "+".join(sorted(kinds, key=order.index)) or None})
    groups = {("all", None, None): runs}
    groups |= {("tenant", tenant, None): rows for (tenant,), rows in grouped(runs, "tenant").items()}
    groups |= {("run_type", None, kind): rows for (kind,), rows in grouped(runs, "run_type").items()}
    groups |= {("tenant_run_type", *key): rows for key, rows in grouped(runs, "tenant", "run_type").items()}
    out = {}
    for key, rows in groups.items():
        times = known(between(r, "submitted_at", "ended_at") for r in rows)
        out[key] = {
            "runs": len(rows), "succeeded": sum(r["status"] == "SUCCEEDED" for r in rows),
            "failed": sum(r["status"] in FAILED for r in rows), "with_jct": len(times), "without_jct": len(rows) - len(times),
            **spread(times, "jct_s", 50, 90, 95, 99),
        }  # fmt: skip
    return out


def scenario_summary(t: Tables) -> Reference:
    runs, attempts = t["pipeline_runs"], t["task_runs"]
    waits = known(between(r, "queued_at", "started_at") for r in attempts)
    times = known(between(r, "submitted_at", "ended_at") for r in runs)
    jct = spread(times, "jct_s", 50, 95)
    first, last = min(submissions(t)), max((r["ended_at"] for r in (*runs, *attempts) if r["ended_at"]), default=None)
    return {
        (): {
            "runs": len(runs), "runs_succeeded": sum(r["status"] == "SUCCEEDED" for r in runs),
            "runs_failed": sum(r["status"] in FAILED for r in runs),
            "runs_unfinished": sum(r["status"] in ("PENDING", "RUNNING") for r in runs),
            "tasks": distinct_tasks(attempts), "attempts": len(attempts),
            "failed_attempts": sum(r["status"] in FAILED for r in attempts), "retries": sum(r["attempt"] > 1 for r in attempts),
            "with_wait": len(waits), "without_wait": len(attempts) - len(waits), **spread(waits, "wait_s", 50, 95, 99),
            "with_jct": len(times), "without_jct": len(runs) - len(times),
            **{name: jct[name] for name in ("mean_jct_s", "p50_jct_s", "p95_jct_s")},
            "first_submitted_at": first, "last_ended_at": last, "makespan_s": seconds(last - first) if last else None,
            "gpu_hours": total(x["gpu_hours"] for x in held_resources(t)),
        }
    }  # fmt: skip


def failed_fraction(t: Tables) -> float | None:
    decided = [x["status"] in FAILED for x in t["task_runs"] if x["status"] in (*FAILED, "SUCCEEDED")]
    return ratio(sum(decided), len(decided))

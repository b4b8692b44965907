"""What comes in, in plain Python: arrivals, mixes, outcomes, natural durations, drift."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from tests.sql.handmade import Tables
from tests.sql.plain import (
    FAILED,
    HOUR,
    Reference,
    Row,
    between,
    charged,
    distinct_tasks,
    floor_hour,
    grouped,
    known,
    mean,
    quantile,
    ratio,
    steps,
    submissions,
    total,
)  # fmt: skip


def arrivals_by_hour(t: Tables) -> Reference:
    hours = steps(floor_hour(min(submissions(t))), max(submissions(t)), HOUR)
    out = {}
    for hour in [*hours, None]:
        runs = [r for r in t["pipeline_runs"] if (r["submitted_at"] and floor_hour(r["submitted_at"])) == hour]
        ids = {r["run_id"] for r in runs}
        if hour or runs:
            out[(hour,)] = {"runs": len(runs), "tasks": distinct_tasks(x for x in t["task_runs"] if x["run_id"] in ids)}
    return out


def hour_of_week_profile(t: Tables) -> Reference:
    counts = defaultdict(list)
    hours = steps(floor_hour(min(submissions(t))), max(submissions(t)), HOUR)
    for hour in hours:
        counts[hour.weekday() * 24 + hour.hour].append(sum(floor_hour(s) == hour for s in submissions(t)))
    overall = len(submissions(t)) / len(hours)
    return {
        (h,): {
            "weekday": h // 24 + 1, "hour_of_day": h % 24, "hours": len(n), "runs": sum(n), "mean_runs": mean(n),
            "sd_runs": float(np.std(n, ddof=1)) if len(n) > 1 else None, "relative_rate": sum(n) / len(n) / overall,
        }
        for h, n in counts.items()
    }  # fmt: skip


def throughput(t: Tables) -> Reference:
    def day(instant: datetime | None) -> Any:
        return instant.date() if instant else None

    instants = [
        row[c]
        for rows in (t["pipeline_runs"], t["task_runs"])
        for row in rows
        for c in ("submitted_at", "ended_at")
        if row.get(c)
    ]
    out = {}
    for at in [*steps(min(instants).replace(hour=0, minute=0), max(instants), timedelta(days=1)), None]:
        runs = [r for r in t["pipeline_runs"] if day(r["ended_at"]) == day(at)]
        attempts = [x for x in t["task_runs"] if day(x["ended_at"]) == day(at)]
        submitted = sum(day(r["submitted_at"]) == day(at) for r in t["pipeline_runs"])
        if not (at or submitted or runs or attempts):
            continue
        out[(day(at),)] = {
            "runs_submitted": submitted,
            "runs_ended": len(runs), "runs_succeeded": sum(r["status"] == "SUCCEEDED" for r in runs),
            "attempts_ended": len(attempts), "tasks_succeeded": sum(x["status"] == "SUCCEEDED" for x in attempts),
        }  # fmt: skip
    return out


def failures(t: Tables) -> Reference:
    words = {
        "succeeded": ("SUCCEEDED",), "failed": FAILED, "cancelled": ("CANCELLED", "SKIPPED"),
        "unfinished": ("PENDING", "RUNNING"), "unknown": ("UNKNOWN",),
    }  # fmt: skip
    out = {}
    for key, rows in grouped(t["task_runs"], "task_type", "framework").items():
        counts = {name: sum(r["status"] in statuses for r in rows) for name, statuses in words.items()}
        out[key] = {
            "tasks": distinct_tasks(rows), "attempts": len(rows), **counts, "retries": sum(r["attempt"] > 1 for r in rows),
            "failure_fraction": ratio(counts["failed"], counts["succeeded"] + counts["failed"]),
        }  # fmt: skip
    return out


def framework_mix(t: Tables) -> Reference:
    totals = {
        kind[0]: distinct_tasks(r for r in rows if r["framework"])
        for kind, rows in grouped(t["task_runs"], "task_type").items()
    }
    return {
        (kind, framework): {"tasks": distinct_tasks(rows), "share": distinct_tasks(rows) / totals[kind] if framework else None}
        for (kind, framework), rows in grouped(t["task_runs"], "task_type", "framework").items()
    }


def natural(row: Row) -> float | None:
    return row["duration_s"] if row["duration_s"] is not None else between(row, "started_at", "ended_at")


def duration_quantiles(t: Tables) -> Reference:
    out: Reference = {}
    groups = {("all", None, None): t["task_runs"]}
    groups |= {("task_type", kind, None): rows for (kind,), rows in grouped(t["task_runs"], "task_type").items()}
    groups |= {("task_type_framework", *key): rows for key, rows in grouped(t["task_runs"], "task_type", "framework").items()}
    for key, rows in groups.items():
        whole = [r for r in rows if not r["is_censored"]]
        values = known(map(natural, whole))
        counts = {"durations": len(values), "censored": len(rows) - len(whole), "without_duration": len(whole) - len(values)}
        for probability in [i / 100 for i in range(101)] if values else [None]:
            value = quantile(values, probability) if probability is not None else None
            out[(*key, probability)] = {"duration_s": value, **counts}
    return out


def kolmogorov_smirnov(a: list[float], b: list[float]) -> float | None:
    if not a or not b:
        return None
    return max(abs(sum(v <= x for v in a) / len(a) - sum(v <= x for v in b) / len(b)) for x in [*a, *b])


def total_variation(a: list[Any], b: list[Any]) -> float | None:
    p, q = Counter(a), Counter(b)
    return sum(abs(p[k] / len(a) - q[k] / len(b)) for k in p | q) / 2 if a and b else None


def workload_drift(t: Tables) -> Reference:
    def monday(instant: datetime) -> date:
        return (instant - timedelta(days=instant.weekday())).date()

    hours = steps(floor_hour(min(submissions(t))), max(submissions(t)), HOUR)
    out: Reference = {}
    for week in sorted({monday(hour) for hour in hours}):
        weeks: list[dict[str, Any]] = [
            {
                "hours": sum(monday(h) == w for h in hours),
                "runs": [r for r in t["pipeline_runs"] if r["submitted_at"] and monday(r["submitted_at"]) == w],
                "attempts": [x for x in charged(t) if x["submitted_at"] and monday(x["submitted_at"]) == w],
            }
            for w in (week, week - timedelta(days=7))
        ]
        here, before = weeks
        exact, past = (known(natural(x) for x in w["attempts"] if not x["is_censored"]) for w in (here, before))
        n, m = len(exact), len(past)
        rate, earlier = len(here["runs"]) / here["hours"], ratio(len(before["runs"]), before["hours"])
        distance = kolmogorov_smirnov(exact, past)
        noise = 1.358 * math.sqrt((n + m) / (n * m)) if n and m else None
        sized = [(natural(x), x["gpus"]) for x in here["attempts"]]
        work = total(duration * round(gpus, 6) for duration, gpus in sized if duration is not None and gpus is not None)
        mixes: dict[str, list[list[Any]]] = {
            "work_distance": [[(x["task_type"], x["framework"]) for x in w["attempts"]] for w in (here, before)],
            "tenant_distance": [[r["tenant"] for r in w["runs"]] for w in (here, before)],
            "hour_of_day_distance": [[r["submitted_at"].hour for r in w["runs"]] for w in (here, before)],
        }
        out[(week,)] = {
            "hours": here["hours"], "runs": len(here["runs"]), "runs_per_hour": rate, "rate_ratio": ratio(rate, earlier),
            "offered_gpus": ratio(work, 3600 * here["hours"]), "durations": n, "p50_duration_s": quantile(exact, 0.5),
            "duration_distance": distance, "duration_noise": noise,
            "drifted": None if distance is None or noise is None else distance > noise,
            **{name: total_variation(*pair) for name, pair in mixes.items()},
        }  # fmt: skip
    return out

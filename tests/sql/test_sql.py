"""Every analytics query against the same figures computed in plain Python from the same rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pytest

from pipesim.analytics import Query, queries
from pipesim.lake import Lake

Tables = dict[str, list[dict[str, Any]]]
Reference = dict[tuple[Any, ...], dict[str, Any]]

IDENTITY = ["origin", "trace", "replication"]
HOUR = timedelta(hours=1)
FAILED = ("FAILED", "TIMEOUT", "NODE_FAIL")
SHIPPED = queries()


def seconds(span: timedelta) -> float:
    return span / timedelta(seconds=1)


def between(row: dict[str, Any], first: str, last: str) -> float | None:
    return None if row[first] is None or row[last] is None else seconds(row[last] - row[first])


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def quantile(values: list[float], probability: float) -> float | None:
    return float(np.quantile(values, probability)) if values else None


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def grouped(rows: Iterable[dict[str, Any]], *keys: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return dict(groups)


def floor_hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def steps(first: datetime, last: datetime, step: timedelta) -> list[datetime]:
    return [first + i * step for i in range((last - first) // step + 1)]


def distinct_tasks(rows: Iterable[dict[str, Any]]) -> int:
    return len({(row["run_id"], row["task_id"]) for row in rows})


def submissions(t: Tables) -> list[datetime]:
    return [r["submitted_at"] for r in t["pipeline_runs"] if r["submitted_at"]]


def arrivals_by_hour(t: Tables) -> Reference:
    hours = steps(floor_hour(min(submissions(t))), max(submissions(t)), HOUR)
    out = {}
    for hour in [*hours, None]:
        runs = [r for r in t["pipeline_runs"] if (r["submitted_at"] and floor_hour(r["submitted_at"])) == hour]
        ids = {r["run_id"] for r in runs}
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


def task_waits(t: Tables) -> Reference:
    out = {}
    for key, rows in grouped(t["task_runs"], "task_type", "framework", "pool").items():
        waits = known(between(r, "queued_at", "started_at") for r in rows)
        quantiles = {f"p{p}_wait_s": quantile(waits, p / 100) for p in (50, 90, 95, 99)}
        counts = {"attempts": len(rows), "with_wait": len(waits), "without_wait": len(rows) - len(waits)}
        out[key] = {**counts, "mean_wait_s": mean(waits), **quantiles, "max_wait_s": max(waits, default=None)}
    return out


def wait_quantiles(t: Tables) -> Reference:
    waits = known(between(r, "queued_at", "started_at") for r in t["task_runs"])
    counts = {"with_wait": len(waits), "without_wait": len(t["task_runs"]) - len(waits)}
    return {(i / 200,): {"wait_s": quantile(waits, i / 200), **counts} for i in range(201)}


def completion_quantiles(t: Tables) -> Reference:
    times = known(between(r, "submitted_at", "ended_at") for r in t["pipeline_runs"])
    counts = {"with_jct": len(times), "without_jct": len(t["pipeline_runs"]) - len(times)}
    return {(i / 200,): {"jct_s": quantile(times, i / 200), **counts} for i in range(201)}


def job_completion_times(t: Tables) -> Reference:
    order = ["preprocess", "train", "evaluate", "compress", "harden", "deploy", "other"]
    runs = []
    for run in t["pipeline_runs"]:
        kinds = {x["task_type"] for x in t["task_runs"] if x["run_id"] == run["run_id"]} - {None}
        runs.append({**run, "run_type": "+".join(sorted(kinds, key=order.index)) or None})
    out = {}
    for key, rows in grouped(runs, "tenant", "run_type").items():
        times = known(between(r, "submitted_at", "ended_at") for r in rows)
        out[key] = {
            "runs": len(rows), "succeeded": sum(r["status"] == "SUCCEEDED" for r in rows),
            "failed": sum(r["status"] in FAILED for r in rows), "with_jct": len(times), "without_jct": len(rows) - len(times),
            "mean_jct_s": mean(times), "max_jct_s": max(times, default=None),
            **{f"p{p}_jct_s": quantile(times, p / 100) for p in (50, 90, 95, 99)},
        }  # fmt: skip
    return out


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
    for date in [*steps(min(instants).replace(hour=0, minute=0), max(instants), timedelta(days=1)), None]:
        runs = [r for r in t["pipeline_runs"] if day(r["ended_at"]) == day(date)]
        attempts = [x for x in t["task_runs"] if day(x["ended_at"]) == day(date)]
        out[(day(date),)] = {
            "runs_submitted": sum(day(r["submitted_at"]) == day(date) for r in t["pipeline_runs"]),
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
        decided = counts["succeeded"] + counts["failed"]
        out[key] = {
            "tasks": distinct_tasks(rows), "attempts": len(rows), **counts, "retries": sum(r["attempt"] > 1 for r in rows),
            "failure_fraction": counts["failed"] / decided if decided else None,
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


def data_moved(t: Tables) -> Reference:
    tenants = {r["run_id"]: r["tenant"] for r in t["pipeline_runs"]}
    out = {}
    for key, rows in grouped(({**x, "tenant": tenants[x["run_id"]]} for x in t["task_runs"]), "tenant", "task_type").items():
        read, written = known(r["read_bytes"] for r in rows), known(r["written_bytes"] for r in rows)
        out[key] = {
            "attempts": len(rows), "with_read_bytes": len(read), "with_written_bytes": len(written),
            "read_bytes": sum(read) if read else None, "written_bytes": sum(written) if written else None,
        }  # fmt: skip
    return out


def duration_quantiles(t: Tables) -> Reference:
    out: Reference = {}
    groups = {("all", None, None): t["task_runs"]}
    groups |= {("task_type", kind, None): rows for (kind,), rows in grouped(t["task_runs"], "task_type").items()}
    groups |= {("task_type_framework", *key): rows for key, rows in grouped(t["task_runs"], "task_type", "framework").items()}
    for key, rows in groups.items():
        whole = [r for r in rows if not r["is_censored"]]
        values = known(r["duration_s"] if r["duration_s"] is not None else between(r, "started_at", "ended_at") for r in whole)
        counts = {"durations": len(values), "censored": len(rows) - len(whole), "without_duration": len(whole) - len(values)}
        for probability in [i / 100 for i in range(101)] if values else [None]:
            value = quantile(values, probability) if probability is not None else None
            out[(*key, probability)] = {"duration_s": value, **counts}
    return out


def scenario_summary(t: Tables) -> Reference:
    runs, attempts = t["pipeline_runs"], t["task_runs"]
    waits = known(between(r, "queued_at", "started_at") for r in attempts)
    times = known(between(r, "submitted_at", "ended_at") for r in runs)
    first, last = min(submissions(t)), max(r["ended_at"] for r in (*runs, *attempts) if r["ended_at"])
    held = [r["gpus"] * between(r, "started_at", "ended_at") / 3600 for r in attempts if r["gpus"] and r["ended_at"]]
    return {
        (): {
            "runs": len(runs), "runs_succeeded": sum(r["status"] == "SUCCEEDED" for r in runs),
            "runs_failed": sum(r["status"] in FAILED for r in runs),
            "runs_unfinished": sum(r["status"] in ("PENDING", "RUNNING") for r in runs),
            "tasks": distinct_tasks(attempts), "attempts": len(attempts),
            "failed_attempts": sum(r["status"] in FAILED for r in attempts), "retries": sum(r["attempt"] > 1 for r in attempts),
            "with_wait": len(waits), "without_wait": len(attempts) - len(waits),
            "mean_wait_s": mean(waits), "max_wait_s": max(waits),
            **{f"p{p}_wait_s": quantile(waits, p / 100) for p in (50, 95, 99)},
            "with_jct": len(times), "without_jct": len(runs) - len(times),
            "mean_jct_s": mean(times), "p50_jct_s": quantile(times, 0.5), "p95_jct_s": quantile(times, 0.95),
            "first_submitted_at": first, "last_ended_at": last, "makespan_s": seconds(last - first), "gpu_hours": sum(held),
        }
    }  # fmt: skip


def area(intervals: list[tuple[datetime, datetime, float]], first: datetime, last: datetime) -> float:
    """The integral of the intervals' heights from one instant to another, in seconds times height."""
    return sum(height * max(0.0, seconds(min(b, last) - max(a, first))) for a, b, height in intervals)


def highest(intervals: list[tuple[datetime, datetime, float]], first: datetime, last: datetime) -> float:
    """The greatest sum of heights that holds for longer than an instant: half open intervals, looked at where one begins."""
    looks = {first} | {a for a, _, _ in intervals if first <= a < last}
    return max(sum(h for a, b, h in intervals if a <= look < b) for look in looks)


def covered_hours(t: Tables) -> list[tuple[datetime, datetime, datetime]]:
    """The hours of the trace's span: their beginning, and what of them the trace covers."""
    first, last = min(submissions(t)), max(r["observed_until"] for r in t["pipeline_runs"])
    return [(h, max(h, first), min(h + HOUR, last)) for h in steps(floor_hour(first), last, HOUR) if h < last]


def queue_length(t: Tables) -> Reference:
    until = t["pipeline_runs"][0]["observed_until"]
    out = {}
    for (pool,), rows in grouped((r for r in t["task_runs"] if r["queued_at"]), "pool").items():
        waiting, unknown = [], []
        for r in rows:
            left = r["started_at"] or (
                r["ended_at"] if r["status"] == "CANCELLED" else until if r["status"] == "PENDING" else None
            )
            waiting.append((r["queued_at"], left, 1)) if left else unknown.append(r["queued_at"])
        for hour, a, b in covered_hours(t):
            out[(pool, hour)] = {
                "seconds": seconds(b - a),
                "mean_waiting": area(waiting, a, b) / seconds(b - a) if waiting else None,
                "max_waiting": highest(waiting, a, b) if waiting else None,
                "queued": sum(floor_hour(r["queued_at"]) == hour for r in rows),
                "without_wait": sum(floor_hour(q) == hour for q in unknown),
            }
    return out


def pool_utilization(t: Tables) -> Reference:
    until = t["pipeline_runs"][0]["observed_until"]
    started = [{**r, "slots": 1} for r in t["task_runs"] if r["started_at"]]
    units = {"slots": "slots", "gpus": "gpus", "cpu_cores": "cpu_cores", "memory_bytes": "memory_bytes"}
    out = {}
    for pool in ("gpu", "cpu"):
        rows = [r for r in started if r["pool"] == pool]
        held = {u: [(r["started_at"], r["ended_at"] or until, round(r[u] or 0, 6)) for r in rows] for u in units}
        stated = sorted((p for p in t["pools"] if p["pool"] == pool), key=lambda p: p["valid_from"])
        ends = [*(p["valid_from"] for p in stated[1:]), until]
        there = {u: [(p["valid_from"], e, p.get(u) or 0) for p, e in zip(stated, ends, strict=True)] for u in units}
        for hour, a, b in covered_hours(t):
            mean_held = {
                u: area(held[u], a, b) / seconds(b - a) if any(r[u] is not None for r in rows) else None for u in units
            }
            capacity = {u: area(there[u], a, b) / seconds(b - a) or None for u in units}
            fractions = {
                u: mean_held[u] / capacity[u]
                for u in ("gpus", "cpu_cores", "memory_bytes", "slots")
                if mean_held[u] is not None and capacity[u]
            }
            dominant = max(fractions, key=fractions.__getitem__)
            out[(pool, hour)] = {
                "seconds": seconds(b - a),
                **{f"{u}_held": mean_held[u] for u in units}, **{f"{u}_capacity": capacity[u] for u in units},
                "utilization": fractions[dominant], "dominant_resource": dominant,
            }  # fmt: skip
    return out


REFERENCES: dict[str, tuple[list[str], Callable[[Tables], Reference]]] = {
    "arrivals_by_hour": (["hour"], arrivals_by_hour),
    "completion_quantiles": (["probability"], completion_quantiles),
    "data_moved": (["tenant", "task_type"], data_moved),
    "duration_quantiles": (["level", "task_type", "framework", "probability"], duration_quantiles),
    "failures": (["task_type", "framework"], failures),
    "framework_mix": (["task_type", "framework"], framework_mix),
    "hour_of_week_profile": (["hour_of_week"], hour_of_week_profile),
    "job_completion_times": (["tenant", "run_type"], job_completion_times),
    "pool_utilization": (["pool", "hour"], pool_utilization),
    "queue_length": (["pool", "hour"], queue_length),
    "scenario_summary": ([], scenario_summary),
    "task_waits": (["task_type", "framework", "pool"], task_waits),
    "throughput": (["day"], throughput),
    "wait_quantiles": (["probability"], wait_quantiles),
}


def test_every_shipped_query_has_a_reference() -> None:
    assert [query.name for query in SHIPPED] == sorted(REFERENCES)


@pytest.mark.parametrize("query", SHIPPED, ids=lambda query: query.name)
def test_figures_agree_with_plain_python(query: Query, client: duckdb.DuckDBPyConnection, stored: dict[Any, Tables]) -> None:
    keys, reference = REFERENCES[query.name]
    rows = client.sql(query.file.read_text()).pl().to_dicts()
    by_trace = grouped(rows, *IDENTITY)
    assert set(by_trace) == set(stored)
    for identity, tables in stored.items():
        found = {tuple(row[key] for key in keys): row for row in by_trace[identity]}
        expected = reference(tables)
        assert len(found) == len(by_trace[identity]), "the keys of the grain identify a row"
        assert set(found) == set(expected)
        for key, values in expected.items():
            assert set(found[key]) == {*IDENTITY, *keys, *values}
            for column, value in values.items():
                same = pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value
                assert found[key][column] == same, (identity, key, column)


@pytest.mark.parametrize("query", SHIPPED, ids=lambda query: query.name)
def test_rows_read_the_same_wherever_they_are_stored(query: Query, client: duckdb.DuckDBPyConnection) -> None:
    rows = client.sql(query.sql).pl()
    same = [
        rows.filter(origin=origin, trace=trace, replication=0).drop(IDENTITY)
        for origin, trace in (("observed", "observed"), ("synthetic", "syn-1"), ("simulated", "fifo"))
    ]
    assert same[0].height > 0
    assert same[0].equals(same[1])
    assert same[0].equals(same[2])


@pytest.mark.parametrize("query", SHIPPED, ids=lambda query: query.name)
def test_stored_table_is_what_the_file_says_in_a_total_order(
    query: Query, client: duckdb.DuckDBPyConnection, lake: Lake
) -> None:
    keys, _ = REFERENCES[query.name]
    fresh = client.sql(query.sql).pl()
    assert client.sql(f"FROM analytics.{query.name}").pl().equals(fresh)
    assert fresh.equals(fresh.sort([*IDENTITY, *keys], nulls_last=True))


@pytest.mark.parametrize("query", SHIPPED, ids=lambda query: query.name)
def test_doc_says_grain_and_every_column(query: Query, client: duckdb.DuckDBPyConnection) -> None:
    assert query.doc.splitlines()[0].endswith("?") or "?" in query.doc
    assert "Grain: one row" in query.doc
    columns = client.sql(query.sql).columns
    assert [column for column in columns if column not in query.doc] == []

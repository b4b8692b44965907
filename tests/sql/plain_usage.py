"""What is held, wasted, paid and moved, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.sql.handmade import HORIZON, RATES, Tables
from tests.sql.plain import (
    HOUR,
    WASTED,
    Reference,
    Row,
    between,
    charged,
    floor_hour,
    grouped,
    known,
    ratio,
    retraining,
    seconds,
    steps,
    submissions,
    total,
)  # fmt: skip

Interval = tuple[datetime, datetime, float]
UNITS = ("gpus", "cpu_cores", "memory_bytes", "slots")
#: What the columns of money hold, one a resource.
COSTS = ("gpu_cost", "cpu_core_cost", "memory_cost")


def area(intervals: Sequence[Interval], first: datetime, last: datetime) -> float:
    """The integral of the intervals' heights from one instant to another, in seconds times height."""
    return sum(height * max(0.0, seconds(min(b, last) - max(a, first))) for a, b, height in intervals)


def highest(intervals: Sequence[Interval], first: datetime, last: datetime) -> float:
    """The greatest sum of heights that holds for longer than an instant: half open intervals, looked at where one begins."""
    looks = {first} | {a for a, _, _ in intervals if first <= a < last}
    return max(sum(h for a, b, h in intervals if a <= look < b) for look in looks)


def covered_hours(t: Tables) -> list[tuple[datetime, datetime, datetime]]:
    """The hours of the trace's span: their beginning, and what of them the trace covers."""
    first = min(submissions(t))
    return [(h, max(h, first), min(h + HOUR, HORIZON)) for h in steps(floor_hour(first), HORIZON, HOUR) if h < HORIZON]


def queue_length(t: Tables) -> Reference:
    out = {}
    for (pool,), rows in grouped((r for r in t["task_runs"] if r["queued_at"]), "pool").items():
        waiting, unknown = [], []
        for r in rows:
            gone = {"CANCELLED": r["ended_at"], "SKIPPED": r["ended_at"], "PENDING": HORIZON}
            left = r["started_at"] or gone.get(r["status"])
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


def held_seconds(row: Row) -> float | None:
    """How long an attempt held its resources, as analytics.resource_hours says."""
    if row["started_at"] and row["ended_at"]:
        return between(row, "started_at", "ended_at")
    if row["started_at"] and row["status"] == "RUNNING":
        return min(known([row["duration_s"], seconds(row["observed_until"] - row["started_at"])]))
    return row["duration_s"] if row["started_at"] or row["status"] not in ("PENDING", "SKIPPED") else None


def pool_utilization(t: Tables) -> Reference:
    started = [{**r, "slots": 1, "held": held_seconds(r)} for r in charged(t) if r["started_at"]]
    out: Reference = {}
    for pool in {r["pool"] for r in started} | {p["pool"] for p in t["pools"] if started}:
        rows = [r for r in started if r["pool"] == pool]
        held = {
            u: [(r["started_at"], r["started_at"] + HOUR * (r["held"] / 3600), round(r[u] or 0, 6)) for r in rows]
            for u in UNITS
        }
        stated = sorted((p for p in t["pools"] if p["pool"] == pool), key=lambda p: p["valid_from"])
        ends = [*(p["valid_from"] for p in stated[1:]), HORIZON][: len(stated)]
        there = {u: [(p["valid_from"], e, p.get(u) or 0) for p, e in zip(stated, ends, strict=True)] for u in UNITS}
        for hour, a, b in covered_hours(t):
            mean_held = {
                u: area(held[u], a, b) / seconds(b - a) if any(r[u] is not None for r in rows) else None for u in UNITS
            }
            mean_held["slots"] = area(held["slots"], a, b) / seconds(b - a)
            capacity = {u: area(there[u], a, b) / seconds(b - a) or None for u in UNITS}
            fractions: dict[str, Any] = {u: ratio(mean_held[u], capacity[u]) for u in UNITS}
            best = max(known(fractions.values()), default=None)
            out[(pool, hour)] = {
                "seconds": seconds(b - a),
                **{f"{u}_held": mean_held[u] for u in UNITS}, **{f"{u}_capacity": capacity[u] for u in UNITS},
                "utilization": best, "dominant_resource": next((u for u in UNITS if fractions[u] == best is not None), None),
            }  # fmt: skip
    return out


def pool_capacity(t: Tables) -> Reference:
    started = [
        {**r, "slots": 1, "end": r["started_at"] + HOUR * (held_seconds(r) / 3600)} for r in charged(t) if r["started_at"]
    ]
    out: Reference = {}
    for pool in {r["pool"] for r in started} | {p["pool"] for p in t["pools"]}:
        stated = [p for p in t["pools"] if p["pool"] == pool]
        for u in UNITS:
            held = [(r["started_at"], r["end"], round(r[u], 6)) for r in started if r["pool"] == pool and r[u] is not None]
            peak = highest(held, min(a for a, _, _ in held), max(b for _, b, _ in held) + HOUR) if held else None
            told = max(known(p.get(u) for p in stated), default=None)
            if peak is not None or told is not None:
                basis = "inferred" if not stated else "told" if told is not None else None
                out[(pool, u)] = {"capacity": told if stated else peak, "basis": basis, "peak_held": peak}
    return out


def hour_of_week_load(t: Tables) -> Reference:
    used, queued = pool_utilization(t), queue_length(t)
    hours: dict[Any, list[Row]] = {}
    for pool, hour in used.keys() | queued.keys():
        row = {**queued.get((pool, hour), {}), **used.get((pool, hour), {})}
        hours.setdefault((pool, hour.weekday() * 24 + hour.hour), []).append(row)
    out = {}
    for (pool, how), rows in hours.items():
        averages = {}
        for column in ("utilization", "slots_held", "gpus_held", "mean_waiting"):
            told = [(r[column], r["seconds"]) for r in rows if r.get(column) is not None]
            averages[column] = ratio(sum(v * s for v, s in told), sum(s for _, s in told))
        out[(pool, how)] = {
            "weekday": how // 24 + 1, "hour_of_day": how % 24, "seconds": sum(r["seconds"] for r in rows), **averages,
            "max_waiting": max(known(r.get("max_waiting") for r in rows), default=None),
        }  # fmt: skip
    return out


def held_resources(t: Tables) -> list[Row]:
    """The attempts with the hours that they held of each resource."""
    types = {pool: {p["gpu_type"] for p in rows} - {None} for (pool,), rows in grouped(t["pools"], "pool").items()}
    again = {r["run_id"] for r in retraining(t)}
    out = []
    for x in charged(t):
        of_pool = types.get(x["pool"], set())
        gpu_type = (x["gpu_type"] or (min(of_pool) if len(of_pool) == 1 else None)) if x["gpus"] else None
        held = held_seconds(x)
        hours = {
            name: None if held is None or x[unit] is None else round(x[unit], 6) * held / 3600 / size
            for name, unit, size in (
                ("gpu_hours", "gpus", 1), ("cpu_core_hours", "cpu_cores", 1), ("memory_gib_hours", "memory_bytes", 2**30),
            )
        }  # fmt: skip
        own = {
            "gpu_type": gpu_type, "is_retry": x["attempt"] > 1, "hours": None if held is None else held / 3600,
            "retraining_run_id": x["run_id"] if x["run_id"] in again else None,
        }  # fmt: skip
        out.append({**x, **own, **hours})
    return out


def resource_hours(t: Tables) -> Reference:
    keys = ("tenant", "task_type", "framework", "pool", "gpu_type", "status", "is_retry", "retraining_run_id")
    return {
        key: {
            "attempts": len(rows), "with_time": len(known(r["hours"] for r in rows)),
            **{c: total(r[c] for r in rows) for c in ("hours", "gpu_hours", "cpu_core_hours", "memory_gib_hours")},
            **{c: float(sum(r[c] for r in rows)) for c in (*COSTS, "cost", "assumed_cost", "energy_kwh")},
        }
        for key, rows in grouped(billed(t), *keys).items()
    }  # fmt: skip


def wasted_resources(t: Tables) -> Reference:
    out: Reference = {}
    for key, rows in grouped(held_resources(t), "tenant", "task_type", "framework").items():
        sums = {}
        for c in ("hours", "gpu_hours", "cpu_core_hours"):
            sums[c] = total(r[c] for r in rows)
            for word, some in (
                ("wasted", [r for r in rows if r["status"] in WASTED]), ("retry", [r for r in rows if r["is_retry"]]),
            ):  # fmt: skip
                sums[f"{word}_{c}"] = None if sums[c] is None else total(r[c] for r in some) or 0.0
        del sums["retry_cpu_core_hours"]
        out[key] = {
            "attempts": len(rows), "retries": sum(r["attempt"] > 1 for r in rows),
            "failed": sum(r["status"] in ("FAILED", "TIMEOUT") for r in rows),
            "node_failed": sum(r["status"] == "NODE_FAIL" for r in rows),
            "cancelled": sum(r["status"] == "CANCELLED" for r in rows), **sums,
            "wasted_gpu_fraction": ratio(sums["wasted_gpu_hours"], sums["gpu_hours"]),
            "wasted_cpu_core_fraction": ratio(sums["wasted_cpu_core_hours"], sums["cpu_core_hours"]),
        }  # fmt: skip
    return out


def billed(t: Tables) -> list[Row]:
    """The attempts with what they held, and what that costs and draws."""
    by_word = {(resource, kind and kind.lower()): rate for (resource, kind), rate in RATES.items()}
    out = []
    for x in held_resources(t):
        gpu = by_word.get(("gpu", x["gpu_type"] and x["gpu_type"].lower()), RATES["gpu", None])
        rates = {"gpu": gpu, "cpu_core": RATES["cpu_core", None], "memory": RATES["memory_gib", None]}
        hours = {"gpu": x["gpu_hours"] or 0, "cpu_core": x["cpu_core_hours"] or 0, "memory": x["memory_gib_hours"] or 0}
        paid = {f"{r}_cost": hours[r] * rates[r][0] for r in rates}
        assumed = sum(hours[r] * rates[r][0] for r in rates if rates[r][2])
        energy = sum(hours[r] * rates[r][1] for r in rates) / 1000
        out.append({**x, **paid, "cost": sum(paid.values()), "assumed_cost": assumed, "energy_kwh": energy})
    return out


def tenant_costs(t: Tables) -> Reference:
    lines: dict[Any, list[Row]] = {(r["tenant"],): [] for r in t["pipeline_runs"]}
    for x in billed(t):
        lines.setdefault((x["tenant"],), []).append(x)
    whole = sum(r["cost"] for rows in lines.values() for r in rows)
    out: Reference = {}
    for key, rows in lines.items():
        runs = sum(r["tenant"] == key[0] for r in t["pipeline_runs"])
        wasted = [r for r in rows if r["status"] in WASTED]
        cost = float(sum(r["cost"] for r in rows))
        out[key] = {
            "runs": runs, "attempts": len(rows),
            **{c: total(r[c] for r in rows) for c in ("gpu_hours", "cpu_core_hours", "memory_gib_hours")},
            **{c: float(sum(r[c] for r in rows)) for c in (*COSTS, "assumed_cost", "energy_kwh")},
            "cost": cost, "cost_share": ratio(cost, whole), "cost_per_run": ratio(cost, runs),
            "wasted_cost": float(sum(r["cost"] for r in wasted)),
            "wasted_energy_kwh": float(sum(r["energy_kwh"] for r in wasted)),
        }  # fmt: skip
    return out


def data_moved(t: Tables) -> Reference:
    out = {}
    for key, rows in grouped(charged(t), "tenant", "task_type").items():
        read, written = known(r["read_bytes"] for r in rows), known(r["written_bytes"] for r in rows)
        out[key] = {
            "attempts": len(rows), "with_read_bytes": len(read), "with_written_bytes": len(written),
            "read_bytes": total(read), "written_bytes": total(written),
        }  # fmt: skip
    return out


def asset_traffic(t: Tables) -> Reference:
    out = {}
    for key, rows in grouped(t["task_io"], "asset_id").items():
        reads, writes = ([r for r in rows if r["direction"] == way] for way in ("read", "write"))
        out[key] = {
            "versions": len({r["version"] for r in rows}), "runs": len({r["run_id"] for r in rows}),
            "reads": len(reads), "writes": len(writes),
            "with_read_bytes": len(known(r["size_bytes"] for r in reads)),
            "with_written_bytes": len(known(r["size_bytes"] for r in writes)),
            "read_bytes": total(r["size_bytes"] for r in reads), "written_bytes": total(r["size_bytes"] for r in writes),
            "rows_read": total(r["row_count"] for r in reads), "rows_written": total(r["row_count"] for r in writes),
        }  # fmt: skip
    return out

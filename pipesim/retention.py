"""Retention: which simulations, synthetic traces, models and reports are let go when they have served their time.

Only what can be derived again goes. Observed and quarantined rows are never looked at, what is current never goes, and
nothing that was written within the last day does, as a run under way may be about to use it.

- A stored replication goes `days` after it was written if its scenario is gone, or has fewer replications now.
- What is known of a sweep, or of a search for a capacity, goes when none of its scenarios is simulated any more.
- A synthetic trace goes if it is not current, not among the `keep` newest, and no simulation that stays ran the same work.
- A workload model likewise, and if no trace that stays was drawn from it either.
- The quality of a model goes with the model, or after it, unless it is the one that the tables show.
- A report goes `days` after it was written if what it shows is not what the lake holds any more. The report that the
  pipeline renews in place, `report`, stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from pipesim.analytics import input_manifests
from pipesim.errors import WorkError
from pipesim.experiments_schema import CALIBRATED_POOLS, CALIBRATION_ERRORS, CAPACITY, SWEEPS
from pipesim.lake import CURRENT, Lake
from pipesim.words import count

#: What one synthetic workload is drawn from: the model, and the days, scale and seed of the draw.
Work = tuple[str, float, float, int]


class Policy(BaseModel):
    """What is kept, and how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: float = Field(default=90.0, ge=1, description="Days that simulations and reports stay after they became obsolete.")
    keep: int = Field(default=3, ge=0, description="How many of the newest synthetic traces, and of the models, always stay.")


#: What is kept of experiments: its kind, its table, and the column that names simulations without which it tells nothing.
_EXPERIMENTS = (
    ("sweep", SWEEPS, "scenario"),
    ("search", CAPACITY, "simulated_as"),
    ("calibration", CALIBRATED_POOLS, "simulated_as"),
    ("calibration", CALIBRATION_ERRORS, "simulated_as"),
)


@dataclass(frozen=True)
class Removal:
    """One thing that goes: its kind and name, why, and its files with their size together."""

    kind: str
    name: str
    reason: str
    files: tuple[Path, ...]
    bytes: int


@dataclass(frozen=True)
class _Item:
    """One thing that might go: its name, its files, and when the newest of them was written (seconds since 1970)."""

    name: str
    files: tuple[Path, ...]
    written: float

    def removal(self, kind: str, reason: str) -> Removal:
        return Removal(kind, self.name, reason, self.files, sum(file.stat().st_size for file in self.files))


def plan(lake: Lake, living: Mapping[str, int], policy: Policy, now: datetime) -> list[Removal]:
    """Return what would go, without changing anything.

    Args:
        lake: The store.
        living: How many replications each scenario has that still exists.
        policy: What is kept, and how long.
        now: The present instant in UTC, naive. Ages are counted from the times at which files were written.

    Raises:
        WorkError: If a manifest cannot be read, as what it was made from is then unknown.
    """
    lake.bring_simulated()
    obsolete = _seconds(now - timedelta(days=policy.days))
    settled = _seconds(now - timedelta(days=1))
    simulations = _simulations(lake)
    gone = _obsolete_simulations(simulations, living, obsolete)
    going = {removal.name for removal in gone}
    manifests = [file for item in simulations if item.name not in going for file in item.files if file.name == "manifest.json"]
    ran = set(filter(None, map(_work_of_simulation, manifests)))

    traces = _folders(lake.lake / "synthetic")
    drawn = {item.name: _work_of_trace(item) for item in traces}
    wanted = {name for name, work in drawn.items() if work in ran}
    unused = _unused(traces, lake.current(lake.lake / "synthetic"), wanted, policy.keep, settled)
    left = set(drawn) - {item.name for item in unused}

    used = {work[0] for work in ran} | {work[0] for name, work in drawn.items() if name in left}
    models = _models(lake)
    idle = _unused(models, lake.current(lake.models), used, policy.keep, settled)
    kept = {item.name for item in models} - {item.name for item in idle}
    judgements = _folders(lake.lake / "quality")
    orphaned = _unused(judgements, lake.current(lake.lake / "quality"), kept, 0, settled)
    return [
        *gone,
        *_empty(lake, simulations, going, settled),
        *(item.removal("synthetic trace", "not current, and no stored simulation ran it") for item in unused),
        *(item.removal("model", "not current, and nothing stored was made from it") for item in idle),
        *(item.removal("quality", "its model is gone, and another was judged since") for item in orphaned),
        *_stale_reports(lake, obsolete),
    ]


def prune(lake: Lake, living: Mapping[str, int], policy: Policy, now: datetime) -> list[Removal]:
    """Remove what `plan` names, all at once, and return it. A crash leaves all of it, or none after the next command.

    Raises:
        WorkError: If a manifest cannot be read, or another process holds the lake's lock for too long.
    """
    with lake.lock():  # so that nothing which the plan rests on changes before it is carried out
        removals = plan(lake, living, policy, now)
        if removals:
            with lake.transaction() as tx:
                for file in (file for removal in removals for file in removal.files):
                    tx.remove(file)
        _remove_empty_folders(lake)
    return removals


def _simulations(lake: Lake) -> list[_Item]:
    files: dict[tuple[str, int], list[Path]] = {}
    for file in (lake.lake / "simulated").glob("*/scenario=*/replication=*/*"):
        scenario = file.parent.parent.name.removeprefix("scenario=")
        number = file.parent.name.removeprefix("replication=")
        if number.isdecimal():
            files.setdefault((scenario, int(number)), []).append(file)
    return [_item(f"{scenario}/{number}", found) for (scenario, number), found in sorted(files.items())]


def _obsolete_simulations(items: Sequence[_Item], living: Mapping[str, int], obsolete: float) -> list[Removal]:
    removals = []
    for item in items:
        scenario, _, number = item.name.rpartition("/")
        if item.written < obsolete and int(number) >= living.get(scenario, 0):
            left = living.get(scenario)
            reason = "the scenario is gone" if left is None else f"the scenario has {count(left, 'replication')} now"
            removals.append(item.removal("simulation", reason))
    return removals


def _empty(lake: Lake, simulations: Sequence[_Item], going: set[str], settled: float) -> Iterator[Removal]:
    """Yield the sweeps, searches and calibrations none of whose scenarios is simulated any more."""
    left = {item.name.rpartition("/")[0] for item in simulations if item.name not in going}
    for kind, table, column in _EXPERIMENTS:
        for file in sorted((lake.lake / "simulated" / table.name).glob("*.parquet")):
            item = _item(file.stem, [file])
            if item.written < settled and not left & set(pl.read_parquet(file, columns=[column])[column]):
                yield item.removal(kind, "its simulations are gone")


def _folders(parent: Path) -> list[_Item]:
    folders = [path for path in parent.glob("*") if path.is_dir()]
    return [_item(folder.name, files) for folder in sorted(folders) if (files := list(folder.iterdir()))]


def _models(lake: Lake) -> list[_Item]:
    return [_item(file.stem, [file]) for file in sorted(lake.models.glob("*.json")) if file.name != CURRENT]


def _unused(items: Sequence[_Item], current: str | None, used: set[str], keep: int, settled: float) -> list[_Item]:
    newest_first = sorted(items, key=lambda item: (-item.written, item.name))
    return [item for item in newest_first[keep:] if item.written < settled and item.name != current and item.name not in used]


def _stale_reports(lake: Lake, obsolete: float) -> Iterator[Removal]:
    inputs: dict[str, str] | None = None
    for manifest in sorted(lake.reports.glob("*.json")):
        item = _item(manifest.stem, [file for file in (manifest, manifest.with_suffix(".html")) if file.is_file()])
        if item.name != "report" and item.written < obsolete:
            inputs = input_manifests(lake) if inputs is None else inputs
            told = _read(manifest)
            shown = told.get("inputs") or {}
            # A page on some scenarios does not mind what else there is.
            if shown != inputs and not (told.get("kind") == "decision" and shown.items() <= inputs.items()):
                yield item.removal("report", "the lake holds something else now")


def _work_of_simulation(manifest: Path) -> Work | None:
    work = _read(manifest).get("workload") or {}
    return _work(work["model"], work) if "model" in work else None


def _work_of_trace(item: _Item) -> Work:
    manifest = next((file for file in item.files if file.name == "manifest.json"), None)
    found = _read(manifest) if manifest else {}
    return _work(found.get("model", ""), found.get("config", {}))


def _work(model: str, config: Mapping[str, Any]) -> Work:
    return model, config.get("days", 0.0), config.get("scale", 1.0), config.get("seed", 0)


def _read(manifest: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise WorkError(
            f"this manifest cannot be read ({error}), so it is unknown what else is still needed",
            where=str(manifest),
            remedy="make what it belongs to again, or remove it by hand; nothing was pruned",
        ) from error


def _item(name: str, files: Sequence[Path]) -> _Item:
    return _Item(name, tuple(sorted(files)), max(file.stat().st_mtime for file in files))


def _remove_empty_folders(lake: Lake) -> None:
    """Remove the folders that removals leave, and those that an interrupted earlier one left."""
    for pattern in ("simulated/*/*/replication=*", "simulated/*/scenario=*", "synthetic/*", "quality/*"):
        for folder in list(lake.lake.glob(pattern)):
            with suppress(OSError):  # it is no folder, or not empty
                folder.rmdir()


def _seconds(instant: datetime) -> float:
    return instant.replace(tzinfo=UTC).timestamp()

"""What Dagster adds: loading the definitions, a tick over a full inbox, a step over the plain verb, one replication as a run.

    python benchmarks/dagster_overhead.py [--files 10000] [--repeats 5]

The steps are those of the whole path on the sample logs, executed in process; each is compared with the same verb called in the
same process. Quote the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def median_of(repeats: int, measured: Callable[[], float]) -> float:
    return statistics.median(measured() for _ in range(repeats))


def import_s() -> float:
    """Load the definitions in a process of its own."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import dagster_project.definitions"], check=True)
    return time.perf_counter() - begun


def tick_s(folder: Path, files: int, repeats: int) -> float:
    """Look into an inbox of which every file is known."""
    import dagster as dg

    from dagster_project.automation import inbox_sensor
    from dagster_project.definitions import defs
    from dagster_project.resources import Home, Inbox
    from pipesim.ingest.inbox import scan
    from pipesim.lake import Lake

    inbox, lake = folder / "inbox", Lake(folder / "home")
    inbox.mkdir()
    for number in range(files):
        (inbox / f"{number:06}.jsonl").write_text("{}\n")
        os.utime(inbox / f"{number:06}.jsonl", (1e9, 1e9))
    known = {
        f"{inbox}/{file.name}": {"mark": file.mark, "refused": None, "lacking": 0}
        for file in scan(lake, inbox, time.time()).new
    }
    (lake.root / "inbox.json").write_text(json.dumps({"files": known, "begun": None, "due": None}))
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"home": Home(path=str(lake.root)), "inbox": Inbox(path=str(inbox))}

        def tick() -> float:
            context = dg.build_sensor_context(instance=instance, resources=resources, definitions=defs)
            begun = time.perf_counter()
            said = inbox_sensor(context)
            assert isinstance(said, dg.SkipReason), said
            return time.perf_counter() - begun

        return median_of(repeats, tick)


def steps_s(home: Path) -> dict[str, tuple[float, float]]:
    """Return the seconds of each step as an asset and as a plain verb, on the sample logs."""
    import dagster as dg

    from dagster_project.definitions import defs
    from dagster_project.resources import Home, Inbox
    from pipesim import analytics
    from pipesim.catalog import publish
    from pipesim.lake import Lake
    from pipesim.report import write_report
    from pipesim.shipped import shipped
    from pipesim.verbs import fit_workload, ingest_logs, synthesize_trace
    from pipesim.workload import FitConfig, SynthesisConfig

    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"home": Home(path=str(home / "dagster")), "inbox": Inbox(path=str(home / "none"))}
        result = defs.resolve_job_def("whole_path").execute_in_process(instance=instance, resources=resources)
    ended = [event for event in result.all_events if event.event_type_value == "STEP_SUCCESS"]
    took = {str(event.step_key): event.step_success_data.duration_ms / 1000 for event in ended}
    lake = Lake(home / "plain")
    table = analytics.queries()[0]
    plain: dict[str, Callable[[], object]] = {
        "observed": lambda: ingest_logs(lake, [shipped("traces", "sample")], "native"),
        "workload_model": lambda: fit_workload(lake, FitConfig()),
        "synthetic_trace": lambda: synthesize_trace(lake, SynthesisConfig(days=28, seed=42)),
        f"analytics__{table.name}": lambda: analytics.build_one(lake, table),
        "report": lambda: write_report(lake),
        "catalogue": lambda: publish(lake),
    }
    found = {}
    for name, verb in plain.items():
        begun = time.perf_counter()
        verb()
        found[name] = (took[name], time.perf_counter() - begun)
    return found


def replication_s(home: Path) -> float:
    """Run one replication of a scenario of the demo as a run of its own process, as the daemon does."""
    state = home / "state"
    state.mkdir(exist_ok=True)
    (state / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    program = (
        "import dagster as dg\n"
        "from dagster_project.definitions import defs\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    instance.add_dynamic_partitions('scenarios', ['as-is'])\n"
        "    job = defs.resolve_job_def('simulations')\n"
        "    assert job.execute_in_process(instance=instance, partition_key='0|as-is').success\n"
    )
    environment = {**os.environ, "DAGSTER_HOME": str(state), "PIPESIM_HOME": str(home / "dagster")}
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, env=environment, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"loading the definitions: {median_of(options.repeats, import_s):.2f} s")
        tick = tick_s(Path(folder), options.files, options.repeats)
        print(f"a tick with nothing new, {options.files:,} files: {tick:.3f} s")
        for name, (asset, verb) in steps_s(Path(folder)).items():
            print(f"{name:<30} as an asset {asset:6.2f} s, as a verb {verb:6.2f} s, more: {asset - verb:5.2f} s")
        run = median_of(options.repeats, lambda: replication_s(Path(folder)))
        print(f"one replication of as-is as a run, process and all: {run:.2f} s")


if __name__ == "__main__":
    main()

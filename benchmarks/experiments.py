"""What a sweep costs: one-week scenarios of the sample platform on all cores, and how much of two cores is put to use.

The scenarios differ in the sizes of both pools and share their work, as those of a sweep do. Each is simulated, summarised and
stored. Efficiency is the time of one process over twice that of two, for the same scenarios; processes are begun before, as
they last for a whole sweep.

    python benchmarks/experiments.py [--scenarios 1000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from pipesim import verbs
from pipesim.experiments.backends import Backend, backend
from pipesim.experiments.replications import run_scenarios
from pipesim.experiments.sweeps import load_sweep
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.workload import FitConfig

SAMPLE = Path(__file__).parents[1] / "traces" / "sample"
SWEEP = """
name: size
workload: {{kind: synthetic, days: 7, seed: 42}}
platform:
  pools:
    - {{name: gpu, gpus: {{sweep: {{from: 8, to: {last}, step: 1}}}}}}
    - {{name: cpu, cpu_cores: {{sweep: {{from: 24, to: 43, step: 1}}}}}}
"""
#: Scenarios by which efficiency is measured.
FEW = 200


def scenarios(folder: Path, count: int) -> list[Scenario]:
    """Return so many scenarios, a multiple of 20."""
    path = folder / "sweep.yaml"
    path.write_text(SWEEP.format(last=7 + count // 20))
    return [variant.scenario for variant in load_sweep(path).variants()]


def seconds(lake: Lake, wanted: list[Scenario], on: Backend) -> float:
    """Return how long these scenarios take, after one that has everything loaded."""
    run_scenarios(lake, wanted[:2], replications=2, on=on)
    begun = time.perf_counter()
    run_scenarios(lake, wanted, on=on)
    return time.perf_counter() - begun


def main() -> None:
    """Measure in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "home")
        verbs.ingest_logs(lake, [SAMPLE], "native")
        verbs.fit_workload(lake, FitConfig())
        few = scenarios(Path(folder), FEW)
        times: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(options.repeats):
            for workers, found in times.items():
                with backend(workers) as on:
                    found.append(seconds(lake, few, on))
        one, two = (statistics.median(found) for found in times.values())
        print(f"{FEW} scenarios: {one:.1f} s by one process, {two:.1f} s by two: efficiency {one / two / 2:.0%}")
        many = scenarios(Path(folder), options.scenarios)
        with backend(2) as on:
            total = seconds(lake, many, on)
        print(f"{len(many):,} scenarios of a week by two processes: {total:.1f} s, {1000 * total / len(many):.0f} ms each")


if __name__ == "__main__":
    main()

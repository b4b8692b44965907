"""What Ray costs: the same items on Ray and on processes of this machine, with as many workers, in the same run.

Items that sleep show what is spent between them; real ones are one-week scenarios of the sample platform, of which medians are
taken in turns. Both back ends are begun, and have run something, before their time is taken; beginning is told beside it.

    python benchmarks/ray_overhead.py [--items 100] [--seconds 1] [--workers 2] [--scenarios 100] [--repeats 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipesim import verbs
from pipesim.experiments.backends import Backend, Processes, Ray
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.workload import FitConfig

SAMPLE = Path(__file__).parents[1] / "traces" / "sample"
#: How much longer Ray may take.
GOAL = 0.15


def sleep(seconds: float, _: int) -> None:
    time.sleep(seconds)


def scenarios(count: int) -> list[Scenario]:
    content = {"workload": {"kind": "synthetic", "days": 7, "seed": 42}, "replications": 1}
    pools = [[{"name": "gpu", "gpus": 8 + n}, {"name": "cpu", "cpu_cores": 30}] for n in range(count)]
    return [Scenario.model_validate({**content, "name": f"s{n}", "platform": {"pools": p}}) for n, p in enumerate(pools)]


def compared(what: str, work: Callable[[Backend], object], places: list[Backend], repeats: int = 1) -> None:
    """Have each back end do some work, in turns, and print what the median of each takes."""
    took: list[list[float]] = [[] for _ in places]
    for _ in range(repeats):
        for place, found in zip(places, took, strict=True):
            begun = time.perf_counter()
            work(place)
            found.append(time.perf_counter() - begun)
    processes, ray = map(statistics.median, took)
    print(f"{what:<44}{processes:7.2f} s by processes{ray:7.2f} s on Ray  {ray / processes - 1:+.1%}", flush=True)


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scenarios", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "home")
        verbs.ingest_logs(lake, [SAMPLE], "native")
        verbs.fit_workload(lake, FitConfig())
        with Processes(options.workers) as processes, Ray(lake, options.workers) as ray:
            places, many = [processes, ray], scenarios(options.scenarios)

            def sleeping(items: int, each_s: float) -> Callable[[Backend], object]:
                return lambda on: list(on.map(partial(sleep, each_s), range(items)))

            compared("to begin, with 2 s of work", sleeping(4 * options.workers, 0.5), places)
            compared(
                f"{options.items} items that sleep {options.seconds:g} s", sleeping(options.items, options.seconds), places
            )
            compared("to load what scenarios need", lambda on: run_scenarios(lake, many[:4], on=on), places)
            compared(
                f"{len(many)} scenarios, median of {options.repeats}",
                lambda on: run_scenarios(lake, many, on=on),
                places,
                options.repeats,
            )
    print(f"goal: no more than {GOAL:+.0%} for items of a second")


if __name__ == "__main__":
    main()

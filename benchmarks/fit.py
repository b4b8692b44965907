"""What fitting costs: 1,000,000 task rows in 20 cells, and of these the durations beside fitter and distfit.

Cells are task types x frameworks x GPU sizes with laws that no two share: single families, mixtures of two, whole seconds.
`pipesim` fits cells, tables with tails, mixtures and ten families. `fitter` fits the same ten families to all rows of a cell,
and `distfit` its `popular` ones; both work cell by cell, so their seconds are those of a few cells times the number of cells.
Beside the seconds stands how near the chosen laws come to 20,000 fresh rows of each cell (mean Kolmogorov-Smirnov distance).
The whole fit is that of a trace in memory, and that of a lake by a process of its own, with the most memory that it took.

    python benchmarks/fit.py [--rows 1000000] [--cells 20] [--peer-cells 2] [--quick]
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.lake import Lake
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.verbs import fit_workload
from pipesim.workload import FitConfig, fit
from pipesim.workload.laws.families import FAMILIES
from pipesim.workload.laws.judging import ks_distance
from pipesim.workload.tasks.attempts import prepare
from pipesim.workload.tasks.durations import fit_durations
from pipesim.workload.tasks.told import tell

Floats = NDArray[np.float64]
Cdf = Callable[[Floats], Floats]
START = datetime(2026, 1, 5)
FRESH = 20_000
#: A whole fit in memory takes about 2 GB a million rows.
MOST_IN_MEMORY = 3_000_000
TYPES, FRAMEWORKS, GPUS = ("preprocess", "train"), ("TensorFlow", "PyTorch"), (1.0, 2.0, 4.0, 8.0, 16.0)


@dataclass(frozen=True)
class Cell:
    """One cell: what its tasks have in common, and the law of their seconds."""

    number: int
    task_type: str
    framework: str
    gpus: float

    def draw(self, rows: int, name: str) -> Floats:
        """Draw durations; in every other cell they are whole seconds."""
        rng = stream(0, "benchmark", name, self.number)
        scale = 60.0 * 1.5**self.number
        match self.number % 4:
            case 0:
                seconds = scale * rng.lognormal(0.0, 1.5, rows)
            case 1:
                seconds = scale * rng.weibull(0.6, rows)
            case 2:
                seconds = scale * np.exp(np.where(rng.random(rows) < 0.3, rng.normal(-3, 0.5, rows), rng.normal(1, 1, rows)))
            case _:
                seconds = scale * np.where(rng.random(rows) < 0.8, rng.gamma(0.5, 1.0, rows), 5 * rng.pareto(1.5, rows))
        return np.floor(seconds) if self.number % 2 else seconds


def build(cells: Sequence[Cell], rows: int) -> Trace:
    """Return a trace of one task a run, all cells equally large."""
    each = rows // len(cells)
    number = np.repeat(np.arange(len(cells)), each)
    seconds = np.concatenate([cell.draw(each, "fitted") for cell in cells])
    order = stream(0, "benchmark", "order").permutation(len(number))
    submitted = np.sort(stream(0, "benchmark", "arrivals").integers(0, 28 * 86_400_000_000, len(number)))
    frame = pl.DataFrame({"number": number[order], "duration_s": seconds[order]}).with_row_index("i")
    names = pl.DataFrame(
        {
            "number": [c.number for c in cells],
            "task_type": [c.task_type for c in cells],
            "framework": [c.framework for c in cells],
            "gpus": [c.gpus for c in cells],
        }
    )
    rows_ = frame.join(names, on="number", maintain_order="left").with_columns(
        run_id=pl.format("r{}", "i"),
        task_id=pl.lit("job"),
        attempt=1,
        pipeline_name=pl.lit("jobs"),
        task_name=pl.lit("job"),
        status=pl.lit("SUCCEEDED"),
        raw_status=pl.lit("ok"),
        submitted_at=pl.lit(START) + pl.duration(microseconds=pl.Series(submitted)),
        observed_until=START + timedelta(days=28),
        time_basis=pl.lit("utc"),
        is_censored=False,
    )
    return Trace({"pipeline_runs": rows_, "task_runs": rows_})


def ours(trace: Trace, cells: Sequence[Cell]) -> tuple[float, list[Cdf], list[float | None]]:
    """Return the seconds, and each cell's distribution function with the unit that it rounds down to."""
    begun = time.perf_counter()
    fitted, _ = fit_durations(tell([prepare(trace)]), partial(stream, 0))
    seconds = time.perf_counter() - begun
    uses = {cell.key: cell.uses for cell in fitted if cell.level == "size"}
    laws = []
    for cell in cells:
        choice = fitted[uses[cell.task_type, cell.framework, f"{cell.gpus:g}"]].choice
        assert choice is not None
        laws.append(choice.law)
    return seconds, [law.cdf for law in laws], [getattr(law, "resolution", None) for law in laws]


def fit_lake(home: Path) -> None:
    """Fit what a lake holds, and print the seconds and the peak memory in GB."""
    begun = time.perf_counter()
    fit_workload(Lake(home), FitConfig())
    seconds = time.perf_counter() - begun
    # What getrusage says includes the memory of the process that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    print(seconds, int(status["VmHWM"].split()[0]) / 2**20)


def whole_from_lake(trace: Trace) -> tuple[float, float]:
    """Return the seconds and the peak memory, in GB, of a process that fits the trace as a lake holds it."""
    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        for table in ("pipeline_runs", "task_runs"):
            file = lake.observed_file(table, "benchmark")
            file.parent.mkdir(parents=True)
            provenance = {"source": pl.lit("-"), "source_file": pl.lit("-"), "source_line": pl.lit(1), "ingest_id": pl.lit("-")}
            trace[table].with_columns(**provenance).write_parquet(file)
        run = subprocess.run([sys.executable, __file__, "--home", folder], check=True, capture_output=True, text=True)
    seconds, peak = map(float, run.stdout.split())
    return seconds, peak


def fit_with_fitter(values: Floats) -> Cdf:
    import scipy.stats
    from fitter import Fitter

    logging.getLogger("fitter.fitter").setLevel(logging.ERROR)
    fitter = Fitter(values, distributions=list(FAMILIES), verbose=False)
    fitter.fit(progress=False, max_workers=1)
    ((name, parameters),) = fitter.get_best().items()
    law = getattr(scipy.stats, name)(**parameters)
    return lambda x: np.asarray(law.cdf(x))


def fit_with_distfit(values: Floats) -> Cdf:
    from distfit import distfit

    found = distfit(distr="popular", verbose="silent")
    found.fit_transform(values, verbose="silent")
    law = found.model["model"]
    return lambda x: np.asarray(law.cdf(x))


def theirs(fitting: Callable[[Floats], Cdf], cells: Sequence[Cell], each: int) -> tuple[float, list[Cdf]]:
    """Return the seconds a cell, and the distribution function of each."""
    values = [cell.draw(each, "fitted") for cell in cells]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = time.perf_counter()
        laws = [fitting(v) for v in values]
        return (time.perf_counter() - begun) / len(cells), laws


def mean_distance(laws: Sequence[Cdf], units: Sequence[float | None], cells: Sequence[Cell]) -> float:
    """Return the mean Kolmogorov-Smirnov distance to fresh rows."""
    none = np.zeros(FRESH, dtype=bool)
    fresh = (np.sort(cell.draw(FRESH, "fresh")) for cell in cells)
    return float(np.mean([ks_distance(v, none, law, unit) for v, law, unit in zip(fresh, laws, units, strict=True)]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--cells", type=int, default=20, choices=range(1, 21), metavar="1..20")
    parser.add_argument("--peer-cells", type=int, default=4, help="cells that the others fit; their time is extrapolated")
    parser.add_argument("--quick", action="store_true", help="12,000 rows in 4 cells, of which the others fit one")
    parser.add_argument("--home", type=Path, help="only fit the lake of this home, and print seconds and peak memory in GB")
    options = parser.parse_args(arguments)
    if options.home:
        fit_lake(options.home)
        return
    rows, count, few = (12_000, 4, 1) if options.quick else (options.rows, options.cells, options.peer_cells)
    kinds = [(t, f, g) for g in GPUS for f in FRAMEWORKS for t in TYPES]
    cells = [Cell(i, *kind) for i, kind in enumerate(kinds[:count])]
    few = min(few, count)

    importlib.import_module("fitter")  # what loading it costs is nobody's fit
    trace = build(cells, rows)
    seconds, laws, units = ours(trace, cells)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{rows:,} rows in {count} cells; peak memory of the fit of durations {peak:.2f} GB, the trace included")
    if rows <= MOST_IN_MEMORY:
        begun = time.perf_counter()
        fit(trace)
        print(f"whole fit (arrivals, structure, demands, durations): {time.perf_counter() - begun:.2f} s")
    from_lake, most = whole_from_lake(trace)
    print(f"whole fit by `pipesim fit` (reading and storing included): {from_lake:.2f} s, peak memory {most:.2f} GB\n")
    print(
        f"{'durations by':<10} {'seconds':>9} {'s/cell':>8} {'times ours':>11} {'mean KS':>8} {'mean KS of ours':>16}  measured"
    )
    print(line("pipesim", seconds, count, 1.0, mean_distance(laws, units, cells), None, f"{count} cells"))
    for name, fitting in (("fitter", fit_with_fitter), ("distfit", fit_with_distfit)):
        if importlib.util.find_spec(name) is None:
            print(f"{name:<10} is not installed")
            continue
        each, found = theirs(fitting, cells[:few], rows // count)
        same = mean_distance(laws[:few], units[:few], cells[:few])
        distance = mean_distance(found, [None] * few, cells[:few])
        print(line(name, each * count, count, each * count / seconds, distance, same, f"{few} of {count} cells"))


def line(name: str, seconds: float, cells: int, ratio: float, distance: float, same: float | None, measured: str) -> str:
    beside = f"{same:>16.4f}" if same is not None else f"{'':>16}"
    return f"{name:<12} {seconds:>9.2f} {seconds / cells:>8.3f} {ratio:>11.1f} {distance:>8.4f} {beside}  {measured}"


if __name__ == "__main__":
    main()

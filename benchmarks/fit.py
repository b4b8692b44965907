"""What fitting durations costs: 1,000,000 task rows in 20 cells, beside fitter and distfit on the same cells.

Cells are task types x frameworks x GPU sizes with laws that no two share: single families, mixtures of two, whole seconds.
`pipesim` fits cells, tables with tails, mixtures and ten families. `fitter` fits the same ten families to all rows of a cell,
and `distfit` its `popular` ones; both work cell by cell, so their seconds are those of a few cells times the number of cells.
Beside the seconds stands how near the chosen laws come to 20,000 fresh rows of each cell (mean Kolmogorov-Smirnov distance).

    python benchmarks/fit.py [--rows 1000000] [--cells 20] [--peer-cells 2] [--quick]
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import resource
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload import fit
from pipesim.workload.laws.families import FAMILIES
from pipesim.workload.laws.judging import ks_distance
from pipesim.workload.tasks.attempts import prepare
from pipesim.workload.tasks.durations import fit_durations

Floats = NDArray[np.float64]
Cdf = Callable[[Floats], Floats]
START = datetime(2026, 1, 5)
FRESH = 20_000
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
    fitted, _ = fit_durations(prepare(trace), partial(stream, 0))
    seconds = time.perf_counter() - begun
    uses = {cell.key: cell.uses for cell in fitted if cell.level == "size"}
    laws = []
    for cell in cells:
        choice = fitted[uses[cell.task_type, cell.framework, f"{cell.gpus:g}"]].choice
        assert choice is not None
        laws.append(choice.law)
    return seconds, [law.cdf for law in laws], [getattr(law, "resolution", None) for law in laws]


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
    options = parser.parse_args(arguments)
    rows, count, few = (12_000, 4, 1) if options.quick else (options.rows, options.cells, options.peer_cells)
    kinds = [(t, f, g) for g in GPUS for f in FRAMEWORKS for t in TYPES]
    cells = [Cell(i, *kind) for i, kind in enumerate(kinds[:count])]
    few = min(few, count)

    importlib.import_module("fitter")  # what loading it costs is nobody's fit
    trace = build(cells, rows)
    seconds, laws, units = ours(trace, cells)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    begun = time.perf_counter()
    fit(trace)
    whole = time.perf_counter() - begun
    print(f"{rows:,} rows in {count} cells; peak memory of the fit of durations {peak:.2f} GB, the trace included")
    print(f"whole fit (arrivals, structure, demands, durations): {whole:.2f} s\n")
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

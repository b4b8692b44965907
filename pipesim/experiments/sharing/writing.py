"""`pipesim share`: scenarios, what they were simulated on and what came out, in a folder from which others get the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipesim import __version__
from pipesim.errors import RequestError, WorkError
from pipesim.experiments.replications import RunResult, kept_replications, run_scenarios
from pipesim.experiments.sharing.digests import run_digests, sha256_of
from pipesim.experiments.sharing.folder import check_target, swapped_in
from pipesim.experiments.sharing.inputs import check_names, own_orders, tables_needed, write_inputs
from pipesim.experiments.sharing.manifest import FILE, Manifest, SharedRun, Software, files_of
from pipesim.experiments.sharing.results import write_results
from pipesim.experiments.sweeps import Sweep, Variant, sweep_rows
from pipesim.experiments_schema import SWEEPS
from pipesim.lake import Lake
from pipesim.simulation import Scenario, Tell
from pipesim.words import count
from pipesim.workload import WorkloadModel
from pipesim.workload.marks.independent import IndependentMarks

#: A scenario file, and what it stands for.
Experiment = tuple[Sweep, Sequence[Variant]]

_README = """\
This folder holds experiments made with pipesim {version}, a trace-driven simulator of AI/ML platforms:
{runs} of {scenarios}, all that they were made from, and what came out.

  scenarios/     the what-ifs, as they were given
  inputs/        what they were simulated on: {inputs}
  results/       the figures of each run, and what sweeps varied, as Parquet and CSV
  report.html    what came out, to be read in a browser, without a network
  manifest.json  versions, engines and seeds, and the SHA-256 of each file here and of each simulated table

Where pipesim {version} is installed, this command, given in this folder, simulates all of it again and compares each table:

  pipesim reproduce .
"""


@dataclass(frozen=True)
class Shared:
    """What sharing left.

    Args:
        share: The folder.
        scenarios: How many scenarios there are in it.
        runs: How many runs.
        simulated: How many of these the lake did not hold.
        log_rows: How many rows of the log are in it.
        bytes: Its size.
        sha256: Of its manifest, which identifies the whole share.
        seconds: Wall-clock time.
    """

    share: str
    scenarios: int
    runs: int
    simulated: int
    log_rows: int
    bytes: int
    sha256: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return asdict(self)


@dataclass(frozen=True)
class _Given:
    """What is shared as it was given: scenario files by name, orders of one's own by what scenarios call them, sweeps."""

    scenarios: Sequence[Scenario]
    files: Mapping[str, bytes]
    orders: Mapping[str, bytes]
    sweeps: Mapping[str, pl.DataFrame]

    @classmethod
    def of(cls, experiments: Sequence[Experiment]) -> _Given:
        """Read everything, before the first run.

        Raises:
            RequestError: If a file or an order cannot be shared.
        """
        paths = [Path(sweep.source) for sweep, _ in experiments]
        check_names(paths)
        scenarios = [variant.scenario for _, variants in experiments for variant in variants]
        sweeps = {sweep.name: sweep_rows(sweep) for sweep, variants in experiments if sweep.axes}
        return cls(scenarios, {path.name: path.read_bytes() for path in paths}, own_orders(scenarios), sweeps)


def share(
    lake: Lake,
    folder: Path,
    experiments: Sequence[Experiment],
    *,
    with_log: bool = False,
    engine: str | None = None,
    replications: int | None = None,
    workers: int | None = None,
    page: Callable[[Sequence[RunResult]], str] | None = None,
    on_done: Callable[[RunResult], None] | None = None,
    say: Callable[[str], None] | None = None,
    tell: Tell | None = None,
) -> Shared:
    """Write a share; what the lake holds already, made from the same, is not simulated again.

    Args:
        lake: Where the inputs come from, and the results go that it does not hold yet.
        folder: Where the share goes, in place of an earlier one.
        experiments: The scenario files.
        with_log: Whether those who get it may see the log; scenarios that need none of it are shared without it anyway.
        engine: The engine of all runs; by default the fastest that can run each.
        replications: How often each scenario is run; by default as often as it says, or as the lake holds if that is more.
        workers: How many processes; see `run_scenarios`.
        page: Makes the page `report.html` of the results, equal ones of equal results.
        on_done: Called with each result.
        say: Called with a sentence that the user should know.
        tell: Called now and then with the share of all runs that is done, 0..1.

    Raises:
        RequestError: If the folder holds something else, a scenario needs the log and `with_log` is not said, an order of one's
            own cannot be shared, or a scenario cannot be run.
        WorkError: If the folder cannot be written, or what the scenarios need changes meanwhile; what was there is as it was.
    """
    begun = time.perf_counter()
    target = folder.resolve()
    check_target(target, folder)
    given = _Given.of(experiments)
    log_rows = _rows_of_log(lake, given.scenarios)
    if log_rows and not with_log:
        raise _log_unasked(lake, given.scenarios)
    for name, swept in given.sweeps.items():
        lake.save_experiment(name, {SWEEPS.name: swept})
    counts = {s.name: replications or max(s.replications, kept_replications(lake, s, engine)) for s in given.scenarios}
    results = run_scenarios(
        lake, given.scenarios, engine=engine, replications=counts, workers=workers, reuse=True,
        on_done=on_done, say=say, tell=tell,
    )  # fmt: skip
    if own_orders(given.scenarios) != given.orders:
        raise WorkError("an order was changed while it was simulated", remedy="share again; nothing was written")
    with swapped_in(target, folder) as fresh:
        if page:
            (fresh / "report.html").write_text(page(results), encoding="utf-8", newline="\n")
        manifest = _fill(fresh, lake, given, results)
        size, sha256 = sum((fresh / name).stat().st_size for name in [*files_of(fresh), FILE]), sha256_of(fresh / FILE)
    if say:
        for sentence in _given_away(target, manifest, log_rows):
            say(sentence)
    simulated = sum(not result.kept for result in results)
    seconds = round(time.perf_counter() - begun, 3)
    return Shared(str(folder), len(given.scenarios), len(results), simulated, log_rows, size, sha256, seconds)


def _fill(folder: Path, lake: Lake, given: _Given, results: Sequence[RunResult]) -> Manifest:
    """Write everything into a folder, at last what it says of itself and of what was there before."""
    runs, made = _runs(lake, given.scenarios, results)
    model, log = write_inputs(lake, given.scenarios, made, folder)
    orders = {module: f"inputs/orders/{Path(module).name}" for module in given.orders}
    texts = {f"scenarios/{name}": text for name, text in given.files.items()}
    for name, text in {**texts, **{orders[module]: text for module, text in given.orders.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    write_results(results, given.sweeps, folder / "results")
    parts = {"the fitted workload model": model, "tables of the log": log, "orders of service, which are code": orders}
    told = {
        "version": __version__,
        "runs": count(len(runs), "run"),
        "scenarios": count(len(given.scenarios), "scenario"),
        "inputs": ", ".join(words for words, part in parts.items() if part),
    }
    (folder / "README.txt").write_text(_README.format(**told), encoding="utf-8")
    # Whatever else belongs into a share is written before this line, so that the manifest knows it.
    files = {name: sha256_of(folder / name) for name in files_of(folder)}
    manifest = Manifest(
        software=Software.here(), scenarios=tuple(texts), model=model, log=log, orders=orders, runs=tuple(runs), files=files
    )
    (folder / FILE).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _runs(
    lake: Lake, scenarios: Sequence[Scenario], results: Sequence[RunResult]
) -> tuple[list[SharedRun], list[dict[str, Any]]]:
    """Return what is said of each run, and the runs' manifests in the lake.

    Raises:
        WorkError: If somebody simulated other things under these names, or removed them, meanwhile.
    """
    roots = {s.name: s.workload.seed if s.workload.kind == "synthetic" else 0 for s in scenarios}
    runs, made = [], []
    for result in results:
        name, number = result.summary.scenario, result.summary.replication
        with lake.lock():  # so that all of it is of one run
            stored = lake.load_summary(name, number)
            tables = run_digests(lake, name, number) if stored else {}
        if stored is None or stored[0] != result.summary.as_frame().row(0, named=True):
            raise WorkError(
                f"replication {number} of scenario {name} was simulated anew, or removed, by somebody else meanwhile",
                where=str(lake.root),
                remedy="share again; nothing was written",
            )
        drawn = {part: stored[1][part]["seed"] for part in ("workload", "lifecycle") if "seed" in stored[1].get(part, {})}
        seeds = {"root": roots[name], **drawn}
        runs.append(SharedRun(scenario=name, replication=number, engine=result.summary.engine, seeds=seeds, tables=tables))
        made.append(stored[1])
    return runs, made


def _rows_of_log(lake: Lake, scenarios: Sequence[Scenario]) -> int:
    return sum(map(lake.count_observed, tables_needed(scenarios)))


def _log_unasked(lake: Lake, scenarios: Sequence[Scenario]) -> RequestError:
    names = [scenario.name for scenario in scenarios if tables_needed([scenario])]
    others = f" (and {count(len(names) - 1, 'other scenario')})" if len(names) > 1 else ""
    rows = f"{count(lake.count_observed('pipeline_runs'), 'run')} and {count(lake.count_observed('task_runs'), 'task attempt')}"
    return RequestError(
        f"scenario {names[0]}{others} needs the log, and the share would give its {rows} away",
        where="--with-log",
        remedy="say --with-log if those who get it may see the log, or write `workload: {kind: synthetic, days: 28}`",
    )


def _given_away(folder: Path, manifest: Manifest, log_rows: int) -> Iterator[str]:
    """Say what a share tells of the platform, as that may be confidential."""
    if log_rows:
        yield f"warning: the share holds the log: {count(log_rows, 'row')}, with all names in them"
    if manifest.model:
        model = WorkloadModel.from_json((folder / manifest.model).read_text(encoding="utf-8"))
        of = model.combinations
        names = {"pipeline": model.structure.pipelines, "tenant": of.tenant, "user": of.user}
        named = ", ".join(count(len(set(said) - {None}), word) for word, said in names.items())
        if isinstance(model.marks, IndependentMarks):
            yield f"note: the workload model in the share names {named}, and how often each submitted what"
        else:
            runs = count(len(model.marks.runs.hour), "single run")
            yield (
                f"warning: the workload model in the share names {named}, and tells of {runs} of the log in which hour each "
                "came, whose it was and about how long it took; a model of `pipesim fit --marks independent` does not"
            )

"""`pipesim reproduce`: everything in a share simulated again, and each table compared with what it was."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipesim.errors import FileError, RequestError
from pipesim.experiments.backends import backend, default_workers
from pipesim.experiments.replications import Run, run_replication
from pipesim.experiments.sharing.digests import RUN_TABLES, Digest, run_digests
from pipesim.experiments.sharing.folder import complete_swap
from pipesim.experiments.sharing.inputs import restore_inputs, with_restored_order
from pipesim.experiments.sharing.manifest import FILE, Manifest, SharedRun, Software, read_manifest
from pipesim.experiments.sweeps import load_sweep
from pipesim.lake import Lake
from pipesim.simulation import Scenario, Tell, make_ready


@dataclass(frozen=True)
class RunCheck:
    """What became of a run.

    Args:
        scenario: Its scenario.
        replication: Its number.
        different: The tables that hold other values than those that were shared.
        same_bytes: Whether all tables are the same to the byte; else those that are not `different` hold the same values.
    """

    scenario: str
    replication: int
    different: tuple[str, ...]
    same_bytes: bool


@dataclass(frozen=True)
class Reproduced:
    """What became of all runs of a share, by scenario, then by replication, and how many seconds it took."""

    runs: tuple[RunCheck, ...]
    seconds: float

    @property
    def different(self) -> tuple[RunCheck, ...]:
        """The runs of which a table holds other values."""
        return tuple(run for run in self.runs if run.different)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return {
            "runs": len(self.runs),
            "equal": len(self.runs) - len(self.different),
            "same_bytes": sum(run.same_bytes for run in self.runs),
            "different": [
                {"scenario": run.scenario, "replication": run.replication, "tables": list(run.different)}
                for run in self.different
            ],
            "seconds": self.seconds,
        }


def reproduce(
    folder: Path,
    *,
    home: Path | None = None,
    workers: int | None = None,
    anyway: bool = False,
    allow_code: bool = False,
    say: Callable[[str], None] | None = None,
    tell: Tell | None = None,
) -> Reproduced:
    """Simulate everything in a share again, from what it holds, and compare each table with what was shared.

    Args:
        folder: The share.
        home: A new home folder, to look at what comes out; by default a temporary one, of which nothing is left.
        workers: How many processes; by default one for up to three runs, else one a core.
        anyway: Whether to do it though another version of pipesim made the share.
        allow_code: Whether to run the Python code of a share, if it holds orders of its author's own.
        say: Called with a sentence that the user should know.
        tell: Called now and then with the share of all runs that is done, 0..1.

    Raises:
        RequestError: If the folder is no share, was made by another version, or holds code; or the home folder is not new.
        FileError: If files are missing or are not what they were.
    """
    begun = time.perf_counter()
    folder = folder.resolve()
    complete_swap(folder)
    manifest = read_manifest(folder)
    _check_software(folder, manifest, anyway, say)
    if manifest.orders and not allow_code:
        raise RequestError(
            "the share holds Python code of whoever made it, which would be run",
            where=", ".join(str(folder / name) for name in manifest.orders.values()),
            remedy="read it, and say --allow-code if it may run on this machine",
        )
    with _new_home(home) as lake:
        restore_inputs(folder, manifest, lake)
        runs = _runs(folder, manifest, lake)
        _make_ready(runs, say)
        function = partial(_simulate, keep=home is not None)
        found: dict[int, Mapping[str, Digest]] = {}
        with backend(workers or default_workers(len(runs))) as place:
            for number, digests in place.map(function, runs):
                found[number] = digests
                if tell:
                    tell(len(found) / len(runs))
    checks = [_compared(run, found[number]) for number, run in enumerate(manifest.runs)]
    return Reproduced(tuple(checks), round(time.perf_counter() - begun, 3))


def _check_software(folder: Path, manifest: Manifest, anyway: bool, say: Callable[[str], None] | None) -> None:
    here = Software.here()
    made_by = manifest.software.pipesim
    if made_by != here.pipesim and not anyway:
        raise RequestError(
            f"pipesim {made_by} made this share, and this is pipesim {here.pipesim}, which may simulate otherwise",
            where=str(folder),
            remedy=f"install pipesim {made_by}, or say --anyway to see whether this one gives the same",
        )
    if say:
        for difference in [f"pipesim {made_by}, here {here.pipesim}"] * (made_by != here.pipesim):
            say(f"note: the share was made with {difference}")
        for difference in manifest.software.unlike(here):
            say(f"note: the share was made with {difference}")


@contextmanager
def _new_home(home: Path | None) -> Iterator[Lake]:
    if home is None:
        with TemporaryDirectory(prefix="pipesim-reproduce-") as temporary:
            yield Lake(Path(temporary))
        return
    if home.exists() and not (home.is_dir() and not any(home.iterdir())):
        raise RequestError("this is not new", where=str(home), remedy="name a home folder that does not exist yet")
    yield Lake(home)


def _runs(folder: Path, manifest: Manifest, lake: Lake) -> list[Run]:
    """Return what is to be simulated, in the order of the manifest."""
    scenarios: dict[str, Scenario] = {}
    for name in manifest.scenarios:
        for variant in load_sweep(folder / name).variants():
            scenarios[variant.scenario.name] = with_restored_order(variant.scenario, manifest, lake)
    if unknown := sorted({run.scenario for run in manifest.runs} - set(scenarios)):
        raise FileError(
            f"the share has no scenario {unknown[0]}, which it says was run", where=str(folder / FILE), remedy="get it again"
        )
    return [Run(lake.home, scenarios[run.scenario], run.replication, run.engine) for run in manifest.runs]


def _make_ready(runs: Sequence[Run], say: Callable[[str], None] | None) -> None:
    for engine in sorted({run.engine for run in runs if run.engine}):
        make_ready(engine, {run.scenario.name: run.scenario for run in runs if run.engine == engine}.values(), say)


def _simulate(run: Run, *, keep: bool) -> dict[str, Digest]:
    """Simulate a run and return what identifies its tables; unless they are to be kept, nothing is left of them."""
    run_replication(run)
    lake, name = Lake(run.home), run.scenario.name
    digests = run_digests(lake, name, run.replication)
    if not keep:  # else a sweep of thousands of runs would fill the disk
        for table in (*RUN_TABLES, "manifests"):
            shutil.rmtree(lake.simulated_folder(table, name, run.replication), ignore_errors=True)
    return digests


def _compared(run: SharedRun, found: Mapping[str, Digest]) -> RunCheck:
    values = [{name: digest.values for name, digest in tables.items()} for tables in (run.tables, found)]
    different = [name for name in RUN_TABLES if values[0].get(name) != values[1].get(name)]
    return RunCheck(
        run.scenario,
        run.replication,
        tuple(different),
        not different and all(found[name].sha256 == shared.sha256 for name, shared in run.tables.items()),
    )

"""The commands by which experiments are given away, and simulated again by others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipesim.cli.experiments import Scenarios, warn
from pipesim.cli.options import HOME, Debug, Engine, Home, Json, Replications, Workers, answer, say
from pipesim.cli.printing import reproduced_table
from pipesim.cli.scenarios import load_all, published, variants_of
from pipesim.lake import Lake
from pipesim.progress import bar
from pipesim.report.words import listed
from pipesim.words import count

if TYPE_CHECKING:
    from pipesim.experiments.replications import RunResult


def share(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write; an earlier share is replaced.")],
    scenarios: Scenarios,
    with_log: Annotated[
        bool, typer.Option("--with-log", help="Give the log away where a scenario replays it, or estimates from it.")
    ] = False,
    engine: Engine = None,
    replications: Replications = None,
    workers: Workers = None,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write scenarios, what they were simulated on and what came out into a folder from which others get the same bytes."""
    from pipesim.experiments.sharing import share as write_share

    lake, sweeps = Lake(home), load_all(scenarios)
    variants = variants_of(sweeps)
    warned: dict[str, set[str]] = {}

    def page(results: Sequence[RunResult]) -> str:
        from pipesim.experiments.sweeps import sweep_rows
        from pipesim.report.decision import Evidence, decision_page

        swept = [sweep_rows(sweep) for sweep in sweeps if sweep.axes]
        evidence = Evidence.at_hand(lake, [result.summary for result in results], swept, for_others=True)
        return decision_page(evidence, f"pipesim report: {listed([sweep.name for sweep in sweeps])}")

    def note(result: RunResult) -> None:
        for warning in result.warnings:
            warned.setdefault(warning, set()).add(result.summary.scenario)

    with bar("simulating") as progress:
        try:
            with published(lake):
                shared = write_share(
                    lake, folder, list(zip(sweeps, variants, strict=True)), with_log=with_log, engine=engine,
                    replications=replications, workers=workers, page=page, on_done=note, say=say, tell=progress,
                )  # fmt: skip
        finally:
            warn(warned, [variant.scenario.name for of_file in variants for variant in of_file])
    runs = f"{count(shared.runs, 'run')} of {count(shared.scenarios, 'scenario')}, {shared.simulated:,} of them simulated now"
    text = f"{folder}: {runs}; {shared.bytes:,} bytes\nothers get the same by: pipesim reproduce {folder}"
    answer(shared.as_dict(), as_json, text)


def reproduce(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `pipesim share` wrote.")],
    anyway: Annotated[bool, typer.Option("--anyway", help="Try it though another version of pipesim made the share.")] = False,
    allow_code: Annotated[bool, typer.Option("--allow-code", help="Run the Python code in the share; read it first.")] = False,
    workers: Workers = None,
    home: Annotated[
        Path | None, typer.Option("--home", metavar="FOLDER", help="A new home folder to keep what comes out.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Simulate everything in a share again and compare each table; exit 1 if one is different."""
    from pipesim.catalog import publish
    from pipesim.experiments.sharing import reproduce as simulate_again

    with bar("simulating again") as progress:
        found = simulate_again(folder, home=home, workers=workers, anyway=anyway, allow_code=allow_code, say=say, tell=progress)
    if home is not None:
        publish(Lake(home))
    answer(found.as_dict(), as_json, reproduced_table(found))
    if found.different:
        raise typer.Exit(1)

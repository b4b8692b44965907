"""The command that holds a scenario's platform to the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipesim.cli.options import HOME, Debug, Home, Json, Workers, answer, say
from pipesim.cli.printing_calibration import calibration_text
from pipesim.lake import Lake
from pipesim.progress import working


def calibrate(
    scenario: Annotated[
        Path | None,
        typer.Argument(metavar="SCENARIO.yaml", help="The platform as it is believed to be; by default the scenario as-is."),
    ] = None,
    replications: Annotated[int, typer.Option("--replications", metavar="N", min=1, help="Runs of drawn work.")] = 10,
    workers: Workers = None,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit a scenario's pools to the waits of the log, and tell how far what is simulated is from what was observed."""
    from pipesim.catalog import publish
    from pipesim.experiments.calibration import calibrate as fit_platform
    from pipesim.experiments.scenario_files import read_scenario
    from pipesim.simulation import load_scenario

    lake = Lake(home)
    believed = load_scenario(scenario) if scenario else read_scenario(lake, "as-is")
    with working("holding the platform to the log"):
        found = fit_platform(lake, believed, replications=replications, workers=workers, say=say)
        publish(lake)
    for note in found.notes:
        say(f"note: {note}")
    answer(found.as_dict(), as_json, calibration_text(found))

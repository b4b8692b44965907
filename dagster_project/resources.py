"""The resource that every asset works on: the home folder with its lake."""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from pipesim.lake import Lake


class Home(dg.ConfigurableResource[Lake]):
    """The home folder that holds everything: lake, models, reports and the catalogue."""

    path: str = Field(
        default_factory=lambda: os.environ.get("PIPESIM_HOME") or "pipesim_home",
        description="The folder; by default PIPESIM_HOME, else ./pipesim_home.",
    )

    def lake(self) -> Lake:
        """Open the lake.

        Raises:
            RequestError: If the folder cannot be made or written.
        """
        return Lake(Path(self.path))

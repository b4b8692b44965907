"""The resources that assets, sensors and schedules work on: the home folder with its lake, and the inbox."""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field

from pipesim.lake import Lake
from pipesim.shipped import shipped


class Home(dg.ConfigurableResource[Lake]):
    """The home that holds everything: lake, models, reports and the catalogue."""

    path: str = Field(
        default_factory=lambda: os.environ.get("PIPESIM_HOME") or "pipesim_home",
        description="The folder, or s3://bucket/prefix; by default PIPESIM_HOME, else ./pipesim_home.",
    )

    def lake(self) -> Lake:
        """Open the lake.

        Raises:
            RequestError: If the folder cannot be made or written, or the object store refuses.
            WorkError: If the object store does not answer.
        """
        return Lake(self.path)


class Inbox(dg.ConfigurableResource[Path]):
    """The folder that is watched for new logs."""

    path: str = Field(
        default_factory=lambda: os.environ.get("PIPESIM_INBOX") or str(shipped("traces", "inbox")),
        description="The folder; by default PIPESIM_INBOX, else traces/inbox.",
    )

    def folder(self) -> Path:
        """Return the folder, which need not exist."""
        return Path(self.path).absolute()

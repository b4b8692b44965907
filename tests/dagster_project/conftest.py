"""What the tests of the Dagster project share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipesim.experiments import scenario_files


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that is gone after the test."""
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand a folder of the test's own for the shipped scenarios."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(scenario_files, "shipped", lambda *_: folder)
    return folder

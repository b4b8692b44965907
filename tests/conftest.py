"""What several test modules share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from pipesim.lake import Lake

REPOSITORY = Path(__file__).parents[1]

# Tests marked `drawn` leave it to the profile how many examples are drawn, as each takes long.
settings.register_profile("few", max_examples=15, deadline=None)
settings.register_profile("many", max_examples=200, deadline=None)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty home folder."""
    return Lake(tmp_path / "home")


def philly_file() -> Path:
    """The Philly extract; skips the test where it does not lie beside the checkout."""
    path = REPOSITORY.parent / "shared" / "traces" / "philly.csv"
    if not path.is_file():
        pytest.skip("the Philly extract does not lie beside this checkout")
    return path

"""A share of every kind of scenario: a sweep, a replay, models that are retrained, estimates, an order of one's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipesim.experiments.sharing import Experiment, share
from pipesim.experiments.sweeps import load_sweep
from pipesim.lake import Lake

SYNTHETIC = "workload: {kind: synthetic, days: 2, seed: 3}\nplatform: {pools: [{name: p, slots: 2}]}\n"
SCENARIOS = {
    "sweep": SYNTHETIC + "policy: {order: {sweep: [fifo, sjf]}}\nreplications: 2\n",
    "replay": "workload: {kind: replay}\nplatform: {pools: [{name: p, slots: 2}]}\n",
    "retrained": SYNTHETIC.replace("slots: 2", "slots: 4")
    + "lifecycle: {live_after: train, trigger: {staleness: {days: 1}}, decay: {gradual_per_day: 0.02}}\n",
    "estimated": SYNTHETIC + "policy: {order: sjf, estimates: history}\n",
    "own": SYNTHETIC + "policy: {order: 'ORDER:shortest'}\n",
}
ORDER = "def shortest(task):\n    return task.estimated_duration_s\n"

Write = Callable[..., list[Experiment]]


@pytest.fixture(scope="session")
def write_scenarios() -> Write:
    """Write scenario files of these names into a folder and load them."""

    def write(folder: Path, names: Sequence[str] = tuple(SCENARIOS)) -> list[Experiment]:
        folder.mkdir(exist_ok=True)
        order = folder / "order.py"
        order.write_text(ORDER)
        experiments: list[Experiment] = []
        for name in names:
            file = folder / f"{name}.yaml"
            file.write_text(SCENARIOS[name].replace("ORDER", str(order)))
            sweep = load_sweep(file)
            experiments.append((sweep, sweep.variants()))
        return experiments

    return write


@pytest.fixture(scope="session")
def made(_fitted_home: Path, tmp_path_factory: pytest.TempPathFactory, write_scenarios: Write) -> tuple[Lake, Path]:
    """The lake and the share of all scenarios that was made from it; both are for reading."""
    folder = tmp_path_factory.mktemp("made")
    lake = Lake(Path(shutil.copytree(_fitted_home, folder / "home")))
    share(lake, folder / "share", write_scenarios(folder / "given"), with_log=True, workers=1)
    return lake, folder / "share"


@pytest.fixture
def shared(made: tuple[Lake, Path], tmp_path: Path) -> Path:
    """A copy of that share, as others get it."""
    return Path(shutil.copytree(made[1], tmp_path / "shared"))


@pytest.fixture(scope="session")
def _sweep_made(made: tuple[Lake, Path], write_scenarios: Write) -> Path:
    folder = made[1].parent
    share(made[0], folder / "sweep", write_scenarios(folder / "given", ["sweep"]), workers=1)
    return folder / "sweep"


@pytest.fixture
def sweep_share(_sweep_made: Path, tmp_path: Path) -> Path:
    """A share of the sweep alone: two scenarios, two replications each."""
    return Path(shutil.copytree(_sweep_made, tmp_path / "share"))

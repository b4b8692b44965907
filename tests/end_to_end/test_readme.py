"""The README as a new user meets it: every command in it is run, in order, from a fresh copy of the repository."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

import duckdb
import pytest

from pipesim.simulation import compiled
from tests.conftest import REPOSITORY
from tests.docs.blocks import blocks

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    command.typed for block in blocks(REPOSITORY / "README.md") if block.language == "console" for command in block.commands
]
#: The Python of the machine.
_BASE = str(getattr(sys, "_base_executable", sys.executable))
TEST_COMMAND = "python3 run.py test"
DEMO_COMMAND = "python3 run.py demo"
UI_COMMAND = "pipesim ui --home my_platform"
#: What the demo prints, and what the comparison of strategies does.
SHOWN = re.findall(r"```text\n(.*?)```", README, re.S)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks, with a `.venv` of its own that has all that these tests have, and is known to have it."""
    folder = tmp_path_factory.mktemp("checkout") / "pipesim"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, target)
    # To compile the engine once more would take as long as all the rest; its machine code lies beside the sources, as here.
    for part in ("plain", "lifecycle"):
        compiled.make_ready(part)
    cache = Path("pipesim", "simulation", "compiled", "__pycache__")
    shutil.copytree(REPOSITORY / cache, folder / cache, dirs_exist_ok=True)
    # To install everything once more would take minutes, and into the environment of these tests would break that.
    subprocess.run([_BASE, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (packages,) = (folder / ".venv").glob("lib/python*/site-packages")
    (packages / "theirs.pth").write_text(sysconfig.get_path("purelib"))
    stamp = runpy.run_path(str(folder / "run.py"), run_name="run")["fingerprint"](folder / "requirements.lock")
    (folder / ".venv" / "pipesim-requirements.stamp").write_text(stamp)
    return folder


def _environment(checkout: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIPESIM", "DAGSTER"))}
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(checkout), "VIRTUAL_ENV": sys.prefix}


def _run(checkout: Path, commands: list[str]) -> str:
    """Run commands one after the other, all of which must succeed, and return what they print."""
    done = subprocess.run(
        ["bash", "-c", "\n".join(["set -euo pipefail", *commands])],
        cwd=checkout,
        env=_environment(checkout),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_demo_of_the_readme_runs_and_prints_what_is_shown(checkout: Path) -> None:
    # The Python of the machine runs it, outside any environment.
    said = _run(checkout, [DEMO_COMMAND.replace("python3", _BASE)])
    for line in SHOWN[0].splitlines():
        if line.startswith(("ingest", "synthesize", "simulate", "retrain", "analyze")):
            assert line in said, line
        if line.startswith("answer"):
            assert line.split(": ")[0] in said, line
    assert (checkout / "pipesim_home" / "reports" / "report.html").stat().st_size > 100_000
    with duckdb.connect(str(checkout / "pipesim_home" / "warehouse.duckdb"), read_only=True) as con:
        rows = con.sql(
            "SELECT trace, count(*) FROM analytics.scenario_summary WHERE origin = 'simulated' GROUP BY 1 ORDER BY 1"
        ).fetchall()
    strategies = sorted(file.stem for file in (REPOSITORY / "scenarios" / "retraining").glob("*.yaml"))
    assert len(strategies) == 10
    assert rows == sorted([("as-is", 3), ("more-gpus", 3), ("shortest-first", 3), *((name, 4) for name in strategies)])


@pytest.mark.endurance
def test_every_other_command_of_the_readme_runs(checkout: Path) -> None:
    # The first is what runs these tests (see below), the others have tests of their own.
    said = _run(checkout, [command for command in COMMANDS if command not in (TEST_COMMAND, DEMO_COMMAND, UI_COMMAND)])
    assert [line for line in SHOWN[1].splitlines() if line not in said] == []


@pytest.mark.slow
def test_the_ui_answers_on_loopback_and_stops(checkout: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "pipesim", "ui", "--home", str(checkout / "ui_home"), "--port", "34917"],
        cwd=checkout, env=_environment(checkout), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as ui:  # fmt: skip
        try:
            assert _answers("http://127.0.0.1:34917/server_info", within_s=90)
        finally:
            ui.send_signal(signal.SIGTERM)
            ui.wait(timeout=60)
    assert not _answers("http://127.0.0.1:34917/server_info", within_s=0)


def _answers(url: str, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.5)


def test_the_readme_and_the_checks_agree() -> None:
    assert TEST_COMMAND in COMMANDS
    assert DEMO_COMMAND in COMMANDS
    assert UI_COMMAND in COMMANDS
    assert TEST_COMMAND in (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (REPOSITORY / target).exists(), target


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_pins_hashes_and_names_no_host(lock: str) -> None:
    text = (REPOSITORY / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "@" not in text
    pinned = re.findall(r"^([A-Za-z0-9_.\[\],-]+)==[^ ]+ .*\\\n    --hash=sha256:", text, re.M)
    assert len(pinned) == len(re.findall(r"^[A-Za-z0-9]", text, re.M))

"""The page of the command line is the one that the commands give, with every option that `--help` shows."""

from __future__ import annotations

import re

import pytest
import typer
from typer.testing import CliRunner

from pipesim.cli import app
from pipesim.cli.page import page
from tests.conftest import REPOSITORY

PAGE = page()
COMMANDS = re.findall(r"^## pipesim (.*)$", PAGE, re.M)


def test_the_page_is_the_one_that_the_commands_give() -> None:
    assert (REPOSITORY / "docs" / "command-line.md").read_text(encoding="utf-8") == PAGE, (
        "run: python -m pipesim.cli.page > docs/command-line.md"
    )


def test_it_has_every_command() -> None:
    top = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    names = {f"{name} {inner}" for name, group in top.items() for inner in getattr(group, "commands", ())}
    names |= {name for name, command in top.items() if not getattr(command, "commands", None)}
    assert names == set(COMMANDS)
    assert len(names) > 15


@pytest.mark.parametrize("command", COMMANDS)
def test_it_has_every_option_that_help_shows(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"}).output
    section = PAGE.split(f"\n## pipesim {command}\n")[1].split("\n## ")[0]
    options = set(re.findall(r"^ +(--[a-z-]+)", shown, re.M)) - {"--help"}
    assert options - set(re.findall(r"`(--[a-z-]+)", section)) == set()
    assert "[required]" not in shown or "| needed |" in section


@pytest.mark.parametrize(
    "row",
    [
        "| `--replications N` | | Runs of each scenario. At least 1. |",
        "| `--port N` | `3000` | The port on 127.0.0.1. At least 1. At most 65535. |",
        "| `--home FOLDER` | `pipesim_home` | The folder that holds everything, or s3://bucket/prefix. "
        "Or the variable `PIPESIM_HOME`. |",
        "| `--seed S` | `0` | The root seed. |",
        "| `SCENARIO.yaml...` | needed | Scenario files; one may be a sweep. |",
    ],
)
def test_defaults_and_bounds_are_told(row: str) -> None:
    assert row in PAGE

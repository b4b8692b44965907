"""Every code block of the documentation holds: commands print what is shown, Python and SQL run, YAML is what pipesim reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from pipesim.errors import PipesimError
from pipesim.experiments.sweeps import load_sweep
from pipesim.ingest.mapping.model import load_mapping
from pipesim.simulation import Scenario, compiled
from tests.conftest import REPOSITORY
from tests.docs.blocks import DOCS, LANGUAGES, PAGES, Block, Command, blocks

BLOCKS = {path.relative_to(DOCS).as_posix(): blocks(path) for path in PAGES}
EVERY = [block for of_page in BLOCKS.values() for block in of_page]
#: Pages whose commands take many seconds; the others are run by default.
LONG = (
    "experiments.md", "mapping.md", "operations.md", "quality.md", "scenarios.md", "sql.md", "tutorial.md", "workload.md",
    "sources/openlineage.md", "sources/swf.md", "sources/wfformat.md",
)  # fmt: skip
#: No more blocks than this are excused.
MOST_NOT_RUN = 9
SQL_HOME = "my_platform"

_MARK = "\x1e"
_RUN = [
    name for name, held in BLOCKS.items() if any(b.language in ("console", "python", "sql") and not b.not_run for b in held)
]
_YAML = [block for block in EVERY if block.language == "yaml" and not block.not_run]


def test_every_block_says_what_it_is() -> None:
    assert [f"{b}: {b.language!r}" for b in EVERY if b.language not in (*LANGUAGES, "before")] == [], (
        f"fence a block, name its language, one of {', '.join(LANGUAGES)}; if it cannot be run, <!-- not run: why -->"
    )


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    excused = [f"{block}: {block.not_run}" for block in EVERY if block.not_run]
    assert len(excused) <= MOST_NOT_RUN, "\n".join(excused)
    assert all(len(line.split(": ", 1)[1]) > 10 for line in excused)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.endurance if name in LONG else ()) for name in _RUN]
)  # fmt: skip
def test_what_a_page_shows_is_what_happens(name: str, tmp_path: Path) -> None:
    steps = [step for block in BLOCKS[name] if not block.not_run for step in _steps(block, tmp_path)]
    for part in ("plain", "lifecycle") if name in LONG else ():
        compiled.make_ready(part)  # or a page would show that the engine is compiled, once on a machine
    for folder in ("docs", "scenarios", "sql", "tests", "traces"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    script = "set -uo pipefail\n" + "".join(
        f"printf '{_MARK}'\n{command.typed}\ncode=$?; [ $code = 0 ] || exit $code\n" for _, command in steps
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=_environment(), text=True, timeout=900, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = done.stdout.split(_MARK)[1:]
    block, command = steps[len(said) - 1]
    assert done.returncode == 0, f"{block}: {command.typed}\n{said[-1]}"
    assert len(said) == len(steps)
    for (block, command), answer in zip(steps, said, strict=True):
        assert command.is_answered_by(answer), f"{block}: $ {command.typed}\nprints\n{answer}\nwhere is shown\n{command.shown}"


@pytest.mark.parametrize("block", _YAML, ids=str)
def test_yaml_is_a_scenario_or_a_mapping(block: Block, tmp_path: Path) -> None:
    given = yaml.safe_load(block.text)
    file = tmp_path / "given.yaml"
    file.write_text(block.text, encoding="utf-8")
    if {"columns", "tables"} & given.keys():
        assert load_mapping(file).tables
        return
    top = {key.split(".")[0] for key in given}
    if "platform" not in top:  # a part of a scenario: what is left out is as simple as can be
        with file.open("a", encoding="utf-8") as rest:
            rest.write("\nplatform: {pools: [{name: gpu, gpus: 8}, {name: cpu, cpu_cores: 48}]}\n")
    try:
        variants = load_sweep(file).variants()
    except PipesimError as error:
        pytest.fail(f"{block}: {error}")
    assert all(isinstance(variant.scenario, Scenario) for variant in variants)
    assert (len(variants) > 1) == ("sweep:" in block.text)


@pytest.mark.parametrize("block", [block for block in EVERY if block.language == "toml"], ids=str)
def test_toml_parses(block: Block) -> None:
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("file", sorted((DOCS / "examples").glob("*.yaml")), ids=lambda file: file.name)
def test_example_files_load(file: Path) -> None:
    assert load_mapping(file).tables if "columns" in yaml.safe_load(file.read_text()) else load_sweep(file).variants()


@pytest.mark.parametrize(
    ("shown", "said", "holds"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\nc\n", False),
        ("a … s\n", "a 12 s\n", True),
        ("a …\n", "a\n", False),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ("a\n…\nz\n", "a\nz\n", True),
        ("a\n", "a\nb\n", False),
        ("(1) .*\n", "(1) x\n", False),
        ("", "whatever\n", True),
    ],
)
def test_what_is_shown_is_compared_line_by_line(shown: str, said: str, holds: bool) -> None:
    assert Command("do", shown).is_answered_by(said) is holds


def _steps(block: Block, folder: Path) -> list[tuple[Block, Command]]:
    """Return the commands that run a block."""
    file = folder / f"block_{block.line}.{block.language}"
    match block.language:
        case "before":
            return [(block, Command(block.text, ""))]
        case "console":
            return [(block, command) for command in block.commands]
        case "python":
            file.write_text(block.text, encoding="utf-8")
            return [(block, Command(f"python -W error {file.name}", ""))]
        case "sql":
            file.write_text(block.text, encoding="utf-8")
            return [(block, Command(f'pipesim sql "$(cat {file.name})" --home {SQL_HOME}', ""))]
    return []


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not re.match("PIPESIM|DAGSTER|PYTHON", key)}
    path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "120"}

"""What a share says of itself: versions, runs with their seeds, and what identifies its files and all simulated tables."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from pipesim import __version__
from pipesim.errors import FileError, RequestError
from pipesim.experiments.sharing.digests import Digest, sha256_of
from pipesim.schema import TRACE_TABLES

FILE = "manifest.json"
#: The packages that have a say in what comes out.
_PACKAGES = ("numba", "numpy", "polars", "scipy", "simpy")
_SHOWN = 10


def _inside(name: str) -> str:
    """Refuse the name of a file that does not lie in the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or path.as_posix() != name or name == ".":
        raise ValueError("no file of this folder")
    return name


def _table(name: str) -> str:
    """Refuse what is no table of a log, as it becomes a path in a home folder."""
    if name not in TRACE_TABLES:
        raise ValueError("no table of a log")
    return name


Inside = Annotated[str, AfterValidator(_inside)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class SharedRun(_Part):
    """One run.

    Args:
        scenario: The scenario's name.
        replication: Its number, from 0.
        engine: The engine that ran it.
        seeds: `root`: that of the scenario; `workload` and `lifecycle`: what the replication drew its work and its retrainings
            with, where it drew them.
        tables: What identifies each of its simulated tables as the lake stores them.
    """

    scenario: str
    replication: int
    engine: str
    seeds: Mapping[str, int]
    tables: Mapping[str, Digest]


class Software(_Part):
    """What a share was made with."""

    pipesim: str
    python: str
    machine: str
    packages: Mapping[str, str]

    @classmethod
    def here(cls) -> Software:
        """Return what runs now."""
        packages = {name: version(name) for name in _PACKAGES}
        return cls(pipesim=__version__, python=platform.python_version(), machine=platform.machine(), packages=packages)

    def unlike(self, other: Software) -> list[str]:
        """Say what differs in the other one, pipesim itself aside: `polars 2.1.0, here 2.2.0`."""
        mine, theirs = ({"python": one.python, "machine": one.machine, **one.packages} for one in (self, other))
        return [f"{name} {said}, here {theirs.get(name, 'none')}" for name, said in mine.items() if theirs.get(name) != said]


class Manifest(_Part):
    """What a share says of itself.

    Args:
        kind: By which a share is known.
        format: Of the folder; another one is for another version to read.
        software: What it was made with.
        scenarios: The scenario files, in the order in which they were given.
        model: The workload model, if one was needed.
        log: The tables of the log, by name, if they were needed.
        orders: The file of each order of one's own, by what the scenarios call it.
        runs: All runs, by scenario, then by replication.
        files: The SHA-256 of every other file of the folder.
    """

    kind: Literal["pipesim share"] = "pipesim share"
    format: Literal[1] = 1
    software: Software
    scenarios: tuple[Inside, ...]
    model: Inside | None
    log: Mapping[Annotated[str, AfterValidator(_table)], Inside]
    orders: Mapping[str, Inside]
    runs: tuple[SharedRun, ...]
    files: Mapping[Inside, str]

    def to_json(self) -> str:
        """Return it as JSON, always the same bytes for the same share."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def files_of(folder: Path) -> list[str]:
    """Return the names of all files in a share but its manifest, ascending."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in names if name != FILE)


def is_share(folder: Path) -> bool:
    """Whether a folder says that it is a share, of whatever version."""
    try:
        said = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and said.get("kind") == "pipesim share"


def listed_files(folder: Path) -> set[str]:
    """Return the names of the files that a share of whatever version lists."""
    return set(json.loads((folder / FILE).read_text(encoding="utf-8")).get("files", ()))


def read_manifest(folder: Path) -> Manifest:
    """Return what a share says of itself, once every file is as it says.

    Raises:
        RequestError: If the folder is no share, or one of another version's.
        FileError: If files are missing or are not what they were, or the manifest names files that a share does not have.
    """
    if not is_share(folder):
        raise RequestError(
            "this is no share of experiments",
            where=str(folder),
            remedy=f"name a folder that `pipesim share` made; it holds a {FILE} that says so",
        )
    try:
        manifest = Manifest.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise FileError(
            f"this version cannot read what the share says of itself: {place}: {first['msg']}",
            where=str(folder / FILE),
            remedy="get the share again, or the version of pipesim that its README.txt names",
        ) from error
    _check_files(folder, manifest)
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    used = {*manifest.scenarios, *manifest.log.values(), *manifest.orders.values()} | (
        {manifest.model} if manifest.model else set()
    )
    wrong = [f"{name}: the manifest does not say what is in it" for name in sorted(used - set(manifest.files))]
    for name, expected in sorted(manifest.files.items()):
        if not (folder / name).is_file():
            wrong.append(f"{name}: missing")
        elif sha256_of(folder / name) != expected:
            wrong.append(f"{name}: not what it was when it was shared")
    if wrong:
        more = [f"and {len(wrong) - _SHOWN:,} more"] * (len(wrong) > _SHOWN)
        told = "".join(f"\n  {line}" for line in [*wrong[:_SHOWN], *more])
        raise FileError(f"the share is not as it was made{told}", where=str(folder), remedy="get it again from who made it")

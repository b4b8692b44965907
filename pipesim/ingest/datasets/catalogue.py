"""The catalogue of public data sets: a YAML file that ships with the package, typed and checked."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipesim.errors import ConfigError, RequestError
from pipesim.yaml_text import parse_yaml

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
#: What a finished fetch leaves beside the files of a data set.
MANIFEST = "MANIFEST"
#: How the name of a file ends that is not complete yet.
PART = ".part"


def is_inside(name: str) -> bool:
    """Return whether a path stays in the folder that it is relative to, on any system."""
    windows = PureWindowsPath(name)
    return bool(
        name.isprintable()
        and not (windows.drive or windows.root or "\\" in name)
        and ".." not in windows.parts
        and str(PurePosixPath(name)) == name != "."
    )


def is_loopback(url: str) -> bool:
    """Return whether a URL names an address of this machine, as a number: names may resolve to anything."""
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False


def may_fetch(url: str) -> bool:
    """Return whether a URL is one that is fetched from: https, or http to an address of this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))


def _file_name(name: str) -> str:
    if not is_inside(name) or any(part.startswith(".") for part in PurePosixPath(name).parts):
        raise ValueError(f"{name!r} is no relative path of plain names")
    if name == MANIFEST or name.endswith(PART):
        raise ValueError(f"{name!r} is a name that fetching needs for itself")
    return name


def _url(url: str) -> str:
    if not may_fetch(url):
        raise ValueError(f"{url!r} is neither https nor http to an address of this machine")
    return url


FileName = Annotated[str, AfterValidator(_file_name)]
Url = Annotated[str, AfterValidator(_url)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Strict):
    """A file in an archive; others in it are not unpacked."""

    name: FileName = Field(description="Its path in the archive, and below the folder.")
    bytes: int | None = Field(None, ge=0, description="Its published size.")
    sha256: Sha256 | None = Field(None, description="Its published checksum.")


class DataFile(_Strict):
    """A file to fetch."""

    name: FileName = Field(description="Its path below the folder.")
    url: Url
    bytes: int | None = Field(None, ge=0, description="Its published size.")
    about_bytes: int | None = Field(None, ge=0, description="Its size rounded, where the exact one is not published.")
    sha256: Sha256 | None = Field(None, description="Its published checksum.")
    told_by: Url | None = Field(None, description="Who tells the checksum, if the publisher does not.")
    members: tuple[Member, ...] = Field((), description="Of an archive (.tar.gz, .tgz, .zip), the files to unpack.")

    @model_validator(mode="after")
    def _archive_with_members(self) -> DataFile:
        if self.name.endswith((".tar.gz", ".tgz", ".zip")) != bool(self.members):
            raise ValueError(f"{self.name}: members are of .tar.gz, .tgz and .zip, which need them")
        if self.told_by and not self.sha256:
            raise ValueError(f"{self.name}: told_by is of a checksum")
        return self


class Dataset(_Strict):
    """A public data set, and how it is ingested."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    page: Url = Field(description="Where it is published.")
    licence: str
    citation: str
    source: str = Field(description="What `pipesim ingest --source` is given.")
    read: tuple[FileName, ...] = Field(min_length=1, description="The files that are ingested.")
    notes: str = ""
    files: tuple[DataFile, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _files_fit(self) -> Dataset:
        names = list(self.names())
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))} stands twice")
        if unknown := set(self.read) - set(names):
            raise ValueError(f"read: {', '.join(sorted(unknown))} is none of its files")
        return self

    def names(self) -> Iterator[str]:
        """Give the paths of all files below the folder, each archive before what is in it."""
        for file in self.files:
            yield file.name
            yield from (member.name for member in file.members)

    def ingest_command(self, folder: Path, home: str | None = None) -> str:
        """Return the command that ingests the data set from its folder, into a home that is not the usual one."""
        words = ["pipesim", "ingest", *(str(folder / name) for name in self.read), "--source", self.source]
        return shlex.join([*words, "--home", home] if home else words)

    def as_dict(self) -> dict[str, Any]:
        """Return what the catalogue says of it, for JSON."""
        return self.model_dump(mode="json")


class _Catalogue(_Strict):
    datasets: tuple[Dataset, ...]

    @model_validator(mode="after")
    def _unique(self) -> _Catalogue:
        names = [dataset.name for dataset in self.datasets]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))} stands twice")
        return self


def datasets() -> tuple[Dataset, ...]:
    """Return the data sets of the catalogue, in its order."""
    return parse_catalogue(CATALOGUE.read_text(encoding="utf-8"), str(CATALOGUE))


def parse_catalogue(text: str, place: str) -> tuple[Dataset, ...]:
    """Read a catalogue from YAML text; `place` names it in errors.

    Raises:
        ConfigError: With every mistake in it.
    """
    try:
        return _Catalogue.model_validate(parse_yaml(text, place)).datasets
    except ValidationError as error:
        problems = [
            (".".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, "))
            for item in error.errors(include_url=False)
        ]
        raise ConfigError(place, problems) from error


def find_dataset(name: str) -> Dataset:
    """Return a data set by name.

    Raises:
        RequestError: If the catalogue has none of that name.
    """
    known = {dataset.name: dataset for dataset in datasets()}
    if name not in known:
        raise RequestError(f"there is no data set {name!r}", remedy=f"use one of {', '.join(known)}")
    return known[name]

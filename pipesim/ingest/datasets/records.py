"""What is known of the files in a data set's folder: the manifest of a finished fetch, the journal of one that is not."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipesim import __version__
from pipesim.errors import FileError, RequestError
from pipesim.ingest.datasets.catalogue import MANIFEST, PART, DataFile, Dataset, Member
from pipesim.ingest.datasets.download import Version
from pipesim.store import flush

JOURNAL = ".fetch.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Record(_Strict):
    """What a file is that was fetched or unpacked."""

    url: str | None = Field(description="Where it came from, if it was fetched.")
    archive: str | None = Field(description="The SHA-256 of the archive that it came from, if it was unpacked.")
    bytes: int
    sha256: str
    is_published: bool = Field(description="Whether the SHA-256 is a published one; else it is what came first.")
    fetched_at: str


class _Journal(_Strict):
    dataset: str
    files: dict[str, Record]
    parts: dict[str, Version] = {}


class _Manifest(_Strict):
    dataset: str
    title: str
    page: str
    licence: str
    citation: str
    source: str
    pipesim: str
    files: dict[str, Record]


class Records:
    """The records of a folder. There is a manifest only while every file of the data set is there.

    Args:
        dataset: Whose folder it is.
        folder: The folder; it must exist.

    Raises:
        RequestError: If it holds another data set, or files of these names that are none of ours.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self._dataset = dataset
        self._manifest, self._journal = folder / MANIFEST, folder / JOURNAL
        self.files: dict[str, Record] = {}
        self.parts: dict[str, Version] = {}
        for path, kind in ((self._journal, _Journal), (self._manifest, _Manifest)):
            if path.exists():
                self._take(path, kind)

    def _take(self, path: Path, kind: type[_Journal | _Manifest]) -> None:
        try:
            found = kind.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise FileError(
                "this is no record of a fetched data set",
                where=str(path),
                remedy="name another folder with --to; if it was one, remove it: the files here are then taken as they are",
            ) from error
        if found.dataset != self._dataset.name:
            raise RequestError(
                f"this folder holds the data set {found.dataset}",
                where=str(path.parent),
                remedy="name another folder with --to",
            )
        self.files |= found.files
        self.parts |= found.parts if isinstance(found, _Journal) else {}

    def expected(self, file: DataFile | Member, archive: str | None = None) -> str | None:
        """Return the SHA-256 that a file must have, None if nobody knows.

        Args:
            file: A file, or a file in an archive.
            archive: The SHA-256 of that archive.
        """
        if file.sha256:
            return file.sha256
        record = self.files.get(file.name)
        origin = (file.url, None) if isinstance(file, DataFile) else (None, archive)
        return record.sha256 if record and (record.url, record.archive) == origin else None

    def note(self, name: str, record: Record) -> None:
        """Record what a file is that is about to be in its place."""
        self.files[name] = record
        self.parts.pop(name, None)
        self.reopen()

    def note_part(self, name: str, version: Version) -> None:
        """Record which version of a file is coming."""
        self.parts[name] = version
        self.reopen()

    def drop_part(self, name: str) -> None:
        """Forget a file that came, as it was wrong."""
        self.parts.pop(name, None)
        self.reopen()

    def reopen(self) -> None:
        """Take the manifest away, as not everything is there any more, and keep what it says in the journal."""
        _write(self._journal, _Journal(dataset=self._dataset.name, files=self.files, parts=self.parts))
        self._manifest.unlink(missing_ok=True)

    def finish(self) -> None:
        """Write the manifest, if something changed since there was one."""
        if self._manifest.exists() and not self._journal.exists():
            return
        told = self._dataset.model_dump(include={"title", "page", "licence", "citation", "source"})
        self.files = {name: self.files[name] for name in self._dataset.names()}
        _write(self._manifest, _Manifest(dataset=self._dataset.name, pipesim=__version__, files=self.files, **told))
        self._journal.unlink(missing_ok=True)


def _write(path: Path, value: BaseModel) -> None:
    draft = path.with_name(path.name + PART)
    draft.write_text(json.dumps(value.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    flush(draft)
    draft.replace(path)

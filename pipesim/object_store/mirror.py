"""A mirror: a home folder that follows a home on an object store, and commits there what was made here.

A commit on the store is like one on disk. Files are uploaded aside; then `state.json` is replaced, on the condition that it is
still what was read, by one that records what is to be moved where and marks the areas that change; then the store moves it;
then the record goes. Until the record is there the old state holds, from then on the new one, which whoever comes next
completes. Commits follow each other by a lock. Those who only read need none: they read the state before and after, and once
more if what they want was changed meanwhile.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pipesim.errors import PipesimError, WorkError
from pipesim.object_store.address import Address
from pipesim.object_store.index import Index
from pipesim.object_store.lease import Lease
from pipesim.object_store.objects import ConflictError, Listed, Objects
from pipesim.object_store.state import AREAS, SIMULATED, STATE, Change, State, area_of

#: How often an area may change under a reader's eyes before nobody may commit until it is read; how often single files may.
_TURNS, _TRIES = 5, 3
#: So many files are brought at a time; what an interrupted pull has brought by then is not brought again.
_BATCH = 64
#: A commit is held up for so long at most. It takes seconds itself.
_COMMIT_TIMEOUT_S = 120.0
#: What was uploaded so long ago and never committed is a dead machine's. A machine looks for it as often.
_ABANDONED_S = 86_400.0


@dataclass(frozen=True)
class Upload:
    """What was uploaded for a commit.

    Args:
        id: The commit.
        places: Where each object is to go.
        equal: The files that were not uploaded, as their places hold the same, by place, each with the tag of what is there.
    """

    id: str
    places: dict[str, str]
    equal: dict[str, tuple[Path, str]]


@dataclass(frozen=True)
class Committed:
    """A commit that the store has carried out: the tags of what it wrote, and the marks of all areas before."""

    change: Change
    tags: Mapping[str, str]
    before: Mapping[str, str]


class Mirror:
    """What a lake asks of the store that it mirrors. Everything but `upload` is asked under the mirror's own commit lock.

    Args:
        address: Where the home is.
        folder: The mirror, with its folder `.staging`.

    Raises:
        RequestError: If no store can be talked to.
    """

    def __init__(self, address: Address, folder: Path) -> None:
        self._folder = folder
        self._address = address
        self._objects = Objects(address)
        self._index = Index(folder / ".staging" / "mirror.sqlite")
        self._leases = {name: Lease(self._objects, address, name) for name in ("commit", "ingest")}

    def lock(self, name: str, timeout_s: float = _COMMIT_TIMEOUT_S) -> AbstractContextManager[None]:
        """Hold a lock between machines, `commit` or `ingest`."""
        return self._leases[name].hold(timeout_s)

    # --- following the store ----------------------------------------------------------------------------------------

    def pull(self, *, simulated: bool) -> None:
        """Bring what is new on the store, so that the mirror shows it as of one moment between two commits.

        Args:
            simulated: Whether the results of simulations are wanted too.

        Raises:
            RequestError: If there is no bucket, the credentials will not do, or the store heeds no conditions.
            WorkError: If the store does not answer.
        """
        if not self._follow(simulated):
            with self.lock("commit"):
                self._follow(simulated)

    def _follow(self, simulated: bool) -> bool:
        """Bring what is new, unless it changes too often meanwhile."""
        known, brought = self._index.marks(), dict[str, str]()
        for _ in range(_TURNS):
            state = self._settled(simulated)
            behind = {
                area: mark
                for area, mark in state.marks.items()
                if mark not in (known.get(area), brought.get(area)) and (simulated or area != SIMULATED)
            }
            if not behind:  # as what was brought since is what there is now
                self._index.note(marks=brought)
                self._clear(state)
                return True
            for area in behind:
                self._bring(area)
            brought |= behind
        return False

    def look(self, area: str) -> None:
        """Bring what others than pipesim may have put into an area, which leaves no mark."""
        self._bring(area)

    def fetch(self, paths: Sequence[str]) -> bool:
        """Bring single files of one area, whether they are there or not; tell whether they are as of one moment."""
        area = area_of(paths[0])
        assert area is not None
        for _ in range(_TRIES):
            before = self._state()
            if before.concerns({area}):
                continue
            if before.marks.get(area) == self._index.marks().get(area):
                return True
            there = {path: found for path in paths for found in self._objects.listing(path).values()}
            self._place({path: found for path, found in there.items() if self._index.tag(path) != found.tag})
            self._remove([path for path in paths if path not in there])
            if self._state().marks.get(area) == before.marks.get(area):
                return True
        return False

    def _bring(self, area: str) -> None:
        """Make an area's files those that a listing shows."""
        there, known = self._objects.listing(area), self._index.tags(area)
        here = set(self._files(area))
        wanted = [(path, found) for path, found in there.items() if path not in here or known.get(path) != found.tag]
        for begin in range(0, len(wanted), _BATCH):
            self._place(dict(wanted[begin : begin + _BATCH]))
        self._remove(here - there.keys())

    def _place(self, wanted: Mapping[str, Listed]) -> None:
        """Download objects and put them into their places; what is gone since it was listed is left out."""
        if not wanted:
            return
        aside = self._folder / ".staging" / "pull"
        aside.mkdir(exist_ok=True)
        drafts = {path: aside / str(number) for number, path in enumerate(wanted)}
        got = self._objects.download(drafts)
        self._index.note(gone=wanted.keys())
        for path in got:
            os.utime(drafts[path], (wanted[path].modified, wanted[path].modified))
            target = self._folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            drafts[path].replace(target)
        self._index.note({path: wanted[path].tag for path in got})
        shutil.rmtree(aside)

    def _remove(self, paths: Collection[str]) -> None:
        self._index.note(gone=paths)
        for path in paths:
            target = self._folder / path
            target.unlink(missing_ok=True)
            with suppress(OSError):  # until one is not empty
                while (target := target.parent) != self._folder:
                    target.rmdir()

    def _files(self, area: str) -> Iterator[str]:
        root = self._folder / area
        if root.is_file():
            yield area
        for folder, _, names in os.walk(root):
            inside = Path(folder).relative_to(self._folder).as_posix()
            yield from (f"{inside}/{name}" for name in names)

    def _clear(self, state: State) -> None:
        """Remove what dead machines uploaded and never committed, once in a while."""
        if time.time() - self._index.cleared() < _ABANDONED_S:
            return
        uploads: dict[str, list[tuple[str, Listed]]] = {}
        for path, found in self._objects.listing(".staging").items():
            if path.count("/") > 1:  # else a lock, or a mark
                uploads.setdefault(path.split("/")[1], []).append((path, found))
        for commit, objects in uploads.items():
            if min(found.age_s for _, found in objects) > _ABANDONED_S and not (state.pending and state.pending.id == commit):
                self._objects.delete([path for path, _ in objects])
        self._index.note_cleared(time.time())

    # --- changing the store -----------------------------------------------------------------------------------------

    def upload(self, moves: Iterable[tuple[Path, Path]]) -> Upload:
        """Upload the files of a commit aside: each one with the place in the mirror that it is meant for."""
        commit, files, places = uuid.uuid4().hex, dict[str, Path](), dict[str, str]()
        equal: dict[str, tuple[Path, str]] = {}
        last = {self._path(target): (staged, target) for staged, target in moves}
        for number, (path, (staged, target)) in enumerate(last.items()):
            if area_of(path) is None:
                continue
            if (tag := self._index.tag(path)) and target.is_file() and filecmp.cmp(staged, target, shallow=False):
                equal[path] = staged, tag
            else:
                files[_aside(commit, number)], places[_aside(commit, number)] = staged, path
        upload = Upload(commit, places, equal)
        try:
            self._objects.upload(files)
        except BaseException:
            self._drop(upload)
            raise
        return upload

    def _drop(self, upload: Upload) -> None:
        """Remove what was uploaded for a commit that will not be; what cannot be removed now goes after a day."""
        with suppress(PipesimError):
            self._objects.delete(upload.places)

    def commit(self, upload: Upload, removals: Iterable[Path]) -> Committed:
        """Have the store carry out a commit. Afterwards it is to be done to the mirror as well, and noted with `note`.

        Raises:
            WorkError: If it did not come about, or if it did, and the next command must complete it, as it says then.
        """
        with self.lock("commit"):
            try:
                state = self._completed(self._state())
                gone = tuple(path for path in map(self._path, removals) if area_of(path))
                change = Change(upload.id, tuple((upload.places | self._upload_late(upload, state)).items()), gone)
                self._insist()
            except BaseException:
                self._drop(upload)
                raise
            if not (change.moves or change.removals):
                return Committed(change, {}, state.marks)
            marks = {**state.marks, **dict.fromkeys(change.areas, change.id)}
            begun = self._write(replace(state, marks=marks, pending=change))
            try:
                tags = self._carry_out(begun)
            except PipesimError as error:
                raise WorkError(
                    f"a finished change could not be put into its place on the store: {error.message}",
                    where=str(self._address),
                    remedy="run any pipesim command when the store answers again: it completes the change; nothing is lost",
                ) from error
            self._index.note(gone=[*gone, *(path for _, path in change.moves)])
            return Committed(change, tags, state.marks)

    def _upload_late(self, upload: Upload, state: State) -> dict[str, str]:
        """Upload what was equal to what was in its place, but may not be any more; return where each object is to go."""
        marks = self._index.marks()
        late: dict[str, str] = {}
        files: dict[str, Path] = {}
        for number, (path, (staged, tag)) in enumerate(upload.equal.items()):
            area = area_of(path) or path
            if state.marks.get(area) != marks.get(area) or self._index.tag(path) != tag:
                name = _aside(upload.id, f"late-{number}")
                late[name], files[name] = path, staged
        self._objects.upload(files)
        return late

    def note(self, done: Committed) -> None:
        """Note that the mirror holds what was committed."""
        known = self._index.marks()
        untold = {area_of(path) for _, path in done.change.moves if path not in done.tags}
        # A mirror that had followed all that was before has followed this too.
        followed = [area for area in done.change.areas - untold if known.get(area) == done.before.get(area)]
        self._index.note(done.tags, marks=dict.fromkeys(followed, done.change.id))

    def _carry_out(self, state: State) -> dict[str, str]:
        """Carry out the commit that is recorded, from wherever it was interrupted; return the tags of what was written."""
        change = state.pending
        assert change is not None
        try:
            self._insist()  # else what somebody else has written since might be overwritten, or removed
            tags = self._objects.copy(change.moves)
            self._insist()
            self._objects.delete(change.removals)
            self._write(replace(state, pending=None))
        except (FileNotFoundError, WorkError) as error:
            now = self._state().pending
            if now is not None and now.id == change.id:
                if isinstance(error, WorkError):
                    raise
                raise WorkError(
                    "the uploaded files of an unfinished change are gone from .staging",
                    where=str(self._address),
                    remedy=f"remove {STATE} there, to go on with what is in place, and run the last commands again",
                ) from error
            tags = {}  # whoever took the lock over has done it
        with suppress(PipesimError):
            self._objects.delete([name for name, _ in change.moves])
        return tags

    def _insist(self) -> None:
        for lease in self._leases.values():
            lease.insist()

    def _completed(self, state: State) -> State:
        """Complete what a dead machine left of its commit. The lock must be held."""
        if state.pending is None:
            return state
        self._carry_out(state)
        return self._completed(self._state())

    def _settled(self, simulated: bool) -> State:
        """Return the state when no commit is being carried out that changes what is wanted."""
        state = self._state()
        if state.concerns(area for area in state.marks if simulated or area != SIMULATED):
            with self.lock("commit"):  # when it is free, whoever commits has come to an end, this way or that
                state = self._completed(self._state())
        return state

    def _state(self) -> State:
        while (there := self._objects.read(STATE)) is None:
            # A new home, or one that was copied there: all of it is news to everybody.
            self._objects.insist_on_conditions()
            with suppress(ConflictError):
                self._objects.write(STATE, State(dict.fromkeys(AREAS, uuid.uuid4().hex)).data(), None)
        return State.read(there.data, there.tag)

    def _write(self, state: State) -> State:
        """Write the state in place of the one that was read."""
        data = state.data()
        try:
            return replace(state, tag=self._objects.write(STATE, data, state.tag))
        except ConflictError as error:
            there = self._objects.read(STATE)
            if there is None or there.data != data:  # else it was written, and only the answer got lost
                raise WorkError(
                    "another machine took the commit lock over, as this one did not renew it in time",
                    where=str(self._address),
                    remedy="run the command again; nothing was changed",
                ) from error
            return replace(state, tag=there.tag)

    def _path(self, file: Path) -> str:
        return file.relative_to(self._folder).as_posix()


def _aside(commit: str, name: object) -> str:
    return f".staging/{commit}/{name}"

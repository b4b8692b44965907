"""An object store in memory, for tests: its clock can be set, and whoever talks to it can die, or pause, at any request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from pipesim.object_store import mirror
from pipesim.object_store.address import Address
from pipesim.object_store.objects import ConflictError, Content, Listed

Result = TypeVar("Result")
URL = "s3://lakes/team"


class DiedError(BaseException):
    """The process is dead; nothing of it may catch this."""


@dataclass
class Store:
    """The objects, and the seconds by the store's clock.

    `interrupt` is called before and after each request that is made, with how many were made before it and whether it is done.
    """

    objects: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    now: float = 1_000_000.0
    requests: int = 0
    interrupt: Callable[[int, bool], None] | None = None

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Have lakes talk to this store."""
        patch.setattr(mirror, "Objects", lambda address: Objects(self, address))

    def die_at(self, request: int, done: bool) -> None:
        """Have whoever makes this request, counted from now, die before or after it is carried out."""
        first = self.requests + request

        def interrupt(number: int, is_done: bool) -> None:
            if (number, is_done) >= (first, done):
                raise DiedError

        self.interrupt = interrupt


class Objects:
    """What `pipesim.object_store.objects.Objects` is for a real store."""

    def __init__(self, store: Store, address: Address) -> None:
        self._store = store

    def read(self, name: str) -> Content | None:
        return self._request(partial(self._content, name))

    def write(self, name: str, data: bytes, replaces: str | None) -> str:
        def act() -> str:
            there = self._content(name)
            if (there.tag if there else None) != replaces:
                raise ConflictError
            return self._put(name, data)

        return self._request(act)

    def remove(self, name: str, tag: str) -> None:
        def act() -> None:
            if (there := self._content(name)) and there.tag == tag:
                del self._store.objects[name]

        self._request(act)

    def listing(self, name: str) -> dict[str, Listed]:
        def act() -> dict[str, Listed]:
            names = [path for path in self._store.objects if path == name or path.startswith(f"{name}/")]
            found = {path: self._content(path) for path in names}
            return {path: Listed(c.tag, self._store.now - c.age_s, c.age_s) for path, c in found.items() if c}

        return self._request(act)

    def upload(self, files: Mapping[str, Path]) -> None:
        for name, file in files.items():
            self._request(partial(self._put, name, file.read_bytes()))

    def download(self, files: Mapping[str, Path]) -> set[str]:
        def act(name: str, file: Path) -> set[str]:
            if there := self._content(name):
                file.write_bytes(there.data)
            return {name} if there else set()

        return set().union(*(self._request(partial(act, name, file)) for name, file in files.items()))

    def copy(self, moves: Sequence[tuple[str, str]]) -> dict[str, str]:
        def act(source: str, target: str) -> str:
            if (there := self._content(source)) is None:
                raise FileNotFoundError
            return self._put(target, there.data)

        return {target: self._request(partial(act, source, target)) for source, target in moves}

    def delete(self, names: Collection[str]) -> None:
        def act() -> None:
            for name in names:
                self._store.objects.pop(name, None)

        self._request(act)

    def insist_on_conditions(self) -> None:
        pass

    def _content(self, name: str) -> Content | None:
        if (there := self._store.objects.get(name)) is None:
            return None
        return Content(there[0], hashlib.md5(there[0]).hexdigest(), self._store.now - there[1])

    def _put(self, name: str, data: bytes) -> str:
        self._store.objects[name] = data, self._store.now
        return hashlib.md5(data).hexdigest()

    def _request(self, act: Callable[[], Result]) -> Result:
        store, interrupt = self._store, self._store.interrupt or (lambda number, done: None)
        number = store.requests
        store.requests += 1
        interrupt(number, False)
        found = act()
        interrupt(number, True)
        return found

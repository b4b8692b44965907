"""A lock between machines: an object that says who holds it, made and taken over on conditions that only one can meet.

Its holder renews it. One that was not renewed for a whole lease, by the store's clock, is a dead holder's and is taken over.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pipesim.errors import PipesimError, WorkError
from pipesim.object_store.address import Address
from pipesim.object_store.objects import ConflictError, Content, Objects

#: How long a lock is good for after it was made or renewed.
LEASE_S = 60.0
#: How often it is renewed within that time.
_RENEWALS = 4
#: How long to wait before looking again at a lock that somebody holds: at first, and at most.
_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
_NEVER = (-math.inf, -math.inf)


class Lease:
    """A lock of a home on an object store; whoever holds it may take it again.

    Args:
        objects: The store.
        address: Where the home is.
        name: The lock's name.
    """

    def __init__(self, objects: Objects, address: Address, name: str) -> None:
        self._objects, self._address = objects, address
        self._name, self._object = name, f".staging/{name}.lock"
        self._times_held = self._times_written = 0
        self._token = self._tag = ""
        self._written_at = _NEVER

    @contextmanager
    def hold(self, timeout_s: float) -> Iterator[None]:
        """Hold the lock; one that a dead holder left is taken over.

        Raises:
            WorkError: If somebody else holds it for too long.
        """
        self._times_held += 1
        try:
            if self._times_held > 1:
                yield
                return
            self._token, ended = uuid.uuid4().hex, threading.Event()
            renewer = threading.Thread(target=self._renew, args=[ended], daemon=True)
            try:
                self._acquire(time.monotonic() + timeout_s)
                renewer.start()
                yield
            finally:
                ended.set()
                if renewer.ident:
                    renewer.join()
                self._release()
        finally:
            self._times_held -= 1

    def insist(self) -> None:
        """Make sure that nobody can have taken the lock over, if it is held at all.

        Raises:
            WorkError: If somebody may have, as it was not renewed in time.
        """
        if self._times_held and max(now - then for now, then in zip(_clocks(), self._written_at, strict=True)) > LEASE_S:
            raise WorkError(
                f"the {self._name} lock of this home was not renewed in time, and may be another machine's by now",
                where=str(self._address),
                remedy="run the command again; nothing was changed",
            )

    def _acquire(self, deadline: float) -> None:
        there: Content | None = None
        pause_s = _PAUSE_S
        share = 0.5 + int(self._token[:2], 16) / 512  # so that those who wait do not all ask at once
        while True:
            if there is None or there.age_s > LEASE_S:
                if self._write(there.tag if there else None):
                    return
            elif time.monotonic() > deadline:
                raise WorkError(
                    f"another machine holds the {self._name} lock of this home: {_holder(there)}",
                    where=str(self._address),
                    remedy="wait for it to finish, or stop it; nothing was changed",
                )
            else:
                time.sleep(pause_s * share)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            there = self._objects.read(self._object)

    def _write(self, replaces: str | None) -> bool:
        """Write the lock in place of what bears a tag; tell whether it is ours then."""
        self._times_written += 1  # no two may be alike, as equal contents bear equal tags
        holder = {"host": socket.gethostname(), "process": os.getpid(), "token": self._token, "written": self._times_written}
        data, begun = json.dumps(holder).encode(), _clocks()
        try:
            self._tag = self._objects.write(self._object, data, replaces)
        except ConflictError:
            there = self._objects.read(self._object)
            if there is None or there.data != data:  # else it was written, and only the answer got lost
                return False
            self._tag = there.tag
        self._written_at = begun
        return True

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(LEASE_S / _RENEWALS):
            with suppress(PipesimError):  # it is tried again; `insist` tells when that is too late
                if not self._write(self._tag):
                    self._tag, self._written_at = "", _NEVER
                    return

    def _release(self) -> None:
        if self._tag:
            with suppress(PipesimError):  # it ends by itself then
                self._objects.remove(self._object, self._tag)
        self._tag, self._written_at = "", _NEVER


def _clocks() -> tuple[float, float]:
    """Return two clocks in seconds: one that nobody sets, and one that goes on while a machine is suspended."""
    return time.monotonic(), time.time()


def _holder(lock: Content) -> str:
    try:
        told = json.loads(lock.data)
        return f"process {told['process']} on {told['host']}"
    except (ValueError, TypeError, KeyError):
        return "it does not say who it is"

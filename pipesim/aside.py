"""Writing beside where something shall stand: hidden folders that vanish, also when the process that made them died."""

from __future__ import annotations

import glob
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipesim.errors import RequestError


@contextmanager
def aside(target: Path, shown: Path, doing: str) -> Iterator[Path]:
    """Yield a hidden folder beside the target, gone at the end; remove those that dead processes left.

    Args:
        target: What shall be written.
        shown: What the user calls it.
        doing: What is being done, which ends the folder's name.

    Raises:
        RequestError: If nothing can be written there.
    """
    try:
        remove_abandoned(target, doing)
        folder = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.{doing}")
        folder.mkdir()
    except OSError as error:
        raise RequestError(
            f"no file can be written in {target.parent}: {error.strerror}",
            where=str(shown),
            remedy="name one in a folder that exists and can be written",
        ) from error
    owner = FileLock(folder / "owner.lock", timeout=0)
    try:
        owner.acquire()
        yield folder
    finally:
        owner.release()
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(target: Path, doing: str, rescue: Callable[[Path], None] | None = None) -> None:
    """Remove the folders beside a target that dead processes left.

    Args:
        target: Beside what.
        doing: What was being done.
        rescue: Is called with each of them before.
    """
    for folder in target.parent.glob(f".{glob.escape(target.name)}.*.{doing}"):
        owner = FileLock(folder / "owner.lock", timeout=0)
        try:
            owner.acquire()
        except (Timeout, OSError):
            continue  # its process is alive, or has just removed the folder itself
        try:
            if rescue:
                rescue(folder)
        finally:
            owner.release()
        shutil.rmtree(folder, ignore_errors=True)

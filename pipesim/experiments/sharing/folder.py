"""The folder of a share: written aside and swapped in whole, so that there is a good one at any moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipesim.aside import aside, remove_abandoned
from pipesim.errors import RequestError, WorkError
from pipesim.experiments.sharing.manifest import files_of, is_share, listed_files
from pipesim.store import flush

_DOING = "sharing"
_NEW, _OLD = "new", "old"


def check_target(target: Path, shown: Path) -> None:
    """Refuse a place where a share would put an end to something else.

    Raises:
        RequestError: If there is a file, or a folder that holds what no share put there.
    """
    remedy = "name a folder that does not exist yet, or one that `pipesim share` made"
    if not (target.parent.is_dir() and os.access(target.parent, os.W_OK)):
        raise RequestError("no folder can be made there", where=str(shown), remedy="name one in a folder that can be written")
    if target.exists() and not target.is_dir():
        raise RequestError("this is a file", where=str(shown), remedy=remedy)
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not is_share(target):
        raise RequestError("this folder was not made by `pipesim share`", where=str(shown), remedy=remedy)
    if foreign := sorted(set(files_of(target)) - listed_files(target)):
        names = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise RequestError(f"it holds files that no share put there: {names}", where=str(shown), remedy=remedy)


@contextmanager
def swapped_in(target: Path, shown: Path) -> Iterator[Path]:
    """Yield a new folder to be filled, which takes the target's place at the end; an exception leaves what is there.

    Raises:
        RequestError: If nothing can be written there, or what is there by then is no share.
        WorkError: If there is no room on the disk.
    """
    complete_swap(target)
    with aside(target, shown, _DOING) as folder:
        fresh = folder / _NEW
        try:
            fresh.mkdir()
            yield fresh
            for path in fresh.rglob("*"):
                if path.is_file():
                    flush(path)
            check_target(target, shown)  # whoever wrote there meanwhile shall not lose it
            _swap(folder, target)
        except OSError as error:
            raise WorkError(
                f"the share could not be written: {error}",
                where=str(shown),
                remedy="make room on the disk, or name a folder elsewhere; what was there is as it was",
            ) from error


def complete_swap(target: Path) -> None:
    """Finish what a process that died between the two renames of a swap left undone."""

    def rescue(folder: Path) -> None:
        if (folder / _OLD).is_dir() and not target.exists():
            (folder / _NEW).rename(target)

    remove_abandoned(target, _DOING, rescue)


def _swap(folder: Path, target: Path) -> None:
    if not target.exists():
        (folder / _NEW).rename(target)
        return
    target.rename(folder / _OLD)
    try:
        (folder / _NEW).rename(target)
    except BaseException:
        (folder / _OLD).rename(target)
        raise

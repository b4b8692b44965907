"""What a terminal shows while something goes on, and nothing where stderr is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show a spinner on stderr while something goes on; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


class Bar:
    """A bar on a terminal: called with the share that is done, 0..1, it shows it and the time left."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=1.0)

    def __call__(self, share: float) -> None:
        """Show that a share of the work is done."""
        self._progress.update(self._task, completed=share)

    def line(self, text: str) -> None:
        """Print a line above the bar, which stays when the bar goes."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def bar(what: str) -> Iterator[Bar | None]:
    """Give what is to be called with the share that is done; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield Bar(progress, what)

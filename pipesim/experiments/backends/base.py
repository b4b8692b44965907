"""What every back end does: run items, and tell of each as it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from pipesim.errors import WorkError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How often an item may be under way when a worker dies, before it is run by itself, and then once more.
SUSPECT_AFTER = 2


class Backend(ABC):
    """Where runs are executed; it lasts, so that what it takes to begin is paid once."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many runs are executed side by side."""

    @abstractmethod
    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Yield each item's place and result as it is done; an exception of an item is raised, and ends the rest.

        Args:
            function: A picklable function of one picklable item. An item whose worker dies is given to another one.
            items: What to run.

        Raises:
            WorkError: If an item's worker dies again and again, the last time while running nothing else.
        """

    @abstractmethod
    def close(self, *, at_once: bool) -> None:
        """Let go of what it holds; `at_once`, without waiting for runs under way."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # An interrupt does not wait for runs under way; nothing of them is stored.
        self.close(at_once=error is not None and not isinstance(error, Exception))


class InThisProcess(Backend):
    """Everything runs in this process, in order."""

    workers = 1

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """Yield each item's place and result; see `Backend.map`."""
        return ((place, function(item)) for place, item in enumerate(items))

    def close(self, *, at_once: bool) -> None:
        """There is nothing to let go of."""


def deadly(item: object, deaths: int) -> WorkError:
    """Return the error that names an item whose workers die."""
    return WorkError(
        f"a worker died {deaths} times while it ran {str(item)[:200]}",
        remedy="it may take more memory than there is: use fewer workers, or a smaller or shorter scenario",
    )

"""The errors that a user can act on: each says what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from pipesim.words import count


class PipesimError(Exception):
    """Base of every error that pipesim reports without a traceback.

    Args:
        message: What is wrong, in one sentence without a full stop.
        where: The place: `file:line`, a dotted configuration path, or a table and column.
        remedy: What the user can do about it, in one sentence.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        return _revive, (type(self), self.args, dict(self.__dict__))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  -> {self.remedy}" if self.remedy else ""
        return f"{place}{self.message}{advice}"


def _revive(kind: type[PipesimError], arguments: tuple[object, ...], state: dict[str, object]) -> PipesimError:
    """Make an error again as it was, in the process that asked for the work that failed."""
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(state)
    return error


class WorkError(PipesimError):
    """The request was sound but the work failed (exit code 1)."""


class RequestError(PipesimError):
    """The request itself was wrong: a bad option, file or configuration (exit code 2)."""

    exit_code = 2


class FileError(RequestError):
    """A file that cannot be read at all: missing, empty, binary, truncated or in an unknown encoding."""


class ConfigError(RequestError):
    """A configuration with one or more mistakes, all of which are reported at once.

    Args:
        source: The file or option that holds the configuration.
        problems: One `(dotted path, message)` pair for each mistake.
    """

    def __init__(self, source: str, problems: Sequence[tuple[str, str]]) -> None:
        self.source = source
        self.problems = tuple(problems)
        lines = "".join(f"\n  {path}: {text}" if path else f"\n  {text}" for path, text in self.problems)
        super().__init__(f"{count(len(self.problems), 'mistake')} in the configuration{lines}", where=source)


class EmptyTraceError(RequestError):
    """There are no rows to work on, so the verb that was asked for has no meaning yet."""

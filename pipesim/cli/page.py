"""The page of documentation that the command line amounts to: `python -m pipesim.cli.page`."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from pipesim.cli import app

_BEGINNING = """\
# Command line

Every command with its arguments and options; `pipesim COMMAND --help` says the same, `pipesim --version` prints the version.
The [tutorial](tutorial.md) shows what the commands are good for.

Generated from the commands themselves by `python -m pipesim.cli.page`; a test keeps the two the same.

A command ends with 0 when its work is done, 1 when the work failed, 2 when the request was wrong (an option, a file, a
scenario) and 130 when it was interrupted. An error says what is wrong, where, and what to do. Answers go to stdout, all else
to stderr."""
#: What nearly every command takes, by the names in their signatures.
_SHARED = ("home", "as_json", "debug")
_VALUES = {str: "TEXT", int: "N", float: "X", Path: "PATH"}


class Parameter(NamedTuple):
    """An argument or an option of a command."""

    name: str
    info: ArgumentInfo | OptionInfo
    kind: Any
    default: Any

    @property
    def is_argument(self) -> bool:
        """Whether it is told by its place."""
        return isinstance(self.info, ArgumentInfo)

    @property
    def value(self) -> str:
        """What stands for its value; empty for a flag."""
        return "" if self.kind is bool else self.info.metavar or _VALUES[self.kind]

    @property
    def is_needed(self) -> bool:
        """Whether the command does nothing without it."""
        return self.default is inspect.Parameter.empty

    @property
    def written(self) -> str:
        """How it is written."""
        return self.value if self.is_argument else f"{self._option} {self.value}".strip()

    @property
    def meaning(self) -> str:
        """What it says, with the bounds of a number and the variable that stands for it."""
        said = [str(self.info.help)]
        said += [f"At least {self.info.min}."] * (self.info.min is not None)
        said += [f"At most {self.info.max}."] * (self.info.max is not None)
        said += [f"Or the variable `{self.info.envvar}`."] * bool(self.info.envvar)
        return " ".join(said).replace("|", "\\|")

    @property
    def default_shown(self) -> str:
        """What holds without it."""
        if self.is_needed:
            return "needed"
        return "" if self.default is None or self.default is False or self.default == "" else f"`{self.default}`"

    @property
    def _option(self) -> str:
        # Inside of `Annotated`, typer takes the first name for the default and puts that right later.
        return next(str(name) for name in (self.info.default, *(self.info.param_decls or ())) if str(name).startswith("--"))


def page() -> str:
    """Return the page as Markdown."""
    found = dict(_commands(app))
    lines = [_BEGINNING, "", "| command | what it does |", "|---|---|"]
    lines += [f"| [{name}](#pipesim-{name.replace(' ', '-')}) | {_doc(call)} |" for name, call in found.items()]
    common = {p.name: p for call in found.values() for p in parameters(call) if p.name in _SHARED}
    lines += ["", "## Options of most commands", "", *_table([common[name] for name in _SHARED])]
    for name, call in found.items():
        taken = parameters(call)
        own, shared = [p for p in taken if p.name not in _SHARED], [p for p in taken if p.name in _SHARED]
        usage = [p.written if p.is_needed else f"[{p.written}]" for p in own if p.is_argument or p.is_needed]
        usage += ["[OPTIONS]"]
        lines += ["", f"## pipesim {name}", "", _doc(call), "", f"`pipesim {name} {' '.join(usage)}`"]
        lines += ["", *_table(own)] if own else []
        lines += ["", f"Besides: {', '.join(f'`{p.written.split()[0]}`' for p in shared)}."]
    return "\n".join(lines) + "\n"


def parameters(call: Callable[..., Any]) -> list[Parameter]:
    """Return what a command takes, in the order in which it is declared."""
    hints = get_type_hints(call, include_extras=True)
    return [_parameter(name, hints[name], given.default) for name, given in inspect.signature(call).parameters.items()]


def _commands(group: typer.Typer, before: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield before + (command.name or command.callback.__name__), command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _commands(inner.typer_instance, f"{before}{inner.name} ")


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    kind, info = get_args(hint)
    while get_origin(kind) in (Union, types.UnionType, list):
        kind = next(part for part in get_args(kind) if part is not type(None))
    return Parameter(name, info, kind, default)


def _doc(call: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(call) or "").split())


def _table(held: list[Parameter]) -> list[str]:
    rows = [f"| `{p.written}` | {p.default_shown} | {p.meaning} |".replace("  ", " ") for p in held]
    return ["| | default | meaning |", "|---|---|---|", *rows]


if __name__ == "__main__":
    print(page(), end="")

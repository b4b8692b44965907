"""The options that commands share, and what is said of a value that will not do."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from pipesim.errors import RequestError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from pipesim.experiments.backends import Backend
    from pipesim.lake import Lake

    Config = TypeVar("Config", bound=BaseModel)

# No Path, which would take one slash of a URL's two.
Home = Annotated[
    str,
    typer.Option(
        "--home",
        envvar="PIPESIM_HOME",
        metavar="FOLDER",
        help="The folder that holds everything, or s3://bucket/prefix.",
        show_default=True,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Engine = Annotated[
    str | None,
    typer.Option("--engine", help="The engine: compiled or reference, which are equal; by default the fastest that can."),
]
Replications = Annotated[int | None, typer.Option("--replications", metavar="N", min=1, help="Runs of each scenario.")]
Workers = Annotated[int | None, typer.Option("--workers", metavar="N", min=1, help="Processes, or runs at once on Ray.")]
Where = Annotated[
    str, typer.Option("--backend", metavar="processes|ray", help="What executes the runs: processes of this machine, or Ray.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:PORT", help="For ray: the cluster; by default one of this machine's cores."),
]
Report = Annotated[
    str | None, typer.Option("--report", metavar="NAME", help="Write reports/NAME.html, a page on what this simulates only.")
]
HOME = "pipesim_home"


def config(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a verb's configuration from options.

    Raises:
        RequestError: If values will not do: all of them, each with its option and what to give instead.
    """
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as error:
        raise RequestError("\n".join(_wrong(item) for item in error.errors())) from error


def _wrong(item: ErrorDetails) -> str:
    option, value, limits = item["loc"][0], item["input"], item.get("ctx", {})
    match item["type"]:
        case "literal_error":
            words = limits["expected"].replace("'", "").replace(" or ", ", ")
            what, remedy = f"there is no {value!r}", f"choose from: {words}"
        case "greater_than_equal":
            what, remedy = f"{value} is too small", f"give {limits['ge']:,} or more"
        case "less_than_equal":
            what, remedy = f"{value} is too large", f"give {limits['le']:,} or less"
        case _:
            what, remedy = item["msg"].removeprefix("Value error, "), "see what it takes with --help"
    return f"--{option}: {what}\n  -> {remedy}"


def chosen_backend(lake: Lake, where: str, address: str | None, workers: int | None) -> AbstractContextManager[Backend | None]:
    """Return what executes the runs; None for processes, as many as suit what is to be run.

    Raises:
        RequestError: If there is no such back end, or it cannot be had.
        WorkError: If no cluster answers at the address.
    """
    from pipesim.experiments.backends import Ray

    if where not in ("processes", "ray"):
        raise RequestError(f"there is no back end {where!r}", where="--backend", remedy="choose from: processes, ray")
    if where == "ray":
        return Ray(lake, workers, address)
    if address is not None:
        raise RequestError("processes of this machine have no address", where="--address", remedy="say --backend ray with it")
    return nullcontext()


def say(message: str) -> None:
    """Tell the user something beside the answer."""
    print(message, file=sys.stderr)


def answer(outcome: dict[str, Any], as_json: bool, text: str) -> None:
    """Print a command's answer: one JSON object, or the text for people."""
    print(json.dumps(outcome, allow_nan=False) if as_json else text)

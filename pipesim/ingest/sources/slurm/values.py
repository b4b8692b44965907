"""What Slurm's `sacct` writes in its fields: identifiers, states, instants, durations, amounts and trackable resources.

A value that says nothing is None; one that cannot be read is given back as it stands, to be refused with its reason when it
is typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

#: How sacct, and those who post-process it, say that there is no value.
_MISSING = frozenset({"", "-", "none", "unknown", "n/a", "na", "nan", "nil", "null", "(null)", "none assigned"})
_LONGEST_MISSING = max(map(len, _MISSING))
#: A pending job array of more elements is refused: each is a run.
MOST_ELEMENTS = 10_000
_TOO_MANY = f"over {MOST_ELEMENTS} elements; use sacct's option --array, which writes a line for each"
_LARGEST = 2**63

_JOB_ID = re.compile(r"([0-9]{1,19})(?:(_[0-9]{1,10})|_\[([^\]]*)\]|\+([0-9]{1,10}))?(?:\.(.+))?")
_RANGE = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10})(?::([1-9][0-9]{0,9}))?)?")
#: Nine digits are the year 1973; eight might be a date without hyphens.
_EPOCH = re.compile(r"[0-9]{9,11}")
_WITH_OFFSET = re.compile(r".*:[0-9]{2}(\.[0-9]+)? ?([zZ]|[+-][0-9]{2}:?[0-9]{2})")
_DURATION = re.compile(r"(?:(?:([0-9]{1,6})-)?([0-9]{1,3}):)?([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]{1,9})?)")
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTPE]?)B?", re.IGNORECASE)
_MEMORY_OF = re.compile(r"(.*?)([nc?])?", re.IGNORECASE | re.DOTALL)
_UNITS = {unit: 1024**power for power, unit in enumerate(("", "K", "M", "G", "T", "P", "E"))}


def given(text: str | None) -> str | None:
    """Return a value, or None where it says that there is none."""
    if not text:
        return None
    text = text.strip()
    return None if len(text) <= _LONGEST_MISSING and text.lower() in _MISSING else text


class JobId(NamedTuple):
    """What a `JobID` or `JobIDRaw` names.

    Args:
        job: The job: its number, for an element of an array `<array>_<index>`.
        component: The component of a heterogeneous job.
        step: The step.
        elements: The list of the elements of an array that are still one record, without the brackets.
    """

    job: str
    component: str | None = None
    step: str | None = None
    elements: str | None = None


def job_id(text: str) -> JobId | None:
    """Return what an identifier names, or None if it is none."""
    if len(text) <= 19 and text.isascii() and text.isdigit():
        return JobId(text)
    if (match := _JOB_ID.fullmatch(text)) is None:
        return None
    number, index, elements, component, step = match.groups()
    return JobId(number + (index or ""), component, step, elements)


def array_elements(text: str) -> list[int]:
    """Return the indices that the list of an array's pending elements names, such as `1,4-9,20-40:5%2`.

    Raises:
        ValueError: If it is no such list, if it was cut short, or if it names over `MOST_ELEMENTS`; the message says which.
    """
    listed, _, _ = text.partition("%")
    if len(listed) > MOST_ELEMENTS * 11:
        raise ValueError(_TOO_MANY)
    if "..." in listed:
        raise ValueError("the list is cut short; set SLURM_BITSTR_LEN=0 for sacct, or use its option --array")
    found: set[int] = set()
    for part in listed.split(","):
        if (match := _RANGE.fullmatch(part.strip())) is None:
            raise ValueError(f"{part[:100]!r} is no index and no range")
        first, last, step = (int(number) if number else None for number in match.groups())
        indices = range(first or 0, (last if last is not None else first or 0) + 1, step or 1)
        if len(indices) + len(found) > MOST_ELEMENTS:
            raise ValueError(_TOO_MANY)
        found.update(indices)
    return sorted(found)


_STATES: Mapping[str, tuple[str, str]] = {
    # The state in full, its short form, and the canonical word.
    "PENDING": ("PD", "PENDING"),
    "CONFIGURING": ("CF", "RUNNING"),
    "RUNNING": ("R", "RUNNING"),
    "COMPLETING": ("CG", "RUNNING"),
    "SUSPENDED": ("S", "RUNNING"),
    "STOPPED": ("ST", "RUNNING"),
    "SIGNALING": ("SI", "RUNNING"),
    "STAGE_OUT": ("SO", "RUNNING"),
    "COMPLETED": ("CD", "SUCCEEDED"),
    "FAILED": ("F", "FAILED"),
    "OUT_OF_MEMORY": ("OOM", "FAILED"),
    "LAUNCH_FAILED": ("LF", "FAILED"),
    "CANCELLED": ("CA", "CANCELLED"),
    "PREEMPTED": ("PR", "CANCELLED"),
    "REVOKED": ("RV", "CANCELLED"),
    "TIMEOUT": ("TO", "TIMEOUT"),
    "DEADLINE": ("DL", "TIMEOUT"),
    "NODE_FAIL": ("NF", "NODE_FAIL"),
    "BOOT_FAIL": ("BF", "NODE_FAIL"),
    "RECONFIG_FAIL": ("RC", "NODE_FAIL"),
}
#: States of a job that goes on: what the record says of it if it has ended, and if it has not.
_GOES_ON: Mapping[str, tuple[str, str, str]] = {
    "REQUEUED": ("RQ", "CANCELLED", "PENDING"),
    "REQUEUE_HOLD": ("RH", "CANCELLED", "PENDING"),
    "REQUEUE_FED": ("RF", "CANCELLED", "PENDING"),
    "RESV_DEL_HOLD": ("RD", "CANCELLED", "PENDING"),
    "SPECIAL_EXIT": ("SE", "FAILED", "PENDING"),
    "RESIZING": ("RS", "CANCELLED", "RUNNING"),
}
_CANONICAL = {name: (word, word) for full, (short, word) in _STATES.items() for name in (full, short)} | {
    name: (ended, open_) for full, (short, ended, open_) in _GOES_ON.items() for name in (full, short)
}
#: States after which Slurm may start a job again by itself.
_GIVEN_BACK = frozenset(
    {*_GOES_ON, *(short for short, _, _ in _GOES_ON.values()), "PREEMPTED", "PR", "NODE_FAIL", "NF", "BOOT_FAIL", "BF"}
)


def attempt_status(state: str | None, ended: bool) -> str | None:
    """Return the canonical word of an attempt's state, or None if Slurm has no such state.

    Args:
        state: In full or short; `CANCELLED by 1000` is CANCELLED.
        ended: Whether the record has an end: that of a requeued job is over though the job goes on.
    """
    words = _CANONICAL.get(_state(state))
    return None if words is None else words[0] if ended else words[1]


def run_status(state: str) -> str:
    """Return the canonical word for how a job is whose last record has this state, one that Slurm has."""
    return _CANONICAL[_state(state)][1]


def given_back(state: str | None) -> bool:
    """Return whether Slurm may have started the job again after it was in this state."""
    return _state(state) in _GIVEN_BACK


def _state(state: str | None) -> str:
    first = (state or "").split(None, 1)
    return first[0].upper() if first else ""


def instant(text: str | None) -> str | None:
    """Return an instant as ISO text: with Z if it was seconds since 1970 or had an offset, as it stands if it did not."""
    if text and len(text) == 19 and text[10] == "T" and text[16] == ":":
        return text  # as sacct writes it by default
    if (text := given(text)) is None:
        return None
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC).replace(tzinfo=None).isoformat() + "Z"
        if _WITH_OFFSET.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except (ValueError, OverflowError, OSError):
        return text
    return text


def seconds(text: str | None) -> float | str | None:
    """Return the seconds of `[days-][hours:]minutes:seconds`."""
    if not text or (match := _DURATION.fullmatch(text)) is None:
        return None if text == "INVALID" else given(text)
    days, hours, minutes, rest = match.groups()
    return int(days or 0) * 86400.0 + int(hours or 0) * 3600 + int(minutes) * 60 + float(rest)


def amount(text: str | None, bare: int = 1) -> int | str | None:
    """Return an amount whose unit is a power of 1024; one without a unit counts in `bare`."""
    if not text or (match := _AMOUNT.fullmatch(text)) is None:
        return given(text)
    number, unit = match.groups()
    value = float(number) * (_UNITS[unit.upper()] if unit else bare)
    return round(value) if value < _LARGEST else text


def requested_memory(text: str | None, nodes: float | None, cpus: float | None) -> int | str | None:
    """Return the bytes of `ReqMem`, which before Slurm 21.08 was per node (`4Gn`) or per core (`4Gc`).

    None where it is unknown how many there are, or where it is zero, which asks for all that a node has.
    """
    if (text := given(text)) is None:
        return None
    match = _MEMORY_OF.fullmatch(text)
    number, of = match.groups() if match else (text, None)
    value = amount(number, _UNITS["M"])
    if not value or isinstance(value, str):
        return value or None
    if of in (None, "?"):
        return value
    times = nodes if of in ("n", "N") else cpus
    return None if times is None else round(value * times)


def resources(text: str | None) -> dict[str, str]:
    """Return the counts of trackable resources (TRES) by name: `cpu=4,mem=16G,gres/gpu:a100=2`."""
    if not text:
        return {}
    return {name.strip(): count.strip() for name, _, count in (part.partition("=") for part in text.split(",")) if count}


def gpus(tres: Mapping[str, str]) -> tuple[int | str | None, str | None]:
    """Return how many GPUs, and of which model if all are of one.

    The untyped count is that of all; only where it is missing do the typed ones add up to it.
    """
    typed = {name.removeprefix("gres/gpu:"): amount(count) for name, count in tres.items() if name.startswith("gres/gpu:")}
    return _all_gpus(amount(tres.get("gres/gpu")), typed)


def generic_gpus(text: str | None) -> tuple[int | str | None, str | None]:
    """Return the GPUs of `AllocGRES` or `ReqGRES` (before Slurm 21.08): `gpu:2`, `gpu:a100:2(S:0-1)`."""
    typed: dict[str, int | str | None] = {}
    untyped: int | str | None = None
    for part in _generic(given(text) or ""):
        _, *rest = part
        count = amount(rest.pop()) if rest and rest[-1].isdigit() else 1
        if rest:
            typed[":".join(rest)] = count
        else:
            untyped = count
    return _all_gpus(untyped, typed)


def _generic(text: str) -> Iterator[list[str]]:
    # Sockets stand in parentheses, perhaps with commas of their own: what follows such a comma is no GPU.
    for part in text.split(","):
        names = part.partition("(")[0].strip().removeprefix("PER_NODE:").removeprefix("gres:").split(":")
        if names[0] in ("gpu", "gres/gpu"):
            yield names


def _all_gpus(untyped: int | str | None, typed: Mapping[str, int | str | None]) -> tuple[int | str | None, str | None]:
    model = next(iter(typed)) if len(typed) == 1 else None
    if untyped is not None or not typed:
        return untyped, model
    counts = list(typed.values())
    damaged = next((count for count in counts if isinstance(count, str)), None)
    return damaged if damaged is not None else sum(count for count in counts if isinstance(count, int)), model

"""What identifies things: names that may stand in a path, and hashes of content."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pipesim.errors import RequestError

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def safe_name(name: str, what: str) -> str:
    """Return the name if it may stand in a path, so that no name from outside can leave its folder.

    Raises:
        RequestError: If it is empty, over 100 characters, or holds anything but letters, digits, `.`, `_` and `-`.
    """
    if not _SAFE_NAME.fullmatch(name):
        raise RequestError(
            f"{name!r} cannot be the name of a {what}",
            remedy="use letters, digits, '.', '_' and '-', beginning with a letter or digit, 100 characters at most",
        )
    return name


def short_name(name: str, longest: int) -> str:
    """Return a name that is no longer than that; one that is cut ends in a hash, as others may begin like it."""
    return name if len(name) <= longest else f"{name[: longest - 9]}-{content_hash(name)[:8]}"


def content_hash(*parts: str | bytes) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of the parts, each delimited."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]


def file_hash(path: Path, first_bytes: int | None = None) -> str:
    """Return 16 hexadecimal digits of the SHA-256 of a file's bytes, or of the first ones only."""
    with path.open("rb") as file:
        if first_bytes is None:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
        digest = hashlib.sha256()
        while first_bytes and (block := file.read(min(first_bytes, 1 << 20))):
            digest.update(block)
            first_bytes -= len(block)
        return digest.hexdigest()[:16]

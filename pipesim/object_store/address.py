"""Where a home on an object store is, and where this machine keeps its mirror."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pipesim.errors import RequestError

#: A URL, also one that went through `Path`, which leaves one slash of two.
_URL = re.compile(r"([a-z][a-z0-9+.-]*):/+(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
#: The same bucket of another endpoint is another store.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


@dataclass(frozen=True)
class Address:
    """The address of a home on an object store.

    Args:
        bucket: The bucket.
        prefix: What the names of all its objects begin with; may be empty.
    """

    bucket: str
    prefix: str

    @classmethod
    def find(cls, home: str | Path) -> Address | None:
        """Return the address that a home names, or None if it names a folder.

        Raises:
            RequestError: If it is a URL that no home can have.
        """
        found = _URL.fullmatch(str(home))
        if found is None:
            return None
        scheme, rest = found.groups()
        bucket, _, prefix = rest.partition("/")
        prefix = prefix.strip("/")
        # What was given is not told again, as a password may stand in it.
        if scheme != "s3":
            raise RequestError(
                f"a home cannot be kept at a {scheme} URL",
                where="--home or PIPESIM_HOME",
                remedy="name a folder, or s3://bucket/prefix; AWS_ENDPOINT_URL says which S3 store, if not Amazon's",
            )
        if not _BUCKET.fullmatch(bucket) or (prefix and not _PREFIX.fullmatch(prefix)) or {".", ".."} & set(prefix.split("/")):
            raise RequestError(
                "this is no s3://bucket/prefix of letters, digits, '.', '_' and '-'",
                where="--home or PIPESIM_HOME",
                remedy="name another prefix; keys go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, never into the URL",
            )
        return cls(bucket, prefix)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """Return the object's key, given its path within the home."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def name(self, key: str) -> str:
        """Return the path within the home, given an object's key."""
        return key.removeprefix(f"{self.prefix}/") if self.prefix else key

    def mirror(self) -> Path:
        """Return the folder of this machine's mirror, under PIPESIM_CACHE or the user's cache folder."""
        import platformdirs

        cache = Path(os.environ.get("PIPESIM_CACHE") or platformdirs.user_cache_path("pipesim", appauthor=False))
        parts = [str(self), *(os.environ.get(name, "") for name in _ENDPOINTS)]
        return cache.absolute() / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def folder_of(home: str | Path) -> Path:
    """Return the folder on this machine that a home is, or is mirrored in; it need not exist.

    Raises:
        RequestError: If it is a URL that no home can have.
    """
    address = Address.find(home)
    return address.mirror() if address else Path(home)

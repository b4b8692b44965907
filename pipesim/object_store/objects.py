"""What pipesim asks of an S3 store. Errors name the home's URL and a remedy, and never what a credential holds."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pipesim.errors import PipesimError, RequestError, WorkError
from pipesim.object_store.address import Address

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How many requests are under way side by side.
_AT_ONCE = 16
#: Files up to twice this size go up in one request, larger ones in such parts.
_PART_BYTES = 16 << 20
#: What the store copies in one request.
_ONE_COPY_BYTES = 5 << 30
#: How many objects one request may delete.
_DELETED_AT_ONCE = 1000
_CONFLICTS = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_REFUSED = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken", "InvalidToken", "403"}


class ConflictError(Exception):
    """An object is not as it was when a conditional request was made up."""


@dataclass(frozen=True)
class Listed:
    """An object in a listing: the tag of its content, when it was written (seconds since 1970), and how long ago that is."""

    tag: str
    modified: float
    age_s: float


@dataclass(frozen=True)
class Content:
    """An object's content, its tag, and how long ago it was written by the store's clock, in seconds."""

    data: bytes
    tag: str
    age_s: float


class Objects:
    """The objects of a home, by their paths within it.

    Args:
        address: Where they are. Endpoint, region and keys are those of the AWS environment variables and files.

    Raises:
        RequestError: If the package that talks to the store is not there.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._bucket = address.bucket
        try:
            self._s3 = _connected(os.getpid(), frozenset(item for item in os.environ.items() if item[0].startswith("AWS_")))
        except ImportError as error:
            raise RequestError(
                "this pipesim cannot talk to an object store: the package s3fs is missing",
                where=str(address),
                remedy="pip install 'pipesim[s3]'",
            ) from error

    def read(self, name: str) -> Content | None:
        """Return an object's content, or None if there is no such object."""
        try:
            with self._telling():
                data, told = self._get(name)
        except FileNotFoundError:
            return None
        return Content(data, told["ETag"], _now(told) - told["LastModified"].timestamp())

    def _get(self, name: str) -> tuple[bytes, dict[str, Any]]:
        from fsspec.asyn import sync

        async def get() -> tuple[bytes, dict[str, Any]]:
            told = await self._s3._call_s3("get_object", Bucket=self._bucket, Key=self._address.key(name))
            async with told["Body"] as body:
                return await body.read(), told

        found: tuple[bytes, dict[str, Any]] = sync(self._s3.loop, get)
        return found

    def write(self, name: str, data: bytes, replaces: str | None) -> str:
        """Write an object if what it replaces is what is there, and return its new tag.

        Args:
            name: Which one.
            data: What it is to hold.
            replaces: The tag of what it holds; None if there is to be no such object yet.

        Raises:
            ConflictError: If something else is there, maybe by an earlier attempt of this very request.
        """
        condition = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
        try:
            return str(self._call("put_object", Key=self._address.key(name), Body=data, **condition)["ETag"])
        except FileNotFoundError:  # it was to be replaced
            raise ConflictError from None

    def remove(self, name: str, tag: str) -> None:
        """Remove an object if it still has this tag."""
        try:
            self._call("delete_object", Key=self._address.key(name), IfMatch=tag)
        except (FileNotFoundError, ConflictError):
            return

    def listing(self, name: str) -> dict[str, Listed]:
        """Return the objects of a folder, or the one of that very name."""
        found: dict[str, Listed] = {}
        more: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=self._address.key(name), **more)
            for item in page.get("Contents", []):
                path, modified = self._address.name(item["Key"]), item["LastModified"].timestamp()
                # What others may have put there under names that no file can have is none of ours.
                if (path == name or path.startswith(f"{name}/")) and not {"", ".", ".."} & set(path.split("/")):
                    found[path] = Listed(item["ETag"], modified, _now(page) - modified)
            if not page.get("IsTruncated"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def upload(self, files: Mapping[str, Path]) -> None:
        """Write files as objects."""

        def put(item: tuple[str, Path]) -> None:
            with self._telling():
                self._s3.put_file(str(item[1]), self._path(item[0]), chunksize=_PART_BYTES)

        _side_by_side(put, list(files.items()))

    def download(self, files: Mapping[str, Path]) -> set[str]:
        """Write objects as files that survive a loss of power, and return those that there were."""

        def get(item: tuple[str, Path]) -> str:
            try:
                with self._telling():
                    self._s3.get_file(self._path(item[0]), str(item[1]))
                _make_durable(item[1])
            except FileNotFoundError:
                return ""
            return item[0]

        return set(_side_by_side(get, list(files.items()))) - {""}

    def copy(self, moves: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Copy objects within the store, and return the tags of the copies, as far as the store tells them.

        Raises:
            FileNotFoundError: If one of them is gone.
        """

        def one(move: tuple[str, str]) -> tuple[str, str | None]:
            source, target = (self._address.key(name) for name in move)
            origin = {"Bucket": self._bucket, "Key": source}
            told = self._call("copy_object", Key=target, CopySource=origin)
            return move[1], told.get("CopyObjectResult", {}).get("ETag")

        return {name: tag for name, tag in _side_by_side(one, moves) if tag}

    def delete(self, names: Collection[str]) -> None:
        """Remove objects; those that are not there are no concern."""
        keys = [{"Key": self._address.key(name)} for name in names]
        for begin in range(0, len(keys), _DELETED_AT_ONCE):
            told = self._call("delete_objects", Delete={"Objects": keys[begin : begin + _DELETED_AT_ONCE], "Quiet": True})
            if told.get("Errors"):
                raise self._refusal()

    def insist_on_conditions(self) -> None:
        """Find out whether the store heeds conditions, without which two machines could hold one lock.

        Raises:
            RequestError: If it does not.
        """
        name = f".staging/probe-{uuid.uuid4().hex}"
        self.write(name, b"", None)
        try:
            for wrong in (None, '"00000000000000000000000000000000"'):
                try:
                    self.write(name, b"again", wrong)
                except ConflictError:
                    continue
                raise RequestError(
                    "this store does not heed If-Match and If-None-Match, so that machines could overwrite each other's work",
                    where=str(self._address),
                    remedy="use a store with conditional writes, such as Amazon S3 or a recent MinIO",
                )
        finally:
            self.delete([name])

    def _path(self, name: str) -> str:
        return f"{self._bucket}/{self._address.key(name)}"

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        with self._telling():
            told: dict[str, Any] = self._s3.call_s3(method, Bucket=self._bucket, **arguments)
            return told

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell what goes wrong in words of our own; libraries' messages may show more than is meant to be seen."""
        from aiohttp import ClientError
        from botocore.exceptions import BotoCoreError, NoCredentialsError, PartialCredentialsError

        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise self._refusal() from error
        except (OSError, BotoCoreError, ClientError) as error:
            code = _code(error)
            if code in _CONFLICTS or isinstance(error, FileExistsError):
                raise ConflictError from error
            if code == "NoSuchBucket":
                raise RequestError(
                    f"there is no bucket {self._bucket!r}",
                    where=str(self._address),
                    remedy="make it, or correct --home or PIPESIM_HOME; AWS_ENDPOINT_URL says at which store",
                ) from error
            if isinstance(error, FileNotFoundError):
                raise
            if code in _REFUSED or isinstance(error, PermissionError):
                raise self._refusal() from error
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise WorkError(
                    "there is no room left on the disk for the mirror of this home",
                    where=str(self._address.mirror()),
                    remedy="make room, or name another folder with PIPESIM_CACHE, and run the command again",
                ) from error
            raise self._silence(code or type(error).__name__) from error

    def _refusal(self) -> PipesimError:
        return RequestError(
            "the store refuses what these credentials ask for",
            where=str(self._address),
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that may list, read, write and delete there",
        )

    def _silence(self, what: str) -> PipesimError:
        return WorkError(
            f"the store does not answer as it should ({what})",
            where=str(self._address),
            remedy="see that AWS_ENDPOINT_URL and the network are right, and run the command again",
        )


def _make_durable(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _now(told: Mapping[str, Any]) -> float:
    """Return the time by the store's clock when it gave an answer, in seconds since 1970."""
    return parsedate_to_datetime(told["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()


@lru_cache(maxsize=1)
def _connected(process: int, settings: frozenset[tuple[str, str]]) -> Any:
    """Return what talks to a store. A worker opens its lake for every run, and to set this up takes longer than some runs."""
    from s3fs import S3FileSystem

    # s3fs itself would find an earlier one by its arguments alone, which that of another endpoint has too.
    found = S3FileSystem(
        skip_instance_cache=True,
        use_listings_cache=False,
        max_concurrency=4,
        config_kwargs={"retries": {"mode": "standard", "total_max_attempts": 3}, "max_pool_connections": 2 * _AT_ONCE},
    )
    found.retries = 2  # beside those of the line above
    return found


def _code(error: BaseException) -> str:
    """Return the code that the store gave for an error, or nothing if it gave none."""
    response = getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(_AT_ONCE, len(items))) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

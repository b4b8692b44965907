"""Getting one file over HTTP, going on from where an interruption left it (RFC 9110, sections 13.1.5 and 14)."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from pydantic import BaseModel, ConfigDict

from pipesim import __version__
from pipesim.errors import WorkError
from pipesim.ingest.datasets.catalogue import DataFile, is_loopback, may_fetch

#: How long a server may be silent, and how long to wait before each new attempt after a broken connection, in seconds.
TIMEOUT_S = 30.0
PAUSES_S = (1.0, 4.0, 10.0)
MOST_REDIRECTS = 5
#: A file of unknown size is not let grow beyond this.
MOST_BYTES = 8 << 30
_BLOCK = 1 << 16
_PASSING = (429, 500, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)


class Version(BaseModel):
    """Which version of a remote file the bytes are of that have come so far."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    validator: str | None
    total: int | None


class _Broken(Exception):  # noqa: N818 - no failure yet: it is tried again
    """The connection broke, or the server was busy."""


class _Stale(Exception):  # noqa: N818 - no failure: it begins again
    """What came so far is no beginning of the file that the server has now."""


def download(
    file: DataFile,
    page: str,
    part: Path,
    known: Version | None,
    remember: Callable[[Version], None],
    tell: Callable[[float], None] | None = None,
) -> None:
    """Bring a partial file to its end.

    Args:
        file: What to get.
        page: Where to look if it is not there, for errors.
        part: The file to write; what it holds is gone on from if the server says that it is still a beginning of its file.
        known: The version that `part` holds the beginning of.
        remember: Called with the version as soon as it is known, before its bytes are written.
        tell: Called with the share that is done.

    Raises:
        WorkError: If the file does not come. What has come by then stays in `part`.
        OSError: If it cannot be written.
    """

    def noted(version: Version) -> None:
        nonlocal known
        known = version
        remember(version)

    for pause in (*PAUSES_S, None):
        try:
            try:
                _go_on(file, page, part, known, noted, tell)
            except _Stale:
                part.unlink(missing_ok=True)
                _go_on(file, page, part, None, noted, tell)
            return
        except _Broken as broken:
            if pause is None:
                size = part.stat().st_size if part.exists() else 0
                raise WorkError(
                    f"the file did not come whole in {len(PAUSES_S) + 1} attempts ({broken})",
                    where=file.url,
                    remedy=f"run the command again later: it goes on after the {size:,} bytes that came, if the server lets it",
                ) from broken
            time.sleep(pause)


def _go_on(
    file: DataFile,
    page: str,
    part: Path,
    known: Version | None,
    noted: Callable[[Version], None],
    tell: Callable[[float], None] | None,
) -> None:
    have = part.stat().st_size if part.exists() else 0
    if known is None or known.url != file.url or known.validator is None:
        have = 0  # nobody could say whether the rest belongs to it
    if have and known and have == known.total:
        return
    headers = {"User-Agent": f"pipesim/{__version__}", "Accept-Encoding": "identity"}
    if have and known and known.validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": known.validator}
    with _open(file.url, headers, page) as response:
        version = _version(file.url, response)
        if response.status == 206 and not (have and known and _continues(response, have, version, known)):
            if not have:
                raise _Broken("the server sends a part, though all was asked for")
            raise _Stale
        if response.status != 206:
            have = 0
            _insist_offered(file, page, response, version.total)
        with part.open("ab" if have else "wb") as target:
            if not have:
                noted(version)
            _receive(file, response, target, have, version.total, tell)


def _receive(
    file: DataFile,
    response: http.client.HTTPResponse,
    target: IO[bytes],
    done: int,
    total: int | None,
    tell: Callable[[float], None] | None,
) -> None:
    size = total if total is not None else file.bytes
    most = MOST_BYTES if size is None else size
    while block := _read(response):
        done += len(block)
        if done > most:
            raise WorkError(f"more than {most:,} bytes come", where=file.url, remedy="do not use this server's file")
        target.write(block)
        if tell and size:
            tell(done / size)
    if size is not None and done < size:
        raise _Broken(f"it broke off after {done:,} of {size:,} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(_words(error)) from error


def _version(url: str, response: http.client.HTTPResponse) -> Version:
    etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
    validator = etag if etag and not etag.startswith("W/") else modified  # a weak one does not promise equal bytes
    if response.status == 206:
        found = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", ""))
        return Version(url=url, validator=validator, total=int(found[1]) if found else None)
    length = response.headers.get("Content-Length", "")
    return Version(url=url, validator=validator, total=int(length) if length.isdecimal() else None)


def _continues(response: http.client.HTTPResponse, have: int, version: Version, known: Version) -> bool:
    begins = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
    # RFC 9110 lets a server leave Last-Modified out of a 206, as whoever asks has it.
    return begins and known.total in (version.total, None) and version.validator in (known.validator, None)


def _insist_offered(file: DataFile, page: str, response: http.client.HTTPResponse, total: int | None) -> None:
    if response.headers.get_content_type() == "text/html":
        raise WorkError("the server sends a web page, not the file", where=file.url, remedy=f"look where it is now: {page}")
    if None not in (file.bytes, total) and file.bytes != total:
        raise WorkError(
            f"the server has a file of {total:,} bytes, but it is published with {file.bytes:,}",
            where=file.url,
            remedy=f"see whether the publisher has changed it: {page}",
        )


def _open(url: str, headers: Mapping[str, str], page: str) -> http.client.HTTPResponse:
    at = url
    for _ in range(MOST_REDIRECTS + 1):
        try:
            response = _opener(at).open(Request(at, headers=dict(headers)), timeout=TIMEOUT_S)
        except HTTPError as error:
            error.close()
            if error.code not in _MOVED:
                raise _answered(error, at, page, "Range" in headers) from error
            at = _redirected(url, at, error.headers.get("Location", ""))
        except URLError as error:
            raise WorkError(
                f"the server cannot be reached ({_words(error.reason)})",
                where=at,
                remedy="check the network, and the proxy that the variable https_proxy names, then run the command again",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise _Broken(_words(error)) from error
        else:
            assert isinstance(response, http.client.HTTPResponse)
            return response
    raise WorkError(f"there are more than {MOST_REDIRECTS} redirects", where=url, remedy=f"see where the file is now: {page}")


def _answered(error: HTTPError, url: str, page: str, is_part: bool) -> Exception:
    said = f"the server answers {error.code} {error.reason}"
    if error.code == 416 and is_part:
        return _Stale(said)
    if error.code in _PASSING:
        return _Broken(said)
    return WorkError(said, where=url, remedy=f"see whether the file has moved: {page}")


def _opener(url: str) -> OpenerDirector:
    # Not build_opener, which adds handlers of file:, ftp: and data:, and one that follows redirects to anywhere.
    opener = OpenerDirector()
    opener.add_handler(ProxyHandler({} if is_loopback(url) else None))
    for handler in (UnknownHandler, HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor):
        opener.add_handler(handler())
    return opener


def _redirected(url: str, at: str, location: str) -> str:
    """Return where a redirect leads, if it may be gone to: never from elsewhere to this machine, nor the other way."""
    try:
        target = urljoin(at, location) if location else ""
    except ValueError:
        target = location
    if may_fetch(target) and is_loopback(target) == is_loopback(url):
        return target
    raise WorkError(
        f"the server redirects to {target!r}, which is refused",
        where=url,
        remedy="only https is gone to; if you trust that address, get the file by hand and put it into the folder",
    )


def _words(error: Any) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

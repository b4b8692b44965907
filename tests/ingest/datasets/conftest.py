"""A server on this machine that does to a download what servers and networks do."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipesim.ingest.datasets import DataFile, Dataset, Member
from pipesim.ingest.datasets import download as downloading


@dataclass
class Page:
    """What the server does with one path."""

    url: str
    content: bytes
    etag: str | None = '"1"'
    modified: str | None = None
    cuts: list[int] = field(default_factory=list)  # after how many bytes the next answers break off
    answers: list[int] = field(default_factory=list)  # the status of the next answers
    location: str = ""
    kind: str = "application/octet-stream"
    has_range: bool = True
    has_length: bool = True
    wrong_range: bool = False
    gate: threading.Event | None = None  # what the server waits for before it sends
    begun: threading.Event = field(default_factory=threading.Event)
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0


class Site:
    """The pages of the server."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self._numbers = itertools.count()
        self.pages: dict[str, Page] = {}

    def put(self, content: bytes = b"", **behaviour: Any) -> Page:
        path = f"/{next(self._numbers)}"
        self.pages[path] = Page(self._root + path, content, **behaviour)
        return self.pages[path]

    def file(
        self, name: str, content: bytes = b"", *, told: bool = True, members: tuple[Member, ...] = (), **behaviour: Any
    ) -> tuple[Page, DataFile]:
        page = self.put(content, **behaviour)
        sizes = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} if told else {}
        return page, DataFile(name=name, url=page.url, members=members, **sizes)


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        page = self.site.pages[self.path]
        page.asked.append(dict(self.headers))
        if page.answers and (status := page.answers.pop(0)) != 200:
            self.send_response(status)
            if page.location:
                self.send_header("Location", page.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first = self._first(page)
        if first is not None and first >= len(page.content):
            self.send_error(416)
            return
        self._send(page, first)

    def _first(self, page: Page) -> int | None:
        asked = self.headers.get("Range", "")
        holds = self.headers.get("If-Range") in (page.etag, page.modified) and self.headers.get("If-Range")
        return int(asked.removeprefix("bytes=").removesuffix("-")) if asked and holds and page.has_range else None

    def _send(self, page: Page, first: int | None) -> None:
        body = page.content[first or 0 :]
        self.send_response(200 if first is None else 206)
        self.send_header("Content-Type", page.kind)
        if page.has_length:
            self.send_header("Content-Length", str(len(body)))
        if page.etag:
            self.send_header("ETag", page.etag)
        if page.modified:
            self.send_header("Last-Modified", page.modified)
        if first is not None:
            begin = first + 1 if page.wrong_range else first
            self.send_header("Content-Range", f"bytes {begin}-{len(page.content) - 1}/{len(page.content)}")
        self.end_headers()
        cut = page.cuts.pop(0) if page.cuts else len(body)
        page.sent += min(cut, len(body))  # before whoever asked can have it
        self.wfile.write(body[:cut])
        page.begun.set()
        if page.gate:
            page.gate.wait(10)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The server; it listens on a port of the system's choice."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    _Handler.site = Site(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downloading, "PAUSES_S", (0.0, 0.0, 0.0))
        yield _Handler.site
    server.shutdown()
    thread.join()
    server.server_close()


def dataset(*files: DataFile, **values: Any) -> Dataset:
    """A data set of these files."""
    told = {
        "name": "tried",
        "title": "A log",
        "page": "https://example.org/log",
        "licence": "CC BY 4.0",
        "citation": "Somebody, 2026",
        "source": "native",
        "read": (files[0].name,),
    }
    return Dataset(**{**told, **values}, files=files)


@pytest.fixture
def made() -> Any:
    """The function that makes a data set of files."""
    return dataset

"""A local S3 server for tests: moto's, on loopback, one request at a time, so that conditions are heeded as on a real store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "lakes"
#: What everything that talks to the server finds in its environment, beside its address.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "not-to-be-told",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # so that clients keep their connections

    def log(self, *_: Any) -> None:
        pass


class Server:
    """A running server.

    `requests` has the method and path of each request. `fails`, if set, is called with both, and may return a status
    to be answered with instead of doing what was asked for.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.fails: Callable[[str, str], str | None] | None = None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._one_by_one = threading.Lock()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Handler)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self._one_by_one:
            self.requests.append((method, path))
            if self.fails and (status := self.fails(method, path)):
                start(status, [("Content-Length", "0")])
                return []
            found = self._app(environ, start)
            try:
                return list(found)
            finally:
                getattr(found, "close", lambda: None)()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving() -> Iterator[Server]:
    """Serve with an empty bucket."""
    server = Server()
    try:
        urlopen(Request(f"{server.url}/{BUCKET}", method="PUT")).close()
        yield server
    finally:
        server.close()

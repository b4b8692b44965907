"""Downloads: interrupted, changed, redirected and refused ones, from a server on this machine."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.errors import WorkError
from pipesim.ingest.datasets import DataFile
from pipesim.ingest.datasets import download as downloading
from pipesim.ingest.datasets.download import Version, download

BODY = bytes(range(256)) * 2000
PAGE = "https://example.org/log"


class Job:
    """One file on its way, with what is remembered of it between runs."""

    def __init__(self, file: DataFile, folder: Path) -> None:
        self.file, self.part = file, folder / "x.part"
        self.known: Version | None = None
        self.shares: list[float] = []

    def run(self) -> bytes:
        download(self.file, PAGE, self.part, self.known, self._remember, self.shares.append)
        return self.part.read_bytes()

    def _remember(self, version: Version) -> None:
        self.known = version


def _stopped(site: Any, folder: Path, after: int = 1000, **behaviour: Any) -> tuple[Any, Job]:
    """A job whose process ended when some bytes had come."""
    page, file = site.file("x", BODY, **behaviour)
    job = Job(file, folder)
    page.cuts = [after, 0, 0, 0]
    with pytest.raises(WorkError, match="in 4 attempts"):
        job.run()
    assert job.part.stat().st_size == (after if page.etag or page.modified else 0)
    page.cuts = []
    page.asked.clear()
    page.sent = 0
    return page, job


def test_a_file_comes_whole_and_its_progress_is_told(site: Any, tmp_path: Path) -> None:
    page, file = site.file("x", BODY)
    job = Job(file, tmp_path)
    assert job.run() == BODY
    assert job.shares == sorted(job.shares)
    assert job.shares[-1] == 1.0
    assert page.asked[0]["User-Agent"].startswith("pipesim/")
    assert page.asked[0]["Accept-Encoding"] == "identity"


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, len(BODY)), max_size=3), has_range=st.booleans(), has_length=st.booleans())
def test_wherever_connections_break_the_file_is_the_servers(
    site: Any, cuts: list[int], has_range: bool, has_length: bool
) -> None:
    page, file = site.file("x", BODY, has_range=has_range, has_length=has_length)
    page.cuts = list(cuts)
    with tempfile.TemporaryDirectory() as folder:
        assert Job(file, Path(folder)).run() == BODY


@pytest.mark.parametrize("validators", [{}, {"etag": 'W/"1"', "modified": "Mon, 02 Mar 2026 00:00:00 GMT"}])
def test_a_later_run_goes_on_where_the_first_was_interrupted(site: Any, tmp_path: Path, validators: dict[str, str]) -> None:
    page, job = _stopped(site, tmp_path, **validators)
    assert job.run() == BODY
    assert page.asked[0]["Range"] == "bytes=1000-"
    assert page.asked[0]["If-Range"] == validators.get("modified", '"1"')
    assert page.sent == len(BODY) - 1000


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_without_a_strong_validator_it_begins_again(site: Any, tmp_path: Path, etag: str | None) -> None:
    page, file = site.file("x", BODY, etag=etag, cuts=[1000])
    job = Job(file, tmp_path)
    assert job.run() == BODY
    assert all("Range" not in asked for asked in page.asked)
    assert page.sent == len(BODY) + 1000


@pytest.mark.parametrize("change", ["no-range", "changed", "wrong-range", "shorter", "other-url"])
def test_what_came_is_not_mixed_with_another_file(site: Any, tmp_path: Path, change: str) -> None:
    page, job = _stopped(site, tmp_path, told=False)
    expected = BODY
    if change == "no-range":
        page.has_range = False
    elif change == "changed":
        page.content, page.etag, expected = BODY[::-1], '"2"', BODY[::-1]
    elif change == "wrong-range":
        page.wrong_range = True
    elif change == "shorter":  # and the server does not say that it is another one
        page.content = expected = BODY[:500]
    else:
        page, job.file = site.file("x", BODY[::-1])
        expected = BODY[::-1]
    assert job.run() == expected


def test_a_part_that_is_whole_is_not_asked_for_again(site: Any, tmp_path: Path) -> None:
    page, file = site.file("x", BODY)
    job = Job(file, tmp_path)
    job.run()
    assert job.run() == BODY
    assert len(page.asked) == 1


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(site: Any, tmp_path: Path) -> None:
    page, file = site.file("x", BODY, answers=[503, 429])
    assert Job(file, tmp_path).run() == BODY
    assert len(page.asked) == 3
    page, file = site.file("x", answers=[404, 404])
    with pytest.raises(WorkError, match="404 Not Found") as refused:
        Job(file, tmp_path).run()
    assert page.url in str(refused.value)
    assert PAGE in str(refused.value)
    assert len(page.asked) == 1


def test_a_redirect_within_the_same_machine_is_followed_with_the_range(site: Any, tmp_path: Path) -> None:
    page, job = _stopped(site, tmp_path)
    moved = site.put(answers=[302], location=page.url)
    job.file = job.file.model_copy(update={"url": moved.url})
    job.known = Version(url=moved.url, validator='"1"', total=len(BODY))
    assert job.run() == BODY
    assert page.asked[0]["Range"] == "bytes=1000-"


@pytest.mark.parametrize(
    "target",
    ["http://example.org/x", "https://example.org/x", "file:///etc/hostname", "ftp://example.org/x", "data:,x", "//[", ""],
)
def test_other_redirects_are_refused(site: Any, tmp_path: Path, target: str) -> None:
    page, file = site.file("x", BODY, answers=[302], location=target)
    with pytest.raises(WorkError, match="redirects to") as refused:
        Job(file, tmp_path).run()
    assert page.url in str(refused.value)
    assert not (tmp_path / "x.part").exists()


def test_a_redirect_in_a_circle_ends(site: Any, tmp_path: Path) -> None:
    page, file = site.file("x", BODY, answers=[302] * 100)
    page.location = page.url
    with pytest.raises(WorkError, match="more than 5 redirects"):
        Job(file, tmp_path).run()


def test_web_pages_and_files_of_another_size_are_refused(site: Any, tmp_path: Path) -> None:
    _, file = site.file("x", BODY, kind="text/html; charset=utf-8")
    with pytest.raises(WorkError, match="web page"):
        Job(file, tmp_path).run()
    page, file = site.file("x", BODY)
    page.content = BODY + b"!"
    with pytest.raises(WorkError, match="512,001 bytes, but it is published with 512,000"):
        Job(file, tmp_path).run()
    page.has_length = False
    with pytest.raises(WorkError, match="more than 512,000 bytes come"):
        Job(file, tmp_path).run()


def test_a_file_of_unknown_size_is_bounded(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "MOST_BYTES", 1000)
    _, file = site.file("x", BODY, told=False, has_length=False)
    with pytest.raises(WorkError, match="more than 1,000 bytes"):
        Job(file, tmp_path).run()


def test_no_server_and_a_silent_server_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(downloading, "PAUSES_S", (0.0,))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        file = DataFile(name="x", url=f"http://127.0.0.1:{listening.getsockname()[1]}/x")
        with pytest.raises(WorkError, match=r"cannot be reached \(Connection refused\)") as refused:
            Job(file, tmp_path).run()
        assert file.url in str(refused.value)
        listening.listen()
        with pytest.raises(WorkError, match=r"in 2 attempts \(timed out\)"):
            Job(file, tmp_path).run()

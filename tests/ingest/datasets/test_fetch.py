"""Fetching into a folder: checked, atomic, repeatable, and told."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipesim import cli
from pipesim.errors import FileError, PipesimError, RequestError, WorkError
from pipesim.ingest.datasets import Member, catalogue, fetch
from tests.conftest import REPOSITORY

LOG = b"job,gpus\n" + b"1,2\n" * 5000
NODES = b"node,gpus\na,8\n"
FIXTURES = Path(__file__).parents[1] / "fixtures"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tar(**files: bytes) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{name}.csv")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def state(folder: Path) -> dict[str, bytes]:
    """What a user sees in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".fetch.lock"
    }


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def archived(site: Any, made: Any) -> tuple[Any, Any]:
    """An archive with two files, the first of which has a published checksum, and the page that it is on."""
    members = (Member(name="log.csv", sha256=sha256(LOG), bytes=len(LOG)), Member(name="nodes.csv"))
    page, file = site.file("logs.tar.gz", tar(log=LOG, nodes=NODES, more=b"x"), members=members)
    return page, made(file, read=("log.csv", "nodes.csv"))


def test_everything_is_there_checked_and_recorded_and_a_second_run_asks_nobody(
    site: Any, archived: tuple[Any, Any], tmp_path: Path, said: list[str]
) -> None:
    page, dataset = archived
    done = fetch(dataset, tmp_path / "new" / "folder", said.append)
    folder = done.folder
    assert done.fetched == ("logs.tar.gz", "log.csv", "nodes.csv")
    assert done.kept == ()
    assert set(state(folder)) == {"logs.tar.gz", "log.csv", "nodes.csv", "MANIFEST"}
    assert (folder / "log.csv").read_bytes() == LOG
    manifest = json.loads((folder / "MANIFEST").read_text())
    assert {manifest[key] for key in ("dataset", "licence", "citation")} == {"tried", "CC BY 4.0", "Somebody, 2026"}
    archive, log, nodes = (manifest["files"][name] for name in ("logs.tar.gz", "log.csv", "nodes.csv"))
    assert (archive["url"], archive["sha256"], archive["is_published"]) == (page.url, sha256(page.content), True)
    assert (log["archive"], log["sha256"], log["bytes"]) == (archive["sha256"], sha256(LOG), len(LOG))
    assert (nodes["sha256"], nodes["is_published"]) == (sha256(NODES), False)
    assert archive["fetched_at"].endswith("+00:00")

    before, times = state(folder), {path: path.stat().st_mtime_ns for path in folder.glob("*.*")}
    again = fetch(dataset, folder, said.append)
    assert (again.fetched, again.kept) == ((), done.fetched)
    assert state(folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.*")} == times
    assert len(page.asked) == 1
    assert said == []


def test_only_what_is_missing_or_damaged_is_made_again(
    site: Any, made: Any, archived: tuple[Any, Any], tmp_path: Path, said: list[str]
) -> None:
    page, packed = archived
    other, file = site.file("plain.csv", NODES)
    dataset = made(*packed.files, file)
    fetch(dataset, tmp_path, said.append)
    before = state(tmp_path)
    (tmp_path / "plain.csv").unlink()
    assert fetch(dataset, tmp_path, said.append).fetched == ("plain.csv",)
    (tmp_path / "log.csv").write_bytes(LOG[:-1] + b"!")
    assert fetch(dataset, tmp_path, said.append).fetched == ("log.csv",)
    (tmp_path / "logs.tar.gz").write_bytes(b"cut")
    assert fetch(dataset, tmp_path, said.append).fetched == ("logs.tar.gz",)
    assert (len(page.asked), len(other.asked)) == (2, 2)
    assert [text.split(" ", 1)[1] for text in said] == ["is not what it should be, so it is made anew"] * 2
    assert {name: raw for name, raw in state(tmp_path).items() if name != "MANIFEST"} == {
        name: raw for name, raw in before.items() if name != "MANIFEST"
    }


def test_a_wrong_file_leaves_nothing_and_is_told_with_both_checksums(site: Any, made: Any, tmp_path: Path) -> None:
    good, first = site.file("a.csv", NODES)
    page, second = site.file("b.csv", LOG)
    page.content = wrong = LOG[:-1] + b"!"
    with pytest.raises(WorkError) as refused:
        fetch(made(first, second), tmp_path, print)
    for told in (sha256(LOG), sha256(wrong), page.url, "https://example.org/log"):
        assert told in str(refused.value)
    assert set(state(tmp_path)) == {"a.csv", ".fetch.json"}
    page.content = LOG
    done = fetch(made(first, second), tmp_path, print)
    assert (done.fetched, done.kept) == (("b.csv",), ("a.csv",))
    assert len(good.asked) == 1
    assert set(state(tmp_path)) == {"a.csv", "b.csv", "MANIFEST"}


@pytest.mark.parametrize("field", ["sha256", "bytes"])
def test_a_wrong_file_in_an_archive_leaves_none_of_it(archived: tuple[Any, Any], tmp_path: Path, field: str) -> None:
    _, dataset = archived
    (file,) = dataset.files
    log = Member(name="log.csv", **{field: sha256(NODES) if field == "sha256" else 7})
    wrong = dataset.model_copy(update={"files": (file.model_copy(update={"members": (log, file.members[1])}),)})
    with pytest.raises(WorkError, match=f"{sha256(LOG)} and {len(LOG):,} bytes"):
        fetch(wrong, tmp_path, print)
    assert set(state(tmp_path)) == {"logs.tar.gz", ".fetch.json"}


def test_without_a_published_checksum_the_first_one_is_told_recorded_and_insisted_on(
    site: Any, made: Any, tmp_path: Path, said: list[str]
) -> None:
    page, file = site.file("a.csv", LOG, told=False)
    fetch(made(file), tmp_path, said.append)
    assert said == [
        f"a.csv: no checksum is published; its SHA-256 is {sha256(LOG)} ({len(LOG):,} bytes), which is recorded",
    ]
    fetch(made(file), tmp_path, said.append)
    assert len(page.asked) == 1
    (tmp_path / "a.csv").unlink()
    page.content = NODES
    for _ in range(2):  # the record outlives the failure
        with pytest.raises(WorkError, match=f"recorded when it was fetched first are SHA-256 {sha256(LOG)}") as refused:
            fetch(made(file), tmp_path, said.append)
        assert sha256(NODES) in str(refused.value)
        assert set(state(tmp_path)) == {".fetch.json"}
    page.content = LOG
    assert fetch(made(file), tmp_path, said.append).fetched == ("a.csv",)


def test_what_was_put_into_the_folder_by_hand_is_taken(
    site: Any, made: Any, archived: tuple[Any, Any], tmp_path: Path, said: list[str]
) -> None:
    packed_page, packed = archived
    page, file = site.file("a.csv", told=False)
    (tmp_path / "logs.tar.gz").write_bytes(packed_page.content)
    (tmp_path / "a.csv").write_bytes(LOG)
    done = fetch(made(*packed.files, file), tmp_path, said.append)
    assert done.fetched == ("log.csv", "nodes.csv")
    assert (packed_page.asked, page.asked) == ([], [])
    assert said == [f"a.csv was here already, and no checksum is published; its SHA-256 {sha256(LOG)} is recorded"]
    assert done.files["a.csv"].sha256 == sha256(LOG)


def test_a_file_whose_address_is_another_now_is_fetched_from_there(site: Any, made: Any, tmp_path: Path) -> None:
    _, old = site.file("a.csv", LOG, told=False)
    _, new = site.file("a.csv", NODES, told=False)
    fetch(made(old), tmp_path, print)
    assert fetch(made(new), tmp_path, print).fetched == ("a.csv",)
    assert (tmp_path / "a.csv").read_bytes() == NODES
    assert fetch(made(new), tmp_path, print).fetched == ()


def test_a_pointer_of_git_lfs_is_no_file(site: Any, made: Any, tmp_path: Path) -> None:
    _, file = site.file("a.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", told=False)
    with pytest.raises(WorkError, match="pointer of Git LFS"):
        fetch(made(file), tmp_path, print)
    assert set(state(tmp_path)) == {".fetch.json"}


def test_an_interrupted_run_is_gone_on_with(site: Any, made: Any, tmp_path: Path, said: list[str]) -> None:
    body = LOG * 30
    first, before = site.file("a.csv", NODES, told=False)
    page, file = site.file("b.csv", body)

    @contextmanager
    def interrupting(what: str) -> Iterator[Callable[[float], None]]:
        def tell(share: float) -> None:
            if what == "fetching b.csv" and share > 0.5:
                raise KeyboardInterrupt

        yield tell

    with pytest.raises(KeyboardInterrupt):
        fetch(made(before, file), tmp_path, said.append, interrupting)
    assert said[-1] == f"what has come so far stays in {tmp_path}: run the command again to go on"
    assert set(state(tmp_path)) == {"a.csv", "b.csv.part", ".fetch.json"}
    come = (tmp_path / "b.csv.part").stat().st_size
    assert 0 < come < len(body)
    done = fetch(made(before, file), tmp_path, said.append)
    assert (done.fetched, done.kept) == (("b.csv",), ("a.csv",))
    assert page.asked[1]["Range"] == f"bytes={come}-"
    assert (tmp_path / "b.csv").read_bytes() == body
    assert len(first.asked) == 1
    assert set(state(tmp_path)) == {"a.csv", "b.csv", "MANIFEST"}


def test_ctrl_c_ends_the_command_and_leaves_what_came(site: Any, made: Any, tmp_path: Path) -> None:
    body = LOG * 30
    page, file = site.file("a.csv", body, cuts=[len(body) // 2], gate=threading.Event())
    (tmp_path / "catalogue.yaml").write_text(yaml.safe_dump({"datasets": [made(file).as_dict()]}))
    script = (
        "import pathlib, sys; from pipesim import cli; from pipesim.ingest.datasets import catalogue;"
        "catalogue.CATALOGUE = pathlib.Path('catalogue.yaml');"
        "sys.argv = ['pipesim', 'datasets', 'fetch', 'tried', '--to', 'to']; cli.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert page.begun.wait(30)
        part = tmp_path / "to" / "a.csv.part"
        while not (part.exists() and part.stat().st_size):  # the first bytes are on their way
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    page.gate.set()
    assert (process.returncode, out) == (130, "")
    assert "run the command again to go on" in err
    assert set(state(tmp_path / "to")) == {"a.csv.part", ".fetch.json"}
    assert fetch(made(file), tmp_path / "to", print).fetched == ("a.csv",)
    assert (tmp_path / "to" / "a.csv").read_bytes() == body


def test_a_zip_keeps_its_folders(site: Any, made: Any, tmp_path: Path) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("data/", b"")
        archive.writestr("data/Venus/log.csv", LOG)
    members = (Member(name="data/Venus/log.csv", sha256=sha256(LOG)),)
    _, file = site.file("data.zip", raw.getvalue(), members=members)
    fetch(made(file, read=("data/Venus/log.csv",)), tmp_path, print)
    assert (tmp_path / "data" / "Venus" / "log.csv").read_bytes() == LOG


def test_two_fetches_into_one_folder_are_kept_apart(site: Any, made: Any, tmp_path: Path) -> None:
    page, file = site.file("a.csv", LOG, gate=threading.Event(), has_length=False)
    failed: list[PipesimError] = []

    def other() -> None:
        try:
            fetch(made(file), tmp_path, print)
        except PipesimError as error:
            failed.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    assert page.begun.wait(10)
    with pytest.raises(WorkError, match="another pipesim process is fetching into this folder"):
        fetch(made(file), tmp_path, print)
    page.gate.set()
    thread.join()
    assert failed == []
    assert fetch(made(file), tmp_path, print).fetched == ()


def test_a_full_disk_is_told(site: Any, made: Any, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.is_char_device():
        pytest.skip("there is no /dev/full here")
    _, file = site.file("a.csv", LOG)
    (tmp_path / "a.csv.part").symlink_to(full)
    with pytest.raises(WorkError, match="no room left on the disk") as refused:
        fetch(made(file), tmp_path, print)
    assert str(tmp_path) in str(refused.value)
    assert not (tmp_path / "a.csv").exists()


def test_folders_that_are_no_place_for_it_are_refused_and_left_alone(site: Any, made: Any, tmp_path: Path) -> None:
    _, file = site.file("a.csv", LOG)
    fetch(made(file), tmp_path / "first", print)
    with pytest.raises(RequestError, match="holds the data set tried"):
        fetch(made(file, name="other"), tmp_path / "first", print)
    (tmp_path / "MANIFEST").write_text('{"mine": 1}')
    with pytest.raises(FileError, match="no record of a fetched data set"):
        fetch(made(file), tmp_path, print)
    assert (tmp_path / "MANIFEST").read_text() == '{"mine": 1}'
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="cannot be written"):
        fetch(made(file), tmp_path / "file", print)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command line as a user would, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIPESIM_HOME", raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["pipesim", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return call


def test_the_command_line_lists_fetches_and_says_how_to_ingest(
    site: Any, made: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("openb_pod_list_default.csv", "openb_node_list_all_node.csv")
    files = [site.file(name, (FIXTURES / "openb" / name).read_bytes(), told=False)[1] for name in names]
    entry = made(*files, name="openb", source="openb", read=names)
    monkeypatch.setattr(catalogue, "CATALOGUE", tmp_path / "catalogue.yaml")
    catalogue.CATALOGUE.write_text(yaml.safe_dump({"datasets": [entry.as_dict()]}))

    code, out, err = run("datasets", "list")
    assert (code, err) == (0, "")
    for told in ("openb: A log", files[0].url, "no checksum published", "CC BY 4.0", "Somebody, 2026", "fetch openb"):
        assert told in out
    code, out, err = run("datasets", "list", "--json", "--home", "my home")
    (told,) = json.loads(out)["datasets"]
    assert told["ingest"].endswith("--source openb --home 'my home'")
    assert told["files"][0] == {**files[0].model_dump(), "members": []}

    code, out, err = run("datasets", "fetch", "openb", "--home", "my home", "--json")
    assert code == 0
    assert err.count("no checksum is published") == 2
    done = json.loads(out)
    assert set(done) == {"dataset", "folder", "fetched", "kept", "files", "licence", "citation", "seconds", "ingest"}
    assert done["folder"] == str(Path("my home") / "datasets" / "openb")
    assert done["fetched"] == list(names)
    assert done["ingest"] == told["ingest"]
    code, out, err = run(*shlex.split(done["ingest"])[1:], "--json")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert rows["pipeline_runs"] > 0
    code, out, err = run("ingest", done["folder"], "--source", "openb", "--home", "another", "--json")
    assert json.loads(out)["rows"] == rows, "the folder stands for the same files, without what the fetching keeps there"

    code, out, err = run("datasets", "fetch", "openb", "--home", "my home")
    assert "nothing to do" in out
    assert "please cite: Somebody, 2026" in out
    code, out, err = run("datasets", "fetch", "openb", "--to", "elsewhere", "--json")
    assert json.loads(out)["ingest"].startswith("pipesim ingest elsewhere/openb_pod_list_default.csv elsewhere/")
    code, out, err = run("datasets", "fetch", "nothing")
    assert (code, out) == (2, "")
    assert "there is no data set 'nothing'" in err

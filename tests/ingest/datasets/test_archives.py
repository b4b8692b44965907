"""Archives: the wanted files come out, and nothing of an archive with a trap."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.errors import WorkError
from pipesim.ingest.datasets import archives
from pipesim.ingest.datasets.archives import unpack
from pipesim.ingest.datasets.catalogue import is_inside

LOG = b"job,gpus\n" * 1000


def _tar(path: Path, *entries: tuple[str, bytes, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "log.csv"
            tar.addfile(info, io.BytesIO(content))
    return path


def _zip(path: Path, *entries: tuple[str, int, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, mode, content in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            file.writestr(info, content)
    return path


def test_wanted_files_come_out_and_others_stay_in(tmp_path: Path) -> None:
    tar = _tar(
        tmp_path / "a.tar.gz",
        ("./", tarfile.DIRTYPE, b""),
        ("./._log.csv", tarfile.REGTYPE, b"resource fork"),
        ("./log.csv", tarfile.REGTYPE, LOG),
    )
    zipped = _zip(tmp_path / "a.zip", ("data/", stat.S_IFDIR, b""), ("data/log.csv", 0, LOG), ("readme", stat.S_IFREG, b"x"))
    for archive, name in ((tar, "log.csv"), (zipped, "data/log.csv")):
        target = tmp_path / "out"
        found = unpack(archive, {name: target})
        assert target.read_bytes() == LOG
        assert found == {name: archives.Content(len(LOG), hashlib.sha256(LOG).hexdigest())}
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.gz", "a.zip", "out"}


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "C:/x", "a\\..\\x", "\\x", "a//b"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_entries_outside_of_the_folder_refuse_the_archive(tmp_path: Path, name: str, kind: str) -> None:
    if kind == "tar":
        archive = _tar(tmp_path / "a.tar.gz", (name, tarfile.REGTYPE, b"x"), ("log.csv", tarfile.REGTYPE, LOG))
    else:
        archive = _zip(tmp_path / "a.zip", (name, 0, b"x"), ("log.csv", 0, LOG))
    with pytest.raises(WorkError, match="outside of its folder") as refused:
        unpack(archive, {"log.csv": tmp_path / "out"})
    assert str(archive) in str(refused.value)
    assert {path.name for path in tmp_path.iterdir()} == {archive.name}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_refuse_a_tar(tmp_path: Path, kind: bytes) -> None:
    word = "a link" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else "a device"
    with pytest.raises(WorkError, match=f"which is {word}"):
        unpack(_tar(tmp_path / "a.tar.gz", ("log.csv", kind, b"")), {"log.csv": tmp_path / "out"})


@pytest.mark.parametrize(("kind", "word"), [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "a device")])
def test_links_and_devices_refuse_a_zip(tmp_path: Path, kind: int, word: str) -> None:
    with pytest.raises(WorkError, match=f"which is {word}"):
        unpack(_zip(tmp_path / "a.zip", ("log.csv", kind, b"/etc/hostname")), {"log.csv": tmp_path / "out"})


def test_what_is_missing_double_or_damaged_is_told(tmp_path: Path) -> None:
    out = {"log.csv": tmp_path / "out"}
    with pytest.raises(WorkError, match=r"does not hold log\.csv"):
        unpack(_tar(tmp_path / "a.tar.gz", ("other.csv", tarfile.REGTYPE, LOG)), out)
    twice = ("log.csv", tarfile.REGTYPE, LOG)
    with pytest.raises(WorkError, match="twice"):
        unpack(_tar(tmp_path / "a.tar.gz", twice, twice), out)
    for whole in (_tar(tmp_path / "b.tar.gz", twice), _zip(tmp_path / "b.zip", ("log.csv", 0, LOG))):
        bytes_ = whole.read_bytes()
        for damaged in (b"", bytes_[: len(bytes_) // 2], b"no archive"):
            whole.write_bytes(damaged)
            with pytest.raises(WorkError, match="is damaged"):
                unpack(whole, out)


def test_an_encrypted_zip_is_told(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", ("log.csv", 0, LOG))
    raw = bytearray(archive.read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(raw)
    with pytest.raises(WorkError, match="encrypted"):
        unpack(archive, {"log.csv": tmp_path / "out"})


def test_number_and_size_of_entries_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(f"{number}.csv", tarfile.REGTYPE, LOG) for number in range(5)]
    archive = _tar(tmp_path / "a.tar.gz", *entries)
    monkeypatch.setattr(archives, "MOST_ENTRIES", 4)
    with pytest.raises(WorkError, match="more than 4 entries"):
        unpack(archive, {"4.csv": tmp_path / "out"})
    monkeypatch.setattr(archives, "MOST_ENTRIES", 5)
    monkeypatch.setattr(archives, "MOST_BYTES", 5 * len(LOG) - 1)
    with pytest.raises(WorkError, match="44,999 bytes"):
        unpack(archive, {"4.csv": tmp_path / "out"})
    monkeypatch.setattr(archives, "MOST_BYTES", 5 * len(LOG))
    assert unpack(archive, {"4.csv": tmp_path / "out"})["4.csv"].bytes == len(LOG)


@given(st.text(st.sampled_from("ab./\\: \0é"), max_size=8))
def test_a_path_that_is_inside_stays_there(name: str) -> None:
    if is_inside(name):
        root = Path("/some/folder")
        assert Path(root, name).resolve().is_relative_to(root)
        assert Path(root, name) != root
        assert not set(name) & {"\\", "\0"}

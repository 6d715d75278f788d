"""What is unpacked, what is refused, and that a refused archive leaves nothing outside."""

from __future__ import annotations

import random
import shutil
import stat
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import rarfile
from hypothesis import given
from hypothesis import strategies as st
from rars import FOLDER, LINK, LOCKED, NORMAL, Entry, write_rar, write_rar5

from dsnet.fetching import archives
from dsnet.fetching.archives import RAR_TOOLS, ArchiveError, has_rar_tool, unpack

ONE, TWO = b"a first video" * 9, random.Random(1).randbytes(3000)
SET = {"Top/Archery/v_1.avi": ONE, "Top/Archery/v 2 #;&!.AVI": TWO, "Top/read me.txt": b"no video"}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Top/", b"")
        for name, data in files.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def write_stored(path: Path, files: dict[str, bytes]) -> Path:
    return write_rar(path, [Entry("Top", mode=FOLDER), *(Entry(*item) for item in files.items())])


WRITERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "zip": write_zip,
    "rar": write_stored,
}


def take(archive: Path, folder: Path, depth: int = 2, limit: int = 10**6) -> list[Path]:
    return unpack(archive, folder, depth=depth, suffix=".avi", limit=limit)


@pytest.fixture(params=WRITERS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """A writer of either kind of archive."""
    return lambda files: WRITERS[request.param](tmp_path / f"set.{request.param}", files)


def found(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_files_of_the_kind_wanted_are_unpacked_below_their_class(make, tmp_path):
    paths = take(make(SET), tmp_path / "out")
    assert found(tmp_path / "out") == {"Archery/v_1.avi": ONE, "Archery/v 2 #;&!.AVI": TWO}
    assert paths == [tmp_path / "out/Archery/v_1.avi", tmp_path / "out/Archery/v 2 #;&!.AVI"]


@pytest.mark.parametrize(
    "name",
    [
        "../up.avi",
        "Top/../../up.avi",
        "/tmp/up.avi",
        "//host/up.avi",
        "C:/up.avi",
        "c:up.avi",
        "..",
    ],
)
def test_what_would_lie_outside_is_refused(make, tmp_path, name):
    archive = make({**SET, name: b"out"})
    with pytest.raises(ArchiveError, match="no path inside the folder") as error:
        take(archive, tmp_path / "in" / "out", depth=1)
    assert str(archive) in str(error.value)
    assert "up.avi" in str(error.value) or ".." in str(error.value)
    assert sorted(tmp_path.rglob("*")) == [archive]


@pytest.mark.parametrize("name", ["..\\up.avi", "Top\\v.avi", "v\n.avi"])
def test_a_zip_with_names_that_systems_read_differently_is_refused(tmp_path, name):
    with pytest.raises(ArchiveError, match="no path inside the folder"):
        take(write_zip(tmp_path / "set.zip", {name: b""}), tmp_path / "out", depth=1)


def test_a_rar_made_on_windows_is_no_way_out(tmp_path):
    entries = [Entry("Top\\..\\..\\up.avi", b"out")]
    with pytest.raises(ArchiveError, match="no path inside the folder"):
        take(write_rar(tmp_path / "set.rar", entries), tmp_path / "out", depth=1)


def zip_with_link(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Archery/v_1.avi", ONE)
        link = zipfile.ZipInfo("Archery/v_2.avi")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return path


LINKS: dict[str, Callable[[Path], Path]] = {
    "symbolic, zip": lambda folder: zip_with_link(folder / "set.zip"),
    "symbolic, RAR 4": lambda folder: write_rar(
        folder / "set.rar", [Entry("A/1.avi", ONE), Entry("A/v_2.avi", b"/etc/passwd", mode=LINK)]
    ),
    "hard, RAR 5": lambda folder: write_rar5(
        folder / "set.rar", [Entry("A/1.avi", ONE)], {"A/v_2.avi": "A/1.avi"}
    ),
}


@pytest.mark.parametrize("kind", LINKS)
def test_links_are_refused(tmp_path, kind):
    archive = LINKS[kind](tmp_path)
    with pytest.raises(ArchiveError, match=r"refused, since '.*v_2\.avi' is a link"):
        take(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_than_is_announced_in_all_is_refused_before_anything_is_written(make, tmp_path):
    archive = make({f"A/{number}.avi": bytes(10_000) for number in range(10)})
    with pytest.raises(ArchiveError, match=r"100,000 bytes, where at most 99,999 are announced"):
        take(archive, tmp_path / "out", limit=99_999)
    assert not (tmp_path / "out").exists()
    assert len(take(archive, tmp_path / "out", limit=100_000)) == 10


def test_more_members_than_any_data_set_has_are_refused(make, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    with pytest.raises(ArchiveError, match="refused, since it has 4 members"):
        take(make(SET), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def lying_zip(path: Path, size: int) -> Path:
    """A zip of a megabyte of zeros whose headers say ``size``."""
    write_zip(path, {"A/v.avi": bytes(10**6)})
    data, true = path.read_bytes(), (10**6).to_bytes(4, "little")
    assert data.count(true) == 2
    path.write_bytes(data.replace(true, size.to_bytes(4, "little")))
    return path


@pytest.mark.parametrize("size", [10, 2 * 10**6])
def test_a_member_of_another_size_than_its_header_says_is_refused(tmp_path, size):
    lying = [
        lying_zip(tmp_path / "set.zip", size),
        write_rar(tmp_path / "set.rar", [Entry("A/v.avi", bytes(10**6), size=size)]),
    ]
    for archive in lying:
        with pytest.raises(ArchiveError, match=r"'A/v\.avi' is (damaged|announced)") as error:
            take(archive, tmp_path / archive.suffix, limit=10**7)
        assert str(archive) in str(error.value)
        assert sum(len(data) for data in found(tmp_path / archive.suffix).values()) <= 10**6


def test_two_members_for_one_file_are_refused(make, tmp_path):
    archive = make({"Top/A/v.avi": ONE, "Other/A/v.avi": TWO})
    with pytest.raises(ArchiveError, match=r"refused, since it has 'A/v\.avi' twice"):
        take(archive, tmp_path / "out")


def test_what_is_there_is_not_overwritten(make, tmp_path):
    (tmp_path / "out/Archery").mkdir(parents=True)
    (tmp_path / "out/Archery/v_1.avi").write_bytes(b"mine")
    with pytest.raises(ArchiveError, match=r"v_1\.avi' is there twice"):
        take(make(SET), tmp_path / "out")
    assert (tmp_path / "out/Archery/v_1.avi").read_bytes() == b"mine"


def test_damaged_content_is_found_by_its_checksum(make, tmp_path):
    archive = make({"A/v.avi": TWO})
    data = archive.read_bytes()
    middle = len(data) // 2
    archive.write_bytes(data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :])
    with pytest.raises(ArchiveError, match=r"'A/v\.avi' is damaged .* fetched again"):
        take(archive, tmp_path / "out")


def test_a_zip_whose_members_begin_before_it_is_damaged(tmp_path):
    archive = write_zip(tmp_path / "set.zip", {"A/v.avi": ONE})
    data = bytearray(archive.read_bytes())
    data[-6] += 100  # where the list of members begins: now what is before it seems cut off
    archive.write_bytes(data)
    with pytest.raises(ArchiveError, match="damaged"):
        take(archive, tmp_path / "out")


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("content", [b"", b"<html>no</html>", b"PK\x03\x04", b"Rar!\x1a\x07\x00"])
def test_what_is_no_archive_is_said(tmp_path, suffix, content):
    archive = tmp_path / f"set.{suffix}"
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match=f"{archive}: (damaged|has no file)"):
        take(archive, tmp_path / "out")


def test_an_archive_without_what_is_wanted_is_said(make, tmp_path):
    with pytest.raises(ArchiveError, match=r"has no file whose name ends in \.avi"):
        take(make({"Top/read me.txt": b""}), tmp_path / "out")
    with pytest.raises(ArchiveError, match=r"names of 3 parts or more, got 'A/v\.avi'"):
        take(make({"A/v.avi": b""}), tmp_path / "out", depth=3)


def test_an_archive_with_a_password_is_said(tmp_path):
    archive = write_rar(tmp_path / "set.rar", [Entry("A/v.avi", ONE, flags=LOCKED)])
    with pytest.raises(ArchiveError, match=r"'A/v\.avi' needs a password"):
        take(archive, tmp_path / "out")


def test_without_a_tool_a_compressed_rar_says_what_to_install(tmp_path, monkeypatch):
    archive = write_rar(tmp_path / "set.rar", [Entry("A/v.avi", b"squeezed", method=NORMAL)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not has_rar_tool()
    with pytest.raises(ArchiveError, match="install unrar, unar or 7z"):
        take(archive, tmp_path / "out")


def test_a_7z_without_its_rar_plugin_is_no_tool(tmp_path, monkeypatch):
    # Nor is bsdtar, as long as rarfile forgets to name the archive.
    for name, codecs in (("7z", "LZMA"), ("7zz", "LZMA Rar3"), ("bsdtar", "Rar3")):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\necho {codecs}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert has_rar_tool()
    (tmp_path / "7zz").unlink()
    assert not has_rar_tool()


# What WinRAR made of it: test_read_format_rar_compress_normal.rar of libarchive's tests.
TEXT = b"test text document\r\n"
SQUEEZED = bytes.fromhex("0800c8fe8cf7a17877b759a2b83107fc4b95ffc228a7ccf34adb883de6a0")


def test_a_compressed_rar_is_unpacked_by_a_tool(tmp_path):
    if not has_rar_tool():
        pytest.skip(f"needs one of {RAR_TOOLS}")
    entry = Entry("A/v.avi", SQUEEZED, method=NORMAL, size=len(TEXT), crc=zlib.crc32(TEXT))
    take(write_rar(tmp_path / "set.rar", [Entry("A/u.avi", ONE), entry]), tmp_path / "out")
    assert found(tmp_path / "out") == {"A/u.avi": ONE, "A/v.avi": TEXT}
    wrong = [replace(entry, crc=1), replace(entry, size=10), replace(entry, size=1000)]
    for number, entry in enumerate(wrong):
        archive = write_rar(tmp_path / f"{number}.rar", [entry])
        with pytest.raises(ArchiveError, match=r"'A/v\.avi' is (damaged|announced)"):
            take(archive, tmp_path / str(number))


def test_a_solid_rar_is_unpacked_with_a_warning(tmp_path, caplog):
    take(write_rar(tmp_path / "set.rar", [Entry("A/v.avi", ONE)], solid=True), tmp_path / "out")
    assert found(tmp_path / "out") == {"A/v.avi": ONE}
    assert "is solid" in caplog.text


def test_the_archives_of_these_tests_are_what_another_reader_takes_for_rar(tmp_path):
    if (bsdtar := shutil.which("bsdtar")) is None:
        pytest.skip("needs bsdtar, an independent reader of rar archives")
    entries = [Entry("A/v.avi", ONE), Entry("A/w.avi", TWO)]
    made = [write_rar(tmp_path / "4.rar", entries), write_rar5(tmp_path / "5.rar", entries, {})]
    for archive in made:
        folder = tmp_path / archive.stem
        folder.mkdir()
        subprocess.run([bsdtar, "-xf", archive, "-C", folder], check=True)
        assert found(folder) == {"A/v.avi": ONE, "A/w.avi": TWO}
        assert [info.filename for info in rarfile.RarFile(archive).infolist()] == [
            "A/v.avi", "A/w.avi",
        ]  # fmt: skip


@given(
    suffix=st.sampled_from(sorted(WRITERS)),
    place=st.floats(0, 1, exclude_max=True),
    change=st.binary(max_size=4),
    dropped=st.integers(0, 8),
)
def test_however_damaged_it_is_unpacked_or_refused(
    tmp_path_factory, suffix, place, change, dropped
):
    folder = tmp_path_factory.mktemp("damaged")
    archive = WRITERS[suffix](folder / f"set.{suffix}", {"A/v.avi": ONE, "A/w.avi": b"w"})
    data = archive.read_bytes()
    start = int(place * len(data))
    archive.write_bytes(data[:start] + change + data[start + dropped :])
    try:
        take(archive, folder / "out")
    except ArchiveError:
        return
    assert set(found(folder / "out").values()) <= {ONE, b"w"}


PART = st.text(st.sampled_from("a.\\/: C"), min_size=1, max_size=6)


@given(names=st.lists(PART, min_size=1, max_size=3, unique=True))
def test_whatever_the_names_nothing_is_written_outside(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names")
    archive = write_zip(folder / "set.zip", {f"{name}.avi": b"x" for name in names})
    place = folder / "place/deeper/out"
    try:
        unpack(archive, place, depth=1, suffix=".avi", limit=100)
    except ArchiveError:
        assert not place.exists()
    outside = {path for path in folder.rglob("*") if place not in (path, *path.parents)}
    assert outside <= {archive, place.parent, place.parent.parent}

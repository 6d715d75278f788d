"""Whole data sets, as small archives of the official shapes on a local server."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rars import LINK, Entry, write_rar
from webserver import FileServer

from dsnet import fetching
from dsnet.cli import main
from dsnet.datasets.weizmann import CLASSES
from dsnet.fetching import ArchiveError, DownloadError, fetch
from dsnet.fetching.sources import Archive, Source

AVI = {name: f"{name} of a film".encode() * 20 for name in ("a", "b", "c")}
LIST = b"ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\n"


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def make_ucf101(folder: Path) -> dict[str, bytes]:
    """The archives of UCF-101 in ``folder``; what is to come of them."""
    names = ("Archery/v_Archery_g01_c01.avi", "YoYo/v_YoYo_g25_c05.avi")
    files = dict(zip(names, AVI.values(), strict=False))
    entries = [Entry(f"UCF-101/{name}", data) for name, data in files.items()]
    write_rar(folder / "UCF101.rar", entries)
    lists = {f"ucfTrainTestlist/{name}.txt": LIST for name in ("classInd", "testlist01")}
    write_zip(folder / "UCF101TrainTestSplits-RecognitionTask.zip", lists)
    return {**{f"UCF-101/{name}": data for name, data in files.items()}, **lists}


def make_hmdb51(folder: Path) -> dict[str, bytes]:
    """Those of HMDB-51, where a rar holds one for each class."""
    files, rars = {}, []
    for label in ("brush_hair", "wave"):
        names = [f"{label}/Film_#;&!(1)_{label}_{number}.avi" for number in AVI]
        entries = [Entry(name, data) for name, data in zip(names, AVI.values(), strict=True)]
        rar = write_rar(folder.parent / "inner" / f"{label}.rar", entries)
        rars.append(Entry(rar.name, rar.read_bytes()))
        files |= {f"hmdb51_org/{entry.name}": entry.data for entry in entries}
    write_rar(folder / "hmdb51_org.rar", rars)
    lists = {"testTrainMulti_7030_splits/wave_test_split1.txt": b"x.avi 1 \r\n"}
    write_rar(folder / "test_train_splits.rar", [Entry(*item) for item in lists.items()])
    return files | lists


def make_weizmann(folder: Path) -> dict[str, bytes]:
    """Those of Weizmann, a zip for each class, without folders."""
    files = {}
    for label in CLASSES:
        inside = {f"{subject}_{label}.avi": AVI["a"] for subject in ("daria", "lena")}
        write_zip(folder / f"{label}.zip", {**inside, "Thumbs.db": b""})
        files |= {f"weizmann/{label}/{name}": data for name, data in inside.items()}
    return files


SETS: dict[str, Callable[[Path], dict[str, bytes]]] = {
    "ucf101": make_ucf101,
    "hmdb51": make_hmdb51,
    "weizmann": make_weizmann,
}


def alter(source: Source, change: Callable[[Archive], Archive]) -> Source:
    parts = [replace(p, archives=tuple(change(a) for a in p.archives)) for p in source.parts]
    return replace(source, parts=tuple(parts))


@pytest.fixture
def serve(web: FileServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, bytes]]:
    """Serve a data set, of whose archives size and checksum are published; what is to come."""

    def published(archive: Archive, folder: Path) -> Archive:
        data = (folder / archive.name).read_bytes()
        return replace(archive, size=len(data), checksum=f"md5:{hashlib.md5(data).hexdigest()}")

    def serve(kind: str) -> dict[str, bytes]:
        folder = web.folder / kind
        files = SETS[kind](folder)
        source = alter(fetching.SOURCES[kind], lambda archive: published(archive, folder))
        monkeypatch.setitem(fetching.SOURCES, kind, source)
        return files

    return serve


def get(kind: str, root: Path, mirror: str | None) -> dict:
    return fetch(kind, fetching.usual_folders(kind, root), root / "downloads", mirror)


def tree(root: Path) -> dict[str, bytes]:
    """The files below ``root`` but for the archives and our marks."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != fetching.MARK and "downloads" not in path.parts
    }


@pytest.mark.parametrize("kind", SETS)
def test_a_data_set_is_where_the_configuration_has_it(kind, serve, web, tmp_path, raw):
    files = serve(kind)
    record = get(kind, tmp_path / "data", web.address)
    assert tree(tmp_path / "data") == files
    assert not list((tmp_path / "data").rglob("*.archives"))
    configured = {raw["catalogue"][kind].get(key) for key in ("videos", "lists")} - {None}
    assert {f"data/{name.split('/')[0]}" for name in files} == configured
    for part in fetching.SOURCES[kind].parts:
        for archive, found in zip(part.archives, record[part.key]["archives"], strict=True):
            data = (web.folder / kind / archive.name).read_bytes()
            assert found["address"] == f"{web.address}/{kind}/{archive.name}"
            assert found["sha256"] == hashlib.sha256(data).hexdigest()
            assert (tmp_path / "data/downloads" / kind / archive.name).read_bytes() == data


@pytest.mark.parametrize("kind", SETS)
def test_a_second_time_nothing_is_asked_or_written(kind, serve, web, tmp_path):
    serve(kind)
    first = get(kind, tmp_path / "data", web.address)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    web.requests.clear()
    assert get(kind, tmp_path / "data", web.address) == first
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert changed <= {tmp_path / "data"}  # where the lock was
    assert not web.requests


def test_what_is_there_already_is_left_alone_and_said(serve, web, tmp_path, caplog):
    files = serve("ucf101")
    own = tmp_path / "data/UCF-101/Archery/v_Archery_g01_c01.avi"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")
    record = get("ucf101", tmp_path / "data", web.address)
    lists = {name: data for name, data in files.items() if name.startswith("ucfTrain")}
    assert tree(tmp_path / "data") == {**lists, "UCF-101/Archery/v_Archery_g01_c01.avi": b"mine"}
    assert record["videos"]["archives"] is None
    assert f"{own.parents[1]} is there, and was not made by fetching" in caplog.text
    assert not [path for path, _ in web.requests if "UCF101.rar" in path]


def test_what_is_there_may_be_read_only(tmp_path, monkeypatch):
    for part in ("UCF-101", "ucfTrainTestlist"):
        (tmp_path / "data" / part / "a").mkdir(parents=True)
    monkeypatch.setattr(fetching, "alone", None)  # root may write wherever it likes
    record = get("ucf101", tmp_path / "data", None)
    assert record["videos"]["archives"] is record["lists"]["archives"] is None


def test_a_link_to_another_disk_is_followed(serve, web, tmp_path):
    serve("ucf101")
    (tmp_path / "disk/videos").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/UCF-101").symlink_to(tmp_path / "disk/videos")
    get("ucf101", tmp_path / "data", web.address)
    assert (tmp_path / "data/UCF-101").is_symlink()
    assert (tmp_path / "disk/videos/YoYo/v_YoYo_g25_c05.avi").read_bytes() == AVI["b"]


def test_a_refused_archive_leaves_nothing_half_unpacked(serve, web, tmp_path):
    serve("weizmann")
    (tmp_path / "data").mkdir()
    bad = [Entry("a_wave2.avi", AVI["a"]), Entry("b_wave2.avi", b"/etc/passwd", mode=LINK)]
    archives = list(fetching.SOURCES["weizmann"].parts[0].archives)
    rar = write_rar(web.folder / "weizmann/wave2.rar", bad)
    archives[-1] = replace(archives[-1], name=rar.name, size=None, checksum=None)
    part = replace(fetching.SOURCES["weizmann"].parts[0], archives=tuple(archives))
    fetching.SOURCES["weizmann"] = replace(fetching.SOURCES["weizmann"], parts=(part,))
    with pytest.raises(ArchiveError, match=r"wave2\.rar: refused, since 'b_wave2\.avi' is a link"):
        get("weizmann", tmp_path / "data", web.address)
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"downloads"}


def test_what_a_killed_run_left_half_unpacked_is_cleared(serve, web, tmp_path):
    files = serve("weizmann")
    left = tmp_path / "data/.weizmann.unpacking/bend/daria_bend.avi"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    get("weizmann", tmp_path / "data", web.address)
    assert tree(tmp_path / "data") == files


def test_archives_in_an_archive_share_one_limit(serve, web, tmp_path):
    serve("hmdb51")
    inner = {}
    for label in ("brush_hair", "wave"):
        write_zip(tmp_path / f"{label}.zip", {f"{label}/a.avi": bytes(100_000)})
        inner[f"{label}.zip"] = (tmp_path / f"{label}.zip").read_bytes()
    write_zip(web.folder / "hmdb51/bomb.zip", inner)
    whole = fetching.SOURCES["hmdb51"].parts[0].archives[0]
    for limit in (200_000, 199_999):
        archive = replace(
            whole, name="bomb.zip", nested=".zip", limit=limit, size=None, checksum=None
        )
        part = replace(fetching.SOURCES["hmdb51"].parts[0], archives=(archive,))
        fetching.SOURCES["hmdb51"] = replace(fetching.SOURCES["hmdb51"], parts=(part,))
        root = tmp_path / f"data{limit}"
        if limit == 200_000:
            get("hmdb51", root, web.address)
            assert set(tree(root)) == {"hmdb51_org/brush_hair/a.avi", "hmdb51_org/wave/a.avi"}
        else:
            with pytest.raises(ArchiveError, match=r"wave\.zip: refused, .* 100,000 bytes"):
                get("hmdb51", root, web.address)
            assert not tree(root)


def test_an_archive_put_there_by_hand_is_used(serve, web, tmp_path):
    files = serve("weizmann")
    with pytest.raises(DownloadError) as error:
        get("weizmann", tmp_path / "data", f"{web.address}/nowhere")
    path = tmp_path / "data/downloads/weizmann/bend.zip"
    for words in ("404", f"{web.address}/nowhere/weizmann/bend.zip", f"put it at {path} and run",
                  "https://www.wisdom.weizmann.ac.il/~vision/SpaceTimeActions.html"):  # fmt: skip
        assert words in str(error.value)
    path.parent.mkdir(parents=True, exist_ok=True)
    for archive in (web.folder / "weizmann").iterdir():
        archive.rename(path.parent / archive.name)
    get("weizmann", tmp_path / "data", f"{web.address}/nowhere")
    assert tree(tmp_path / "data") == files


@pytest.mark.parametrize(
    ("kind", "addresses"),
    [
        ("ucf101", ["https://www.crcv.ucf.edu/data/UCF101/UCF101.rar"]),
        (
            "hmdb51",
            [
                "https://huggingface.co/datasets/Serrelab/hmdb51/resolve/main/hmdb51_org.rar",
                "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/hmdb51_org.rar",
            ],
        ),
        (
            "weizmann",
            [
                "https://www.wisdom.weizmann.ac.il/~vision/VideoAnalysis/Demos/SpaceTimeActions/DB/"
                "bend.zip"
            ],
        ),
    ],
)
def test_without_a_mirror_the_official_addresses_are_asked(kind, addresses, tmp_path, monkeypatch):
    asked: list[str] = []

    def download(addresses, path, **published):
        asked.extend(addresses)
        raise DownloadError("enough")

    monkeypatch.setattr(fetching, "download", download)
    monkeypatch.setattr("dsnet.fetching.archives.has_rar_tool", lambda: True)
    with pytest.raises(DownloadError, match="enough"):
        get(kind, tmp_path, None)
    assert asked == addresses


def test_what_could_not_be_unpacked_is_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "download", lambda *given, **published: pytest.fail("asked for"))
    monkeypatch.setattr("dsnet.fetching.archives.has_rar_tool", lambda: False)
    with pytest.raises(ArchiveError, match=r"^UCF101\.rar: nothing here decompresses .*unar"):
        get("ucf101", tmp_path, None)
    assert tree(tmp_path) == {}


def test_a_part_without_a_folder_is_named(tmp_path, caplog):
    command = ["fetch", "ucf101", "--to", str(tmp_path), "--folders", '{"vids": "x"}']
    assert main(command) == 1
    assert "ucf101: no folder is given for videos, lists" in caplog.text


def test_the_terms_are_printed_and_recorded(serve, web, tmp_path, capsys, caplog):
    serve("hmdb51")
    command = ["fetch", "hmdb51", "--to", str(tmp_path), "--mirror", web.address]
    with caplog.at_level("INFO"):
        assert main([*command, "--output", str(tmp_path / "fetched.json")]) == 0
    printed = capsys.readouterr().out
    for words in ("Licence: Creative Commons Attribution 4.0", "Please cite: H. Kuehne"):
        assert words in printed
        assert words in caplog.text
    record = json.loads((tmp_path / "fetched.json").read_text())
    assert record["licence"].startswith("Creative Commons Attribution 4.0")
    assert record["lists"]["folder"] == str(tmp_path / "testTrainMulti_7030_splits")


def test_another_data_set_is_refused(capsys, caplog):
    assert main(["fetch", "kinetics"]) == 1
    assert "kinetics cannot be fetched; expected one of ucf101, hmdb51, weizmann" in caplog.text

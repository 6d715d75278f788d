"""Folders of numbered images as videos."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from dsnet import video
from dsnet.datasets import DataSetError, catalogue, fingerprint
from dsnet.video import VideoError, VideoInfo, decode, probe
from dsnet.video.numbered import frames_in, sequence

COUNT = 12
FORMS = {
    "{:05d}.jpg": 1,
    "img_{:d}.png": 95,
    "%d 50% ü-{:03d}.JPG": 0,
    "a 2 b_{:d}.jpeg": 0,
    "v1.0_{:02d}.bmp": 95,
}


def pictures(count: int = COUNT) -> list[np.ndarray]:
    """Smooth images that differ in brightness, (30, 40, 3) uint8."""
    ramp = np.add.outer(np.arange(30), np.arange(40))[..., None] + np.array([0, 20, 40])
    return [(ramp + 10 * number).clip(0, 255).astype(np.uint8) for number in range(count)]


def put(folder: Path, form: str = "img_{:05d}.png", first: int = 1, count: int = COUNT) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(pictures(count), first):
        # OpenCV's writer knows no name that is not UTF-8 and no suffix but those of images.
        encoded = cv2.imencode(Path(form).suffix.lower(), image[..., ::-1])[1]
        (folder / form.format(number)).write_bytes(encoded.tobytes())
    return folder


@pytest.mark.parametrize(("form", "first"), FORMS.items())
def test_images_are_a_video_in_the_order_of_their_numbers(
    form: str, first: int, tmp_path: Path
) -> None:
    folder = put(tmp_path / "100% of it, %d: ü", form, first)
    for stray in ("Thumbs.db", "done", ".hidden_001.jpg", "notes.txt", "flow_x_00001.jpg"):
        (folder / stray).write_bytes(b"no image")
    assert probe(folder, rate=12.5) == VideoInfo(width=40, height=30, fps=12.5, frames=COUNT)
    for sampling in ("fps_filter", "output_rate"):
        found = np.stack(list(decode(folder, 12.5, None, sampling=sampling, rate=12.5)))
        assert np.abs(found.astype(int) - np.stack(pictures())).max() <= (
            8 if "j" in form.lower() else 0
        )


def test_names_are_in_the_order_of_their_numbers() -> None:
    names = [f"img_{number}.png" for number in range(8, 102)]
    assert sequence(sorted(names)) == (names, 8, "img_%01d.png")


def test_images_are_resampled_by_their_rate_and_resized_as_a_video_is(tmp_path: Path) -> None:
    folder = put(tmp_path / "images")
    found = list(decode(folder, 25, None, rate=50))
    assert np.array_equal(found, pictures()[::2])
    assert len(list(decode(folder, 25, None, rate=10))) == 2.5 * COUNT
    assert next(decode(folder, 25, "short_side", 16, rate=25)).shape == (16, 21, 3)
    lossless = tmp_path / "video.avi"
    video.encode(lossless, pictures(), 30, quality=1)
    pairs = zip(decode(folder, 25, size=64, rate=30), decode(lossless, 25, size=64), strict=True)
    assert max(np.abs(a.astype(int) - b).mean() for a, b in pairs) < 2


def copied(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: shutil.copy(folder / old, folder / new)


def cut(name: str, start: int) -> Callable[[Path], object]:
    """Keep the header of an image alone."""

    def change(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[:start])

    return change


def emptied(keep: int) -> Callable[[Path], object]:
    return lambda folder: [path.unlink() for path in sorted(folder.iterdir())[keep:]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (emptied(0), "no numbered images"),
        (emptied(1), "only one frame"),
        (lambda folder: (folder / "img_00004.jpg").unlink(), "img_00004.jpg is missing"),
        (copied("img_00004.jpg", "img_4.jpg"), "img_00001.jpg has its number in another form"),
        (copied("img_00004.jpg", "img_00013.JPG"), "several kinds in one folder: img_NUMBER.JPG"),
        (copied("img_00004.jpg", "mask_00004.jpg"), "img_NUMBER.jpg and mask_NUMBER.jpg"),
        (copied("img_00004.jpg", "cover.jpg"), "cover.jpg has no number"),
        (cut("img_00004.jpg", 0), "img_00004.jpg cannot be read as an image"),
        (cut("img_00004.jpg", 200), "only 11 of 12 images decode"),
    ],
)
def test_a_folder_that_is_no_video_is_refused_with_the_reason(
    change: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    folder = put(tmp_path / "images", "img_{:05d}.jpg")
    change(folder)
    with pytest.raises(VideoError, match=reason):
        probe(folder, rate=25)


def test_images_of_several_sizes_are_refused(tmp_path: Path) -> None:
    folder = put(tmp_path / "images")
    cv2.imwrite(str(folder / "img_00007.png"), np.zeros((20, 10, 3), np.uint8))
    with pytest.raises(VideoError, match=r"img_00007\.png is 10x20, and img_00001\.png is 40x30"):
        probe(folder, rate=25)


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path: Path) -> None:
    folder = put(tmp_path / "images")
    with pytest.raises(VideoError, match="a folder; if it has numbered images, set images_fps"):
        probe(folder)
    with pytest.raises(VideoError, match="not a folder of images"):
        probe(folder / "img_00001.png", rate=25)
    with pytest.raises(VideoError, match="cannot be read"):
        frames_in(tmp_path / "nothing")


def test_a_digest_knows_the_names_and_bytes_of_images_alone(tmp_path: Path) -> None:
    folder = put(tmp_path / "images")
    before = video.source_digest(folder)
    (folder / "Thumbs.db").write_bytes(b"stray")
    assert video.source_digest(folder) == before
    assert video.source_digest(shutil.copytree(folder, tmp_path / "copy")) == before
    os.replace(folder / "img_00001.png", folder / "img_00000.png")
    assert video.source_digest(folder) != before


@pytest.fixture
def entry(tmp_path: Path) -> dict[str, object]:
    for name in ("run/a", "run/v1.0", "walk/day 2/b"):
        put(tmp_path / "mine" / name, count=3)
    (tmp_path / "mine/run/index.txt").write_text("no image")
    return {"kind": "folder", "videos": str(tmp_path / "mine"), "test_share": 0.3, "images_fps": 9}


def test_every_folder_of_images_is_a_video_of_its_class(entry, tmp_path: Path) -> None:
    table = catalogue.build("mine", entry)
    assert table["class_name"].tolist() == ["run", "run", "walk"]
    names = [os.path.relpath(path, tmp_path / "mine") for path in table["path"]]
    assert names == ["run/a", "run/v1.0", "walk/day 2/b"]
    table = tmp_path / "table.csv"
    table.write_text("path,split1\nrun/a,train\nwalk/day 2/b,test\n")
    assert catalogue.build("mine", {**entry, "csv": str(table)})["split1"].tolist() == [
        "train",
        "test",
    ]


def test_folders_in_wrong_places_are_named(entry, tmp_path: Path) -> None:
    (tmp_path / "mine/run/index.txt").unlink()
    with pytest.raises(
        DataSetError, match=r"no videos; .*if each folder of pictures is a video, set images_fps"
    ):
        catalogue.build("mine", {**entry, "images_fps": None})
    put(tmp_path / "mine/hop", count=2)
    with pytest.raises(DataSetError, match="mine/hop has images; expected a folder of them"):
        catalogue.build("mine", entry)


def test_a_plan_notices_images_that_come_go_or_change_their_size(entry, tmp_path: Path) -> None:
    folder = tmp_path / "mine/run/a"
    found = [fingerprint(entry)]
    (folder / "Thumbs.db").write_bytes(b"stray")
    assert fingerprint(entry) == found[0]
    shutil.copy(folder / "img_00001.png", folder / "img_00004.png")
    found.append(fingerprint(entry))
    (folder / "img_00004.png").rename(folder / "img_00005.png")
    found.append(fingerprint(entry))
    (folder / "img_00005.png").unlink()
    assert fingerprint(entry) == found[0]
    with open(folder / "img_00002.png", "ab") as file:
        file.write(b"more")
    assert fingerprint(entry) not in (*found, None)
    assert None not in found
    assert len({*found}) == 3


@pytest.mark.parametrize("kind", ["weizmann", "ucf101", "hmdb51"])
def test_folders_take_the_places_of_official_videos(kind: str, shared_data, tmp_path: Path) -> None:
    lists = str(shared_data / kind / "splits")
    videos = {"kind": kind, "videos": str(tmp_path / "none"), "lists": lists}
    (tmp_path / "none").mkdir()
    files = catalogue.listing(videos)
    folders = catalogue.listing({**videos, "images_fps": 25})
    assert (files["path"].str.removesuffix(".avi") == folders["path"]).all()
    assert files.drop(columns="path").equals(folders.drop(columns="path"))

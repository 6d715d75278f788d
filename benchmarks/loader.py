"""Preparing clips on one core: `clips.h5` against a folder of JPEG files, and against decoding.

    python benchmarks/loader.py [VIDEO or FOLDER ...] [--size 256] [--limit 4] [--repeats 7]

Without videos it renders some of the built-in data set. Prints Markdown; docs/performance.md keeps
a run. The same clips are prepared in turn by

* dsnet: `TrainingClips` and `ScoringClips` of a `clips.h5`, and centring, as the trainer does it;
* files: a loader in MARS's manner, one JPEG file per frame and plane, opened, cut, resized and
  made a tensor one by one with Pillow (written for this comparison);
* decoding: libjpeg-turbo on all bytes of the same frames and nothing else, the floor of any loader
  that decodes whole frames (through simplejpeg where it is installed, else through OpenCV).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
from machine import machine, sample_videos
from PIL import Image
from tqdm import tqdm

from dsnet import clips, flow, images
from dsnet.clips import ClipSource, Crop, ScoringClips, TrainingClips
from dsnet.experiment.data import Clips
from dsnet.store import Reader, Writer

SETTINGS = Clips()
BOUND, QUALITY = 20, 95  # the pipeline's defaults
NAMES = {"rgb": "image_{:05d}.jpg", "x": "TVL1jpg_x_{:05d}.jpg", "y": "TVL1jpg_y_{:05d}.jpg"}


def write(videos: list[np.ndarray], folder: Path) -> Reader:
    """The videos' frames and TV-L1 flow as ``clips.h5`` and, the same bytes, as single files."""
    with Writer(folder / "clips.h5", ["rgb", "flow"], {}) as writer:
        for number, frames in enumerate(tqdm(videos, "flow", disable=None)):
            gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
            rgb = [images.encode(frame, QUALITY) for frame in frames]
            planes = list(flow.to_bytes(flow.compute(gray), BOUND, QUALITY))
            writer.add(str(number), {"rgb": rgb, "flow": planes})
            (folder / str(number)).mkdir()
            for key, items in (("rgb", rgb), ("x", planes[::2]), ("y", planes[1::2])):
                for index, item in enumerate(items):
                    (folder / str(number) / NAMES[key].format(index + 1)).write_bytes(item)
        writer.close([str(number) for number in range(len(videos))])
    return clips.open_clips(folder / "clips.h5")


# --- the loader in MARS's manner -----------------------------------------------------------


def from_files(folder: Path, modality: str, positions: np.ndarray, crop: Crop | None):
    """(C, T, 112, 112) of one clip, frame by frame and plane by plane."""
    frames = []
    for position in positions:
        if modality == "rgb":
            frames.append(_frame(folder / NAMES["rgb"].format(position + 1), "RGB", crop, modality))
        else:
            planes = [
                _frame(folder / NAMES[axis].format(position + 1), "L", crop, axis) for axis in "xy"
            ]
            frames.append(torch.cat(planes))
    return torch.stack(frames).permute(1, 0, 2, 3)


def _frame(path: Path, mode: str, crop: Crop | None, kind: str) -> torch.Tensor:
    if not os.path.exists(path):
        raise FileNotFoundError(path)
    with open(path, "rb") as file, Image.open(file) as opened:
        image = opened.convert(mode)
    size = SETTINGS.crop
    if crop is None:
        short = min(image.size)
        width, height = (round(side * size / short) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
        x, y = round((width - size) / 2), round((height - size) / 2)
        image = image.crop((x, y, x + size, y + size))
    else:
        image = image.crop((crop.x, crop.y, crop.x + crop.side, crop.y + crop.side))
        image = image.resize((size, size), Image.Resampling.BILINEAR)
        if crop.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            if kind == "x":
                image = Image.fromarray(255 - np.asarray(image))
    pixels = torch.from_numpy(np.array(image)).reshape(size, size, -1)
    pixels = pixels.permute(2, 0, 1).contiguous().float().div(1)  # MARS's norm_value
    mean = SETTINGS.rgb_mean if kind == "rgb" else [SETTINGS.flow_mean]
    for channel, value in zip(pixels, mean, strict=True):
        channel.sub_(value).div_(1)  # and its standard deviation
    return pixels


# --- decoding alone ------------------------------------------------------------------------


def decoder() -> tuple[str, Callable[[np.ndarray, bool], object]]:
    """The fastest libjpeg-turbo at hand: its name, and a function of bytes and whether grey."""
    if find_spec("simplejpeg"):
        import simplejpeg

        return "simplejpeg", lambda data, grey: simplejpeg.decode_jpeg(
            data, "GRAY" if grey else "RGB"
        )
    modes = {True: cv2.IMREAD_GRAYSCALE, False: cv2.IMREAD_COLOR_RGB}
    return "OpenCV", lambda data, grey: cv2.imdecode(data, modes[grey])


def decode(reader: Reader, id: str, modality: str, positions: np.ndarray, one) -> None:
    """Decode all frames of a clip, and forget them."""
    for position in positions:
        if modality == "rgb":
            one(reader.item(id, "rgb", int(position)), False)
        else:
            for plane in (0, 1):
                one(reader.item(id, "flow", 2 * int(position) + plane), True)


# --- the comparison ------------------------------------------------------------------------


def measure(
    videos: ClipSource, folder: Path, training: bool, repeats: int
) -> dict[str, list[float]]:
    """Milliseconds per clip of every loader, one number per pass over the same clips."""
    dataset = TrainingClips(videos, 0, True) if training else ScoringClips(videos)
    keys = list(range(len(dataset)))
    if training:
        keys = [(epoch, index) for epoch in range(4) for index in keys]
    drawn = [dataset.draw(key) for key in keys]
    _, one = decoder()

    def own() -> None:
        for key in keys:
            clip, _ = dataset[key]
            for modality, frames in clip.items():
                clips.normalise(frames[None], modality, SETTINGS)

    def files() -> None:
        for index, positions, crop in drawn:
            for modality in videos.modalities:
                from_files(folder / videos.ids[index], modality, positions, crop)

    def floor() -> None:
        for index, positions, _ in drawn:
            for modality in videos.modalities:
                decode(videos.reader, videos.ids[index], modality, positions, one)

    found: dict[str, list[float]] = {"dsnet": [], "files": [], "decoding": []}
    for repeat in range(-1, repeats):  # the first warms the caches
        for name, run in zip(found, (own, files, floor), strict=True):
            start = time.perf_counter()
            run()
            if repeat >= 0:
                found[name].append(1e3 * (time.perf_counter() - start) / len(keys))
    return found


def main() -> None:
    """Measure all kinds of clips and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--size", type=int, default=256, help="shorter side of the frames")
    parser.add_argument("--limit", type=int, default=4, help="videos")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    print(machine("torch", "opencv-contrib-python-headless", "pillow"))
    print(f"decoding through {decoder()[0]}; medians of {options.repeats} passes, one core\n")
    print("| clips | dsnet, ms | clips per second | times as fast as files | times decoding |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = sample_videos(options.videos, "short_side", options.size, 66, options.limit)
        reader = write(samples, folder)
        for length in (16, 64):
            for modalities in (("rgb",), ("flow",), ("rgb", "flow")):
                for training in (True, False):
                    ids = list(reader.videos)
                    videos = ClipSource(reader, ids, [0] * len(ids), modalities, length, SETTINGS)
                    times = measure(videos, folder, training, options.repeats)
                    print(row(f"{length}f {'+'.join(modalities)}", training, times), flush=True)


def row(what: str, training: bool, times: dict[str, list[float]]) -> str:
    """A line of the table; ratios are medians of those of each pass."""

    def ratio(a: str, b: str) -> float:
        return statistics.median(x / y for x, y in zip(times[a], times[b], strict=True))

    own = statistics.median(times["dsnet"])
    return (
        f"| {what}, {'training' if training else 'test'} | {own:.1f} | {1e3 / own:.0f} "
        f"| {ratio('files', 'dsnet'):.1f} | {ratio('dsnet', 'decoding'):.2f} |"
    )


if __name__ == "__main__":
    main()

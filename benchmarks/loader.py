"""Preparing clips on one core: `clips.h5` against a folder of JPEG files, and against decoding.

    python benchmarks/loader.py [VIDEO or FOLDER ...] [--sizes 256 128] [--limit 4] [--repeats 7]

Without videos it renders some of the built-in data set. Prints Markdown; docs/performance.md keeps
a run. Clips of the same videos are prepared in turn by

* dsnet: `TrainingClips` and `ScoringClips` of a `clips.h5`, and centring, as the trainer does it;
  of frames of each size, as JPEG and raw;
* files: a loader in MARS's manner, one JPEG file per frame and plane, opened, cut, resized and
  made a tensor one by one with Pillow (written for this comparison), of the first size;
* decoding: libjpeg-turbo on all bytes of the frames that are stored as JPEG and nothing else, the
  floor of any loader that decodes whole frames (through simplejpeg where it is installed, else
  through OpenCV).
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


Form = tuple[int, images.Quality]  # the frames' shorter side, and their quality


def write(videos: list[np.ndarray], folder: Path) -> dict[images.Quality, Reader]:
    """The videos' frames and TV-L1 flow as JPEG and raw, and as single files of JPEG."""
    writers = {q: Writer(folder / f"{q}.h5", ["rgb", "flow"], {}) for q in (QUALITY, "raw")}
    for number, frames in enumerate(tqdm(videos, "flow", disable=None)):
        gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
        field = flow.compute(gray)
        for quality, writer in writers.items():
            rgb = [images.encode(frame, quality) for frame in frames]
            planes = list(flow.to_bytes(field, BOUND, quality))
            writer.add(str(number), {"rgb": rgb, "flow": planes})
            if quality == "raw":
                continue
            (folder / str(number)).mkdir()
            for key, items in (("rgb", rgb), ("x", planes[::2]), ("y", planes[1::2])):
                for index, item in enumerate(items):
                    (folder / str(number) / NAMES[key].format(index + 1)).write_bytes(item)
    for writer in writers.values():
        writer.close([str(number) for number in range(len(videos))])
    return {quality: clips.open_clips(writer.path) for quality, writer in writers.items()}


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


def prepare(dataset: TrainingClips | ScoringClips, keys: list) -> None:
    """Prepare clips as the trainer does."""
    for key in keys:
        clip, _ = dataset[key]
        for modality, frames in clip.items():
            clips.normalise(frames[None], modality, SETTINGS)


def measure(
    sources: dict[Form, ClipSource], folders: dict[int, Path], training: bool, repeats: int
) -> dict[Form | str, list[float]]:
    """Milliseconds per clip of every loader, one number per pass over all clips."""
    found: dict[Form | str, list[float]] = {}
    runs: dict[Form | str, Callable[[], None]] = {}
    _, one = decoder()
    for form, videos in sources.items():
        dataset = TrainingClips(videos, 0, True) if training else ScoringClips(videos)
        keys = list(range(len(dataset)))
        if training:
            keys = [(epoch, index) for epoch in range(4) for index in keys]
        drawn = [dataset.draw(key) for key in keys]

        def files(videos=videos, drawn=drawn, folder=folders[form[0]]) -> None:
            for index, positions, crop in drawn:
                for modality in videos.modalities:
                    from_files(folder / videos.ids[index], modality, positions, crop)

        def floor(videos=videos, drawn=drawn) -> None:
            for index, positions, _ in drawn:
                for modality in videos.modalities:
                    decode(videos.reader, videos.ids[index], modality, positions, one)

        runs[form] = lambda dataset=dataset, keys=keys: prepare(dataset, keys)
        if form[1] != "raw":
            runs[f"decoding {form[0]}"] = floor
            runs.setdefault("files", files)
    for repeat in range(-1, repeats):  # the first warms the caches
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if repeat >= 0:
                taken = 1e3 * (time.perf_counter() - start) / len(keys)
                found.setdefault(name, []).append(taken)
    return found


def main() -> None:
    """Measure all kinds of clips and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[256, 128], help="shorter sides of the frames"
    )
    parser.add_argument("--lengths", nargs="+", type=int, default=[16, 64], help="of clips")
    parser.add_argument("--limit", type=int, default=4, help="videos")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    print(machine("torch", "opencv-contrib-python-headless", "pillow"))
    print(f"decoding through {decoder()[0]}; medians of {options.repeats} passes, one core\n")
    print(
        "| clips | frames | kB per frame | ms | clips per second | times as fast as files "
        "| times decoding |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        folders = {size: Path(name) / str(size) for size in options.sizes}
        readers: dict[Form, Reader] = {}
        for size, folder in folders.items():
            folder.mkdir()
            samples = sample_videos(options.videos, "short_side", size, 66, options.limit)
            readers |= {(size, q): reader for q, reader in write(samples, folder).items()}
        for length in options.lengths:
            for modalities in (("rgb",), ("flow",), ("rgb", "flow")):
                for training in (True, False):
                    sources = {
                        form: ClipSource(
                            reader, list(reader.videos), [0] * len(reader.videos), modalities,
                            length, SETTINGS,
                        )
                        for form, reader in readers.items()
                    }  # fmt: skip
                    times = measure(sources, folders, training, options.repeats)
                    what = f"{length}f {'+'.join(modalities)}, {'training' if training else 'test'}"
                    for form, source in sources.items():
                        print(row(what, form, source, times), flush=True)


def row(what: str, form: Form, source: ClipSource, times: dict[Form | str, list[float]]) -> str:
    """A line of the table; ratios are medians of those of each pass."""

    def ratio(a: Form | str, b: Form | str) -> float:
        return statistics.median(x / y for x, y in zip(times[a], times[b], strict=True))

    own, (size, quality) = statistics.median(times[form]), form
    reader, id = source.reader, source.ids[0]
    stored = sum(sum(map(len, reader.items(id, m))) for m in source.modalities)
    kilobytes = stored / reader.videos[id].frames("rgb") / 1e3
    floor = "" if quality == "raw" else f"{ratio(form, f'decoding {size}'):.2f}"
    return (
        f"| {what} | {size}, {'raw' if quality == 'raw' else 'JPEG'} | {kilobytes:.1f} "
        f"| {own:.2f} | {1e3 / own:.0f} | {ratio('files', form):.1f} | {floor} |"
    )


if __name__ == "__main__":
    main()

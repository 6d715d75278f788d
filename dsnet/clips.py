"""Clips of ``clips.h5``: sampling in time, paired transforms of RGB and flow, loaders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, Sampler

from dsnet.store import Reader

Clip = dict[str, Tensor]


@dataclass(frozen=True)
class Crop:
    """A square of a frame: left and top corner and side in pixels, and whether it is mirrored."""

    x: int
    y: int
    side: int
    flip: bool = False


def draw_crop(
    rng: np.random.Generator, height: int, width: int, scales: Sequence[float], flip: bool
) -> Crop:
    """MARS's multi-scale corner crop: a scale of the shorter side, one of 4 corners or the centre.

    Mirrored with probability 1/2 where ``flip`` allows it.
    """
    side = int(min(height, width) * scales[int(rng.integers(len(scales)))])
    right, bottom = width - side, height - side
    places = [(right // 2, bottom // 2), (0, 0), (right, 0), (0, bottom), (right, bottom)]
    x, y = places[rng.integers(len(places))]
    return Crop(x, y, side, flip and bool(rng.random() < 0.5))


def training_positions(rng: np.random.Generator, frames: int, length: int) -> np.ndarray:
    """(length,) frame numbers of a clip at a random place; a shorter video is looped."""
    start = int(rng.integers(max(frames - length, 0) + 1))
    return (start + np.arange(length)) % frames


def test_positions(frames: int, length: int) -> list[np.ndarray]:
    """Frame numbers of all non-overlapping clips; the tail is dropped, a shorter video looped."""
    return [start * length + np.arange(length) for start in range(frames // length)] or [
        np.arange(length) % frames
    ]


def load(reader: Reader, id: str, modality: str, positions: np.ndarray) -> list[np.ndarray]:
    """Decoded frames: (H, W, 3) RGB or (H, W, 2) flow planes, uint8, one per position."""
    if modality == "rgb":
        return [_decode(reader.item(id, "rgb", int(p)), cv2.IMREAD_COLOR_RGB) for p in positions]
    return [
        np.dstack(
            [
                _decode(reader.item(id, "flow", 2 * int(p) + plane), cv2.IMREAD_GRAYSCALE)
                for plane in (0, 1)
            ]
        )
        for p in positions
    ]


def _decode(encoded: np.ndarray, flags: int) -> np.ndarray:
    image = cv2.imdecode(encoded, flags)
    if image is None:
        raise ValueError("an image of the clips cannot be decoded; the file is damaged")
    return image


def transform(
    frames: Sequence[np.ndarray], modality: str, crop: Crop | None, settings: Mapping[str, Any]
) -> Tensor:
    """Crop, resize, mirror and centre a clip.

    Args:
        frames: T frames, (H, W, 3) RGB or (H, W, 2) flow planes, uint8.
        modality: ``rgb`` or ``flow``; mirroring negates x-flow, which is 255 - v.
        crop: the part to take; ``None`` is the test transform: the shorter side to the crop's
            size, then the centre.
        settings: the config's ``clips``.

    Returns:
        (C, T, crop, crop) float32: RGB minus its mean, flow minus 127.5; nothing is divided.
    """
    size = settings["crop"]
    if crop is None:
        clip = _centre(_stack(frames), size)
    else:
        x, y, side = crop.x, crop.y, crop.side
        clip = _resize(_stack([f[y : y + side, x : x + side] for f in frames]), size, size)
        if crop.flip:
            clip = clip.flip(-1)
            if modality == "flow":
                clip[:, 0] = 255 - clip[:, 0]
    mean = settings["rgb_mean"] if modality == "rgb" else settings["flow_mean"]
    clip = clip.transpose(0, 1).to(torch.float32)
    return clip.sub_(torch.tensor(mean, dtype=torch.float32).reshape(-1, 1, 1, 1)).contiguous()


def _stack(frames: Sequence[np.ndarray]) -> Tensor:
    """T frames (H, W, C) as (T, C, H, W) uint8, channels last in memory."""
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def _centre(clip: Tensor, size: int) -> Tensor:
    height, width = clip.shape[2:]
    short = min(height, width)
    clip = _resize(clip, round(height * size / short), round(width * size / short))
    y, x = (round((side - size) / 2) for side in clip.shape[2:])
    return clip[..., y : y + size, x : x + size]


def _resize(clip: Tensor, height: int, width: int) -> Tensor:
    """Bilinear and antialiased, as in Pillow, which MARS resizes with."""
    if clip.shape[2:] == (height, width):
        return clip
    return F.interpolate(clip, (height, width), mode="bilinear", antialias=True)


@dataclass
class Videos:
    """Where clips come from: the file, the videos and their labels, the modalities wanted."""

    reader: Reader
    ids: Sequence[str]
    labels: Sequence[int]
    modalities: Sequence[str]
    length: int
    settings: Mapping[str, Any]

    def frames(self, index: int) -> int:
        """Frames of a video that every wanted modality has."""
        video = self.reader.videos[self.ids[index]]
        return min(video.frames(modality) for modality in self.modalities)

    def clip(self, index: int, positions: np.ndarray, crop: Crop | None) -> Clip:
        """The clip at ``positions`` in every wanted modality, all cut alike."""
        id = self.ids[index]
        return {
            m: transform(load(self.reader, id, m, positions), m, crop, self.settings)
            for m in self.modalities
        }

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of a video's frames."""
        first = load(self.reader, self.ids[index], self.modalities[0], np.zeros(1, int))[0]
        return first.shape[0], first.shape[1]


class TrainingClips(Dataset[tuple[Clip, int]]):
    """One random clip of every video per epoch.

    Items are asked for by (epoch, index) and drawn from (seed, epoch, index) alone, so they do not
    depend on the order, the number of workers or on where a training was resumed.
    """

    def __init__(self, videos: Videos, seed: int, flip: bool) -> None:
        self.videos = videos
        self.seed = seed
        self.flip = flip

    def __len__(self) -> int:
        return len(self.videos.ids)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Clip, int]:
        """Clip, float32 (C, T, crop, crop) by modality, and label."""
        epoch, index = key
        rng = np.random.default_rng((self.seed, epoch, index))
        videos = self.videos
        positions = training_positions(rng, videos.frames(index), videos.length)
        crop = draw_crop(rng, *videos.size(index), videos.settings["scales"], self.flip)
        return videos.clip(index, positions, crop), videos.labels[index]


class TestClips(Dataset[tuple[Clip, int]]):
    """All non-overlapping clips of every video; ``owners`` is the video of each."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    def __init__(self, videos: Videos) -> None:
        self.videos = videos
        self.clips = [
            (index, positions)
            for index in range(len(videos.ids))
            for positions in test_positions(videos.frames(index), videos.length)
        ]
        self.owners = np.array([index for index, _ in self.clips], np.int64)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: int) -> tuple[Clip, int]:
        """Clip, float32 (C, T, crop, crop) by modality, and label."""
        index, positions = self.clips[key]
        return self.videos.clip(index, positions, None), self.videos.labels[index]


class EpochOrder(Sampler[tuple[int, int]]):
    """A permutation of the videos drawn from (seed, epoch), as (epoch, index) keys."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        return iter([(self.epoch, int(index)) for index in order])


def loader(
    dataset: Dataset[Any], batch_size: int, workers: int = 0, order: EpochOrder | None = None
) -> DataLoader[Any]:
    """Batches of ``dataset``: clips float32 (N, C, T, crop, crop) by modality, labels int64 (N,).

    A last training batch of a single clip is dropped: batch norm has nothing to normalise by.
    """
    lonely = order is not None and len(order) > 1 and len(order) % batch_size == 1
    return DataLoader(
        dataset,
        batch_size,
        sampler=order,
        num_workers=workers,
        drop_last=lonely,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_single_threaded,
    )


def _single_threaded(worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def table(reader: Reader) -> pd.DataFrame:
    """The videos of a ``clips.h5``: id, label, group and their role in each split."""
    return pd.DataFrame(reader.extra["videos"])


def open_clips(path: str | os.PathLike[str]) -> Reader:
    """Open a packed ``clips.h5``.

    Raises:
        StoreError: the file is damaged or not a packed one.
    """
    cv2.setNumThreads(0)  # frames are small; parallelism is over workers and jobs
    return Reader(path)

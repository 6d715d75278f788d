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

from dsnet import images
from dsnet.distributed import ALONE, Processes
from dsnet.errors import UserError
from dsnet.store import ITEMS_PER_FRAME, Reader

Clip = dict[str, Tensor]
Area = tuple[slice, slice]
WHOLE: Area = (slice(None), slice(None))


@dataclass(frozen=True)
class Crop:
    """A square of a frame: left and top corner and side in pixels, and whether it is mirrored."""

    x: int
    y: int
    side: int
    flip: bool = False

    @property
    def area(self) -> Area:
        """Its rows and columns."""
        return slice(self.y, self.y + self.side), slice(self.x, self.x + self.side)


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


def scoring_positions(frames: int, length: int, most: int | None = None) -> list[np.ndarray]:
    """Frame numbers of all non-overlapping clips; the tail is dropped, a shorter video looped.

    Of more than ``most`` clips so many are taken at equal distances, a single one from the middle.
    """
    count = frames // length
    if count == 0:
        return [np.arange(length) % frames]
    wanted = min(count, most or count)
    starts = [(2 * clip + 1) * count // (2 * wanted) for clip in range(wanted)]
    return [start * length + np.arange(length) for start in starts]


def load(
    reader: Reader, id: str, modality: str, positions: np.ndarray, area: Area = WHOLE
) -> list[np.ndarray]:
    """An area, rows and columns, of T frames: T x (H, W, 3) RGB, or 2T x (H, W) flow, x then y."""
    (rows, columns), planes = area, range(ITEMS_PER_FRAME[modality])
    items = [len(planes) * int(position) + plane for position in positions for plane in planes]
    return [
        images.decode(reader.item(id, modality, item), modality == "flow", rows)[:, columns]
        for item in items
    ]


def cut(loaded: Sequence[np.ndarray], modality: str, crop: Crop | None, size: int) -> Tensor:
    """Resize a clip to a square, and mirror it.

    Args:
        loaded: what :func:`load` gives of the area of ``crop``.
        modality: ``rgb`` or ``flow``; mirroring negates x-flow, which is 255 - v.
        crop: says whether to mirror; ``None`` is the test transform of whole frames: the shorter
            side to ``size``, then the centre.
        size: side of the square.

    Returns:
        (T, size, size, C) uint8, contiguous.
    """
    pictures = np.stack(loaded if modality == "rgb" else _fours(loaded))
    clip = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    clip = _centre(clip, size) if crop is None else _resize(clip, size, size)
    clip = clip.permute(0, 2, 3, 1)
    if modality == "flow":
        clip = clip.reshape(-1, size, size, 2, 2).permute(0, 3, 1, 2, 4)
        clip = clip.reshape(-1, size, size, 2)[: len(loaded) // 2]
    if crop is not None and crop.flip:
        clip = clip.flip(2)
        if modality == "flow":
            clip[..., 0] = 255 - clip[..., 0]
    return clip.contiguous()


def _fours(planes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Planes as the channels of pictures of four, which are resized in half the time."""
    filled = [*planes, *planes[: len(planes) % 4]]
    return [cv2.merge(filled[first : first + 4]) for first in range(0, len(filled), 4)]


def normalise(
    clips: Tensor, modality: str, settings: Mapping[str, Any], device: torch.device | str = "cpu"
) -> Tensor:
    """What a network sees of clips: centred, and nothing is divided.

    Bytes travel to the device, a quarter of what floating-point numbers would be.

    Args:
        clips: (N, T, H, W, C) uint8.
        modality: ``rgb`` or ``flow``.
        settings: the config's ``clips``, with the means.
        device: where the result is to be.

    Returns:
        (N, C, T, H, W) float32, channels last in memory: RGB minus its mean, flow minus 127.5.
    """
    mean = settings["rgb_mean"] if modality == "rgb" else [settings["flow_mean"]] * 2
    # Row by row, over which the means repeat: single pixels would be too short a loop.
    rows = clips.to(device, non_blocking=True).flatten(-2)
    centre = torch.tensor(mean, dtype=torch.float32, device=device).repeat(clips.shape[-2])
    return (rows - centre).unflatten(-1, clips.shape[-2:]).permute(0, 4, 1, 2, 3)


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
        id, size = self.ids[index], self.settings["crop"]
        area = WHOLE if crop is None else crop.area
        return {
            m: cut(load(self.reader, id, m, positions, area), m, crop, size)
            for m in self.modalities
        }

    def verify(self) -> None:
        """Compare the bytes of all wanted modalities with their checksums, before their use.

        Raises:
            DamagedError: naming the first video whose bytes are damaged.
        """
        self.reader.verify(self.ids, self.modalities)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of a video's frames."""
        return images.size(self.reader.item(self.ids[index], self.modalities[0], 0))


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

    def draw(self, key: tuple[int, int]) -> tuple[int, np.ndarray, Crop]:
        """The video, its frames and the part of them that an item shows."""
        epoch, index = key
        rng = np.random.default_rng((self.seed, epoch, index))
        videos = self.videos
        positions = training_positions(rng, videos.frames(index), videos.length)
        crop = draw_crop(rng, *videos.size(index), videos.settings["scales"], self.flip)
        return index, positions, crop

    def __getitem__(self, key: tuple[int, int]) -> tuple[Clip, int]:
        """Clip, uint8 (T, crop, crop, C) by modality, and label."""
        index, positions, crop = self.draw(key)
        return self.videos.clip(index, positions, crop), self.videos.labels[index]


class TestClips(Dataset[tuple[Clip, int]]):
    """All non-overlapping clips of every video, or ``most`` of them, of which ``owners`` are."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    def __init__(self, videos: Videos, most: int | None = None) -> None:
        self.videos = videos
        self.clips = [
            (index, positions)
            for index in range(len(videos.ids))
            for positions in scoring_positions(videos.frames(index), videos.length, most)
        ]
        self.owners = np.array([index for index, _ in self.clips], np.int64)

    def __len__(self) -> int:
        return len(self.clips)

    def draw(self, key: int) -> tuple[int, np.ndarray, None]:
        """The video and the frames that an item shows, whose centre it is."""
        return *self.clips[key], None

    def __getitem__(self, key: int) -> tuple[Clip, int]:
        """Clip, uint8 (T, crop, crop, C) by modality, and label."""
        index, positions, crop = self.draw(key)
        return self.videos.clip(index, positions, crop), self.videos.labels[index]


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of a permutation of the videos drawn from (seed, epoch), as (epoch, index) keys.

    Of every batch each of several processes has its share. A last batch of fewer than two clips
    per process is dropped: batch norm has nothing to normalise by.

    Attributes: ``epoch``, to be set before each; ``sizes``, of the whole batches.

    Raises:
        UserError: there are fewer clips in a batch than processes.
    """

    def __init__(
        self, count: int, seed: int, batch_size: int, processes: Processes = ALONE
    ) -> None:
        self.count = count
        self.seed = seed
        self.processes = processes
        self.epoch = 0
        self.sizes = [min(batch_size, count - first) for first in range(0, count, batch_size)]
        if len(self.sizes) > 1 and self.sizes[-1] < min(batch_size, 2 * processes.count):
            self.sizes.pop()
        if self.sizes[-1] < processes.count:
            raise UserError(
                f"{processes.count} processes cannot share batches of {self.sizes[-1]} clips; "
                f"set training.processes lower (or batch_size higher)"
            )

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        first = 0
        for size in self.sizes:
            batch = [(self.epoch, int(index)) for index in order[first : first + size]]
            first += size
            yield list(self.processes.share(batch))


def training_loader(
    dataset: TrainingClips, batch_size: int, workers: int = 0, processes: Processes = ALONE
) -> DataLoader[Any]:
    """Batches of clips to train on, of which ``batch_sampler`` is :class:`EpochBatches`.

    Clips are uint8 (N, T, crop, crop, C) by modality, labels int64 (N,). ``batch_size`` is that
    of all processes together.
    """
    batches = EpochBatches(len(dataset), dataset.seed, batch_size, processes)
    return _loader(dataset, workers, batch_sampler=batches)


def scoring_loader(
    dataset: TestClips, batch_size: int, workers: int = 0, processes: Processes = ALONE
) -> DataLoader[Any]:
    """Batches of the test clips that fall to this process, like those of training."""
    own = processes.share(range(len(dataset)))
    return _loader(dataset, workers, batch_size=batch_size, sampler=own)


def _loader(dataset: Dataset[Any], workers: int, **batches: Any) -> DataLoader[Any]:
    return DataLoader(
        dataset,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_single_threaded,
        **batches,
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

"""Clips of the videos of a ``clips.h5``, as data sets for training and scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from torch import Tensor
from torch.utils.data import Dataset

from dsnet import images, splits
from dsnet.clips.sampling import (
    WHOLE,
    Area,
    Crop,
    draw_crop,
    scoring_positions,
    training_positions,
)
from dsnet.clips.transforms import to_square

if TYPE_CHECKING:
    from dsnet.clips.augmentation import Augmentation
    from dsnet.experiment.data import Clips
    from dsnet.experiment.specs import TrainSpec
    from dsnet.store import Reader

Clip = dict[str, Tensor]


def table(reader: Reader) -> pd.DataFrame:
    """Return the videos of a ``clips.h5``: id, label, group and their role in each split."""
    return pd.DataFrame(reader.extra["videos"])


def parts(reader: Reader, spec: TrainSpec) -> dict[str, list[str]]:
    """Return train, validation and test ids of a stream's run, see :func:`dsnet.splits.parts`."""
    run = spec.run
    return splits.parts(table(reader), run.split, run.protocol, spec.validation_share)


def load(
    reader: Reader, id: str, modality: str, positions: np.ndarray, area: Area = WHOLE
) -> list[np.ndarray]:
    """Load an area of T frames: T RGB images (H, W, 3), or 2T flow planes (H, W), x then y."""
    planes = range(images.ITEMS_PER_FRAME[modality])
    items = [len(planes) * int(position) + plane for position in positions for plane in planes]
    return [
        images.decode(reader.item(id, modality, item), modality == "flow")[area] for item in items
    ]


@dataclass
class ClipSource:
    """Videos of a file, with their labels and the wanted modalities."""

    reader: Reader
    ids: Sequence[str]
    labels: Sequence[int]
    modalities: Sequence[str]
    length: int
    settings: Clips

    @classmethod
    def of_spec(
        cls,
        reader: Reader,
        ids: Sequence[str],
        modalities: Sequence[str],
        spec: TrainSpec,
    ) -> ClipSource:
        """Select videos of a ``clips.h5`` with their labels, cut as a stream's spec says."""
        own = table(reader).set_index("id")["label"]
        labels = own.loc[list(ids)].tolist()
        return cls(reader, ids, labels, modalities, spec.run.clip_length, spec.clips)

    def frames(self, index: int) -> int:
        """Return the number of frames that every wanted modality has."""
        video = self.reader.videos[self.ids[index]]
        return min(video.frames(modality) for modality in self.modalities)

    def clip(self, index: int, positions: np.ndarray, crop: Crop | None) -> Clip:
        """Load the clip at ``positions`` in every wanted modality, all cut alike."""
        id, size = self.ids[index], self.settings.crop
        area = WHOLE if crop is None else crop.area
        return {
            m: to_square(load(self.reader, id, m, positions, area), m, crop, size)
            for m in self.modalities
        }

    def verify(self) -> None:
        """Check the bytes of all wanted modalities; raise DamagedError if a video is damaged."""
        self.reader.verify(self.ids, self.modalities)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of a video's frames."""
        return images.size(self.reader.item(self.ids[index], self.modalities[0], 0))


class TrainingClips(Dataset[tuple[Clip, int]]):
    """One random clip of every video per epoch.

    The key of an item is (epoch, index), and the item depends on (seed, epoch, index) alone. So it
    does not depend on the order, the number of workers, or where a training was resumed.
    ``augmentation`` draws after everything else, so that the rest is drawn as without it.
    """

    def __init__(
        self, videos: ClipSource, seed: int, flip: bool, augmentation: Augmentation | None = None
    ) -> None:
        self.videos = videos
        self.seed = seed
        self.flip = flip
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.videos.ids)

    def draw(self, key: tuple[int, int]) -> tuple[int, np.ndarray, Crop]:
        """Draw the video, frame numbers and crop of an item."""
        return self._draw(key)[:3]

    def _draw(self, key: tuple[int, int]) -> tuple[int, np.ndarray, Crop, np.random.Generator]:
        """Return the same, and the generator for what is drawn next."""
        epoch, index = key
        rng = np.random.default_rng((self.seed, epoch, index))
        videos = self.videos
        positions = training_positions(
            rng, videos.frames(index), videos.length, videos.settings.stride
        )
        crop = draw_crop(rng, *videos.size(index), videos.settings.scales, self.flip)
        return index, positions, crop, rng

    def __getitem__(self, key: tuple[int, int]) -> tuple[Clip, int]:
        """Return a clip, uint8 (T, crop, crop, C) by modality, and its label."""
        index, positions, crop, rng = self._draw(key)
        clip = self.videos.clip(index, positions, crop)
        if self.augmentation is not None:
            clip = self.augmentation.draw(rng)(clip)
        return clip, self.videos.labels[index]


class ScoringClips(Dataset[tuple[Clip, int]]):
    """All non-overlapping clips of every video, or ``most``; ``owners`` has their videos."""

    def __init__(self, videos: ClipSource, most: int | None = None) -> None:
        self.videos = videos
        self.clips = [
            (index, positions)
            for index in range(len(videos.ids))
            for positions in scoring_positions(
                videos.frames(index), videos.length, most, videos.settings.stride
            )
        ]
        self.owners = np.array([index for index, _ in self.clips], np.int64)

    def __len__(self) -> int:
        return len(self.clips)

    def draw(self, key: int) -> tuple[int, np.ndarray, None]:
        """Return the video and frame numbers of an item, without a crop."""
        return *self.clips[key], None

    def __getitem__(self, key: int) -> tuple[Clip, int]:
        """Return a clip, uint8 (T, crop, crop, C) by modality, and its label."""
        index, positions, crop = self.draw(key)
        return self.videos.clip(index, positions, crop), self.videos.labels[index]

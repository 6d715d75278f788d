"""Batches of clips, and workers that prepare them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from dsnet.clips.videos import ClipSource, ScoringClips, TrainingClips, parts
from dsnet.errors import UserError
from dsnet.processes import ALONE, Processes

if TYPE_CHECKING:
    from dsnet.clips.augmentation import Augmentation
    from dsnet.experiment.specs import TrainSpec
    from dsnet.store import Reader


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of a permutation of the videos drawn from (seed, epoch), as (epoch, index) keys.

    Each process gets its share of every batch. Batch norm cannot normalise a single clip. So the
    last batch is dropped if a process would have no clip, or batch norm only one.

    Args:
        count: number of videos.
        seed: seed of the permutations, with the epoch.
        batch_size: clips per batch, of all processes together.
        processes: those that share every batch.
        local_batch_norm: whether the batch norm of each process sees only its own clips.

    Attributes: ``epoch``, to set before each epoch; ``sizes``, of the whole batches.

    Raises:
        UserError: a batch has fewer clips than there are processes.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        batch_size: int,
        processes: Processes = ALONE,
        local_batch_norm: bool = False,
    ) -> None:
        self.count = count
        self.seed = seed
        self.processes = processes
        self.epoch = 0
        self.sizes = [min(batch_size, count - first) for first in range(0, count, batch_size)]
        least = 2 * processes.count if local_batch_norm else max(2, processes.count)
        if len(self.sizes) > 1 and self.sizes[-1] < min(batch_size, least):
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
            yield list(self.processes.shard(batch))


def training_loader(
    dataset: TrainingClips,
    batch_size: int,
    workers: int = 0,
    processes: Processes = ALONE,
    local_batch_norm: bool = False,
) -> DataLoader[Any]:
    """Load batches of training clips; ``batch_sampler`` is :class:`EpochBatches`.

    Clips are uint8 (N, T, crop, crop, C) by modality, labels int64 (N,). ``batch_size`` is the size
    for all processes together.
    """
    batches = EpochBatches(len(dataset), dataset.seed, batch_size, processes, local_batch_norm)
    return _loader(dataset, workers, batch_sampler=batches)


def scoring_loader(
    dataset: ScoringClips, batch_size: int, workers: int = 0, processes: Processes = ALONE
) -> DataLoader[Any]:
    """Load batches of this process's share of the test clips, like those of training."""
    own = processes.shard(range(len(dataset)))
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


def stream_loaders(
    spec: TrainSpec,
    reader: Reader,
    inputs: Sequence[str],
    workers: int,
    processes: Processes,
    augmentation: Augmentation | None = None,
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Load the training batches of a stream, and batches of its own input that select the epoch.

    ``inputs`` are the modalities to train on. ``workers`` processes prepare the clips. The
    processes that train together share every batch. ``augmentation`` changes the training clips.
    Raises DamagedError, and what :func:`dsnet.splits.parts` raises.
    """
    options, chosen = spec.stream.training, parts(reader, spec)
    seen = ClipSource.of_spec(reader, chosen["train"], inputs, spec)
    judged = ClipSource.of_spec(reader, chosen["validation"], (spec.stream.input,), spec)
    for videos in (seen, judged) if processes.first else ():
        videos.verify()
    training = TrainingClips(seen, spec.run.seed, spec.flip, augmentation)
    selection = ScoringClips(judged, options.selection_clips)
    size, local_batch_norm = options.batch_size, not options.sync_batch_norm
    return (
        training_loader(training, size, workers, processes, local_batch_norm),
        scoring_loader(selection, size, workers, processes),
    )

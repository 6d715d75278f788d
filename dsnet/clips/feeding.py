"""Batches to the device that computes, and numbers back from it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dsnet.clips.transforms import normalise

if TYPE_CHECKING:
    from dsnet.experiment.data import Clips

Batch = tuple[dict[str, Tensor], Tensor]


def on_device(batches: DataLoader[Any], settings: Clips, device: torch.device) -> Iterator[Batch]:
    """Yield clips by modality, see :func:`.normalise`, and labels, (N,) int64, on a device.

    ``settings`` are the config's ``clips``, with the means. To a GPU, the next batch travels while
    this one is computed with, if the loader pins its memory.
    """
    if device.type != "cuda":
        for clips, labels in batches:
            yield _put(clips, labels, settings, device)
        return
    side = _side(device)
    ready: Batch | None = None
    for clips, labels in batches:
        with torch.cuda.stream(side):
            following = _put(clips, labels, settings, device)
        if ready is not None:
            yield _taken(ready, side)
        ready = following
    if ready is not None:
        yield _taken(ready, side)


@functools.cache
def _side(device: torch.device) -> torch.cuda.Stream:
    """Return the stream that batches travel on, always the same: each keeps its own memory."""
    return torch.cuda.Stream(device)


def _put(
    clips: Mapping[str, Tensor], labels: Tensor, settings: Clips, device: torch.device
) -> Batch:
    placed = {name: normalise(clip, name, settings, device) for name, clip in clips.items()}
    return placed, labels.to(device, non_blocking=True)


def _taken(batch: Batch, side: torch.cuda.Stream) -> Batch:
    """Have the current stream wait for a batch of the stream ``side``, and use its memory."""
    current = torch.cuda.current_stream(side.device)
    current.wait_stream(side)
    for tensor in (*batch[0].values(), batch[1]):
        tensor.record_stream(current)
    return batch


def fetched(values: Tensor) -> Callable[[], list[float]]:
    """Start to fetch a vector, (N,), from its device; the function returned waits for it."""
    if not values.is_cuda:
        return values.tolist
    here = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    here.copy_(values, non_blocking=True)
    event = torch.cuda.Event()
    event.record()

    def wait() -> list[float]:
        event.synchronize()
        return here.tolist()

    return wait

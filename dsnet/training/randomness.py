"""Random generators of a process: seeding, saving and restoring."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries draw from it
    torch.manual_seed(seed)


def seed_step(seed: int, epoch: int, step: int, rank: int) -> None:
    """Seed PyTorch's generators for a step of an epoch, both from 0, in the process of this rank.

    So what a network draws depends neither on an interruption nor on what others drew before.
    Students of one seed drop the same values, whatever their losses draw.
    """
    # A 1 before them: with trailing zeros, it would be the generator of a clip.
    (word,) = np.random.SeedSequence((1, seed, epoch, step, rank)).generate_state(1)
    torch.manual_seed(int(word))


def state() -> dict[str, Any]:
    """Return the state of all generators, as tensors and plain values."""
    version, words, gauss = random.getstate()
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "python": [version, list(words), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys, np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore(states: Mapping[str, Any]) -> None:
    """Restore a :func:`state`; generators of GPUs only if the number of GPUs is the same."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])

"""Checkpoints of an interrupted training: the last one, and one in reserve.

``.checkpoint.pt`` is the state after the last complete epoch, ``.checkpoint.previous.pt`` the one
before. The second is used if the first is damaged.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dsnet.models import checkpoints
from dsnet.provenance import digest, replacing

log = logging.getLogger(__name__)
LAST, PREVIOUS = ".checkpoint.pt", ".checkpoint.previous.pt"


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a training's ``state`` after an epoch; the one before is kept."""
    last = folder / LAST
    with replacing(last) as temporary:
        torch.save(dict(state), temporary)
        if last.exists():
            os.replace(last, folder / PREVIOUS)


def load(folder: Path, sources: Any) -> dict[str, Any] | None:
    """Return the last undamaged state, or ``None`` to start anew; the log says why.

    A state of other ``sources``, from which the training is made, is not used.
    """
    damaged = False
    for path in (folder / LAST, folder / PREVIOUS):
        try:
            state = checkpoints.read(path)
        except FileNotFoundError:  # or another process found it damaged
            continue
        except checkpoints.CheckpointError as error:
            log.warning("a checkpoint of the interrupted training is damaged: %s", error)
            path.unlink(missing_ok=True)  # else the next epoch would keep it as the previous one
            damaged = True
            continue
        if digest(state.get("sources")) != digest(sources):
            log.info("starting anew: the interrupted training had other settings, code or data")
            return None
        if path.name == PREVIOUS:
            log.warning("falling back to the previous checkpoint, %s", path)
        return state
    if damaged:
        log.warning("starting anew: no checkpoint of the interrupted training is whole")
    return None


def last_good(folder: Path, epochs: int) -> str:
    """Describe the checkpoint of a training that stopped after ``epochs`` complete epochs."""
    if not epochs:
        return "no epoch was complete before"
    return (
        f"the last good checkpoint, after epoch {epochs}, is {folder / LAST}; other "
        f"settings begin anew, or from a copy of it that the stream's pretrained names"
    )


def remove(folder: Path) -> None:
    """Remove both checkpoints, since the training is complete."""
    for name in (LAST, PREVIOUS):
        (folder / name).unlink(missing_ok=True)

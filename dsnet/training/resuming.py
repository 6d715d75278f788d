"""Checkpoints of an interrupted training: the last one, and one in reserve.

``.checkpoint.pt`` is the state after the last complete epoch, ``.checkpoint.previous.pt`` the one
before. The second is used if the first is damaged. ``.checkpoint.best.N.pt`` has the weights of
epoch N, the best so far for one of the two.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dsnet.models import checkpoints
from dsnet.provenance import digest, is_refusal, replacing

log = logging.getLogger(__name__)
LAST, PREVIOUS = ".checkpoint.pt", ".checkpoint.previous.pt"
BEST = ".checkpoint.best.{}.pt"


class Saver:
    """Writes the states of a training to its folder, in a thread: the next epoch need not wait.

    Args:
        folder: where the files are.
        best: the best epoch of a state of :func:`load`, or ``None``.
    """

    def __init__(self, folder: Path, best: float | None = None) -> None:
        self.folder, self._best = folder, best
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[None] | None = None

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a copy of the ``state`` after an epoch, and keep the one before.

        First it waits for the one before, and raises what that raised.
        """
        self.wait()
        best = dict(state["best"])
        weights = best.pop("state_dict")  # of this epoch for good
        self._writing = self._thread.submit(
            self._write, _copied({**state, "best": best}), weights, best["epoch"]
        )

    def wait(self) -> None:
        """Wait until the last state is written; raise DiskFullError if the disk is full."""
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _write(self, state: Mapping[str, Any], weights: Mapping[str, Tensor], best: float) -> None:
        last = self.folder / LAST
        if best != self._best:
            with replacing(_best(self.folder, best)) as temporary:
                about = {"format": checkpoints.FORMAT, "version": checkpoints.VERSION}
                of = {"sources": digest(state.get("sources"))}
                torch.save({**about, **of, "state_dict": weights}, temporary)
        with replacing(last) as temporary:
            torch.save(state, temporary)
            if last.exists():
                os.replace(last, self.folder / PREVIOUS)
        needed = {_best(self.folder, epoch) for epoch in (best, self._best) if epoch is not None}
        for path in set(self.folder.glob(BEST.format("*"))) - needed:
            path.unlink()
        self._best = best

    def __enter__(self) -> Saver:
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.shutdown()


def _best(folder: Path, epoch: float) -> Path:
    return folder / BEST.format(int(epoch))


def _weights(path: Path, sources: str) -> dict[str, Tensor]:
    """Read the weights of the best epoch; raise CheckpointError if they are not of ``sources``."""
    try:
        content = checkpoints.read(path)
    except FileNotFoundError as error:
        raise checkpoints.CheckpointError(f"{path} is missing") from error
    if content.get("sources") != sources:
        raise checkpoints.CheckpointError(f"{path} is of another training")
    return content["state_dict"]


def _copied(value: Any) -> Any:
    """Copy tensors, in dicts and lists too, to the CPU."""
    if isinstance(value, Mapping):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(each) for each in value]
    return value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else value


def load(folder: Path, sources: Any) -> dict[str, Any] | None:
    """Return the last undamaged state, or ``None`` to start anew; the log says why.

    A state of other ``sources``, from which the training is made, is not used. Raises OSError if
    the system refuses a file, which then stays.
    """
    damaged = False
    for path in (folder / LAST, folder / PREVIOUS):
        try:
            state = checkpoints.read(path)
            checkpoints.check_version(state, path)
            if digest(state.get("sources")) != digest(sources):
                log.info("starting anew: the interrupted training had other settings, code or data")
                return None
            best = _best(folder, state["best"]["epoch"])
            state["best"]["state_dict"] = _weights(best, digest(sources))
        except FileNotFoundError:  # or another process found it damaged
            continue
        except Exception as error:  # damage raises almost anything
            if is_refusal(error):
                raise
            log.warning("a checkpoint of the interrupted training is damaged: %s", error)
            path.unlink(missing_ok=True)  # else the next epoch would keep it as the previous one
            damaged = True
            continue
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
    """Remove the checkpoints, since the training is complete."""
    for path in (folder / LAST, folder / PREVIOUS, *folder.glob(BEST.format("*"))):
        path.unlink(missing_ok=True)

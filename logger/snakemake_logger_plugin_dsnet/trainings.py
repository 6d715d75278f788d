"""Progress of a training, or of a shard of flow, read from its log."""

from __future__ import annotations

import os
import re
import statistics
import time
from dataclasses import dataclass

READ = 1 << 14  # bytes at the end of a log, about forty epochs
RECENT = 5  # epochs used to estimate the next ones
EPOCH = re.compile(rb"dsnet\.training: (epoch=.*)\n")
LAST = re.compile(rb"dsnet\.training: (?:epoch=|going on after epoch )(\d+)")
PAIRS = re.compile(rb"dsnet\.shards: (\d+) of (\d+) pairs, ")


@dataclass(frozen=True)
class Progress:
    """The last complete epoch of a training.

    Its number and the number of all; its loss, and top-1 on the selection part in per cent; seconds
    per epoch, and seconds until the last epoch ends.
    """

    epoch: int
    epochs: int
    train_loss: float
    val_top1: float
    each: float
    left: float


def progress(log: str | os.PathLike[str], since: float = 0.0) -> Progress | None:
    """Read the progress of a training from its log; ``None`` before its first epoch ends.

    ``since`` is the start of the training in Unix seconds; an older log is of another training.
    """
    end, written = _end(log, since)
    found = EPOCH.findall(end)
    if not found:
        return None
    rows = [dict(pair.split("=") for pair in line.decode().split()) for line in found[-RECENT:]]
    last = {name: float(value) for name, value in rows[-1].items()}
    each = statistics.median(float(row["seconds"]) for row in rows)
    gone = max(time.time() - written, 0.0)
    epoch, epochs = int(last["epoch"]), int(last["epochs"])
    left = max((epochs - epoch) * each - gone, 0.0)
    return Progress(epoch, epochs, last["train_loss"], last["val_top1"], each, left)


def last_epoch(log: str | os.PathLike[str], since: float) -> int:
    """Read the number of the last complete epoch, of an earlier run too; 0 before the first."""
    found = LAST.findall(_end(log, since)[0])
    return int(found[-1]) if found else 0


def share_of_flow(log: str | os.PathLike[str], since: float) -> float:
    """Read which part of a shard's flow is computed, 0 to 1; 0 before its log has it."""
    found = PAIRS.findall(_end(log, since)[0])
    return int(found[-1][0]) / int(found[-1][1]) if found else 0.0


def _end(log: str | os.PathLike[str], since: float) -> tuple[bytes, float]:
    """Return the end of a log and when it was written; nothing of a log older than ``since``."""
    try:
        with open(log, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mtime < since - 1:  # file systems round times
                return b"", 0.0
            file.seek(max(0, status.st_size - READ))
            return file.read(), status.st_mtime
    except OSError:
        return b"", 0.0

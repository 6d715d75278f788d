"""How far a training is, from its log."""

from __future__ import annotations

import json
import os
import re
import shlex
import statistics
import time
from dataclasses import dataclass

READ = 1 << 14  # bytes at the end of a log, some forty epochs
RECENT = 5  # epochs by which the next ones are estimated
EPOCH = re.compile(rb"dsnet\.training: (epoch=.*)\n")


@dataclass(frozen=True)
class Progress:
    """The last complete epoch of a training: its loss, and top-1 on the selection part in per cent.

    And, in seconds, what an epoch takes and what is left of all.
    """

    epoch: int
    train_loss: float
    val_top1: float
    each: float
    left: float


def epochs(shellcmd: str) -> int | None:
    """How many epochs a training's command is for; ``None`` of another one, or where it is none."""
    words = shlex.split(shellcmd)
    if "train" not in words or "--spec" not in words:
        return None
    spec = json.loads(words[words.index("--spec") + 1])
    return int(spec["stream"]["training"]["epochs"]) or None


def progress(log: str | os.PathLike[str], total: int, since: float = 0.0) -> Progress | None:
    """What the log of a training of ``total`` epochs tells; ``None`` before its first one ends.

    Args:
        since: seconds since the epoch of Unix, when the training began; an older log is another's.
    """
    try:
        with open(log, "rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - READ))
            found = EPOCH.findall(file.read())
    except OSError:
        return None
    if not found or status.st_mtime < since - 1:  # file systems round
        return None
    rows = [dict(pair.split("=") for pair in line.decode().split()) for line in found[-RECENT:]]
    last = rows[-1]
    each = statistics.median(float(row["seconds"]) for row in rows)
    gone = max(time.time() - status.st_mtime, 0.0)
    epoch = int(float(last["epoch"]))
    return Progress(
        epoch,
        float(last["train_loss"]),
        float(last["val_top1"]),
        each,
        max((total - epoch) * each - gone, 0.0),
    )

"""Train, validation and test videos: the official split and the held-out part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from dsnet.errors import UserError
from dsnet.grouping import pick


class SplitError(UserError):
    """A split that lacks videos."""


def parts(
    videos: pd.DataFrame, split: int, protocol: str, validation_share: float
) -> dict[str, list[str]]:
    """Return the ids of the ``train``, ``validation`` and ``test`` videos, in the table's order.

    Args:
        videos: usable videos with the columns id, label, group and ``split{k}``.
        split: the official split, from 1.
        protocol: ``held-out`` takes the validation part out of the training groups. ``paper``
            selects on the test part, so validation is the test part.
        validation_share: share of each class's training videos to hold out.

    Raises:
        SplitError: the split has no training or no test videos, or nothing can be held out.
    """
    column = f"split{split}"
    if column not in videos:
        known = ", ".join(c for c in videos.columns if c.startswith("split"))
        raise SplitError(f"the data set has no {column}; it has {known}")
    train, test = (videos[videos[column] == role] for role in ("train", "test"))
    for role, chosen in (("training", train), ("test", test)):
        if chosen.empty:
            raise SplitError(
                f"{column} has no usable {role} videos; a class needs two videos of different "
                f"groups to be in both parts"
            )
    if protocol == "paper":
        return {
            "train": list(train["id"]),
            "validation": list(test["id"]),
            "test": list(test["id"]),
        }
    held = held_out(train["group"].tolist(), train["label"].tolist(), validation_share)
    mask = train["group"].isin(held)
    if not mask.any():
        raise SplitError(
            f"{column}: no training video can be held out to select the epoch, since every class "
            f"has one group of them alone; add videos, or set protocol: paper, which selects on "
            f"the test videos"
        )
    return {
        "train": list(train["id"][~mask]),
        "validation": list(train["id"][mask]),
        "test": list(test["id"]),
    }


def held_out(groups: Sequence[str], labels: Sequence[int], share: float) -> set[str]:
    """Return whole groups to hold out, about ``share`` of each class's videos (at least one).

    Every stream and seed holds out the same (see :func:`dsnet.grouping.pick`). A group is wanted
    while none of its classes exceeds its share, and allowed while none loses its last training
    video. If all groups of a class are larger than its share, its smallest is taken.
    """
    size = Counter(labels)
    target = {label: max(1, round(share * n)) for label, n in size.items()}

    def wanted(group: Counter[int], taken: Counter[int], _: Counter[int]) -> bool:
        return all(taken[label] + n <= target[label] for label, n in group.items())

    def allowed(group: Counter[int], taken: Counter[int], _: Counter[int]) -> bool:
        return all(taken[label] + n < size[label] for label, n in group.items())

    return pick(groups, labels, wanted, allowed)

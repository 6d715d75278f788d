"""Selection of whole groups of videos for a part of a split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

# Whether to pick a group. Arguments: its videos by class; picked videos and groups by class.
Rule = Callable[[Counter[Any], Counter[Any], Counter[Any]], bool]


def pick(groups: Sequence[str], classes: Sequence[Any], wanted: Rule, allowed: Rule) -> set[str]:
    """Pick groups that are ``wanted`` and ``allowed``; return their names.

    The groups are visited in the order of the SHA-256 of their names. So neither the order of the
    videos nor a random state matters. At the end, a class without a picked video gives its smallest
    group that is ``allowed``, wanted or not.

    Args:
        groups: group of each video.
        classes: class of each video.
        wanted: gets a group's videos by class, and the videos and groups picked so far by class.
        allowed: gets the same.
    """
    members: dict[str, Counter[Any]] = {}
    for group, name in zip(groups, classes, strict=True):
        members.setdefault(group, Counter())[name] += 1
    order = sorted(members, key=lambda group: hashlib.sha256(group.encode()).digest())
    picked: set[str] = set()
    videos: Counter[Any] = Counter()
    parts: Counter[Any] = Counter()

    def take(group: str) -> None:
        picked.add(group)
        videos.update(members[group])
        parts.update(members[group].keys())

    for group in order:
        if wanted(members[group], videos, parts) and allowed(members[group], videos, parts):
            take(group)
    for name in sorted(set(classes)):
        if not videos[name]:
            own = [g for g in order if name in members[g] and allowed(members[g], videos, parts)]
            if own:
                take(min(own, key=lambda g: members[g][name]))
    return picked

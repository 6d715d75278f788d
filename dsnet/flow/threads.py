"""Running a library on one thread."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_users: Counter[Callable[[int], None]] = Counter()
_before: dict[Callable[[int], None], int] = {}


@contextmanager
def single_threaded(get: Callable[[], int], set: Callable[[int], None]) -> Iterator[None]:
    """Set a library's number of threads to one, and restore it at the end.

    If several threads do so at a time, the last one restores it. A second thread slows TV-L1 down:
    its steps are too short to share. Shards run in parallel.
    """
    with _lock:
        if not _users[set]:
            _before[set] = get()
            set(1)
        _users[set] += 1
    try:
        yield
    finally:
        with _lock:
            _users[set] -= 1
            if not _users[set]:
                set(_before[set])

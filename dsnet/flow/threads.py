"""Running a library on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def single_threaded(get: Callable[[], int], set: Callable[[int], None]) -> Iterator[None]:
    """Set a library's number of threads to one, and restore it at the end.

    A second thread slows TV-L1 down: its steps are too short to share. Shards run in parallel.
    """
    threads = get()
    set(1)
    try:
        yield
    finally:
        set(threads)

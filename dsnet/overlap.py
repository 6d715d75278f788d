"""Work on other threads, ahead of the one that uses the results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def ahead(
    pool: Executor, function: Callable[[A], B], items: Iterable[A], count: int
) -> Iterator[B]:
    """Yield ``function`` of every item, in order; ``pool`` computes it ``count`` items ahead.

    ``items`` is read by the thread that asks. An exception of an item is raised in its turn.
    """
    waiting: deque[Future[B]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > count:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()

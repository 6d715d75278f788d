"""Work on other threads, ahead of the one that uses the results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def ahead(
    pool: Executor | None, function: Callable[[A], B], items: Iterable[A], count: int
) -> Iterator[B]:
    """Yield ``function`` of every item, in order; ``pool`` computes it ``count`` items ahead.

    Without a pool, the thread that asks computes. It reads ``items``, so many ahead, in any case.
    Exceptions are raised in their turn: what comes before is there.
    """
    waiting: deque[Callable[[], B]] = deque()
    failed: Exception | None = None
    iterator = iter(items)
    while failed is None:
        try:
            waiting.append(_started(pool, function, next(iterator)))
        except StopIteration:
            break
        except Exception as error:
            failed = error
        if len(waiting) > count:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()
    if failed is not None:
        raise failed


def _started(pool: Executor | None, function: Callable[[A], B], item: A) -> Callable[[], B]:
    if pool is None:
        return lambda: function(item)
    future: Future[B] = pool.submit(function, item)
    return future.result

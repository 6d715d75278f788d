"""Windows of consecutive frames: of all frames of a source, or of the newest of a live one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from threading import Condition, Thread
from typing import NamedTuple, TypeVar

T = TypeVar("T")


def windows(items: Iterable[T], span: int, more: int, stride: int) -> Iterator[tuple[int, list[T]]]:
    """Yield windows of ``span`` items plus the next ones, ``more`` if there are as many.

    A window begins every ``stride`` items, and comes with the number of its first item. Only the
    first window may be shorter. What fills no window at the end is read and left out.
    """
    remaining = iter(items)
    held, start = list(islice(remaining, span + more)), 0
    while held:
        yield start, held
        start += stride
        deque(islice(remaining, max(stride - len(held), 0)), maxlen=0)
        held = held[stride:]
        held += islice(remaining, span + more - len(held))
        if len(held) < span:
            return


class Recent(NamedTuple):
    """The newest window of a live source.

    Attributes:
        start: number of its first frame, from 0.
        items: its frames.
        arrived: when its last frame arrived, in seconds since the epoch.
        dropped: frames so far that no window has, because whoever takes the windows was late.
    """

    start: int
    items: list[bytes]
    arrived: float
    dropped: int


class Newest:
    """Windows of a live source, whose frames a thread keeps reading.

    Windows are of ``need`` frames without a gap, ``stride`` apart. Of the frames that wait, the
    newest ``2 * need`` are kept. So if windows are taken more slowly than frames come, frames
    between two windows are dropped, and a window is never older than that.

    Attributes:
        read: number of frames that came.
    """

    def __init__(self, frames: Generator[bytes, None, None], need: int, stride: int) -> None:
        self.read = 0
        self._need, self._stride = need, stride
        self._kept: deque[tuple[bytes, float]] = deque(maxlen=2 * need)
        self._changed = Condition()
        self._ended = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._fill, args=(frames,), daemon=True)
        self._thread.start()

    def _fill(self, frames: Generator[bytes, None, None]) -> None:
        error: BaseException | None = None
        try:
            for frame in frames:
                with self._changed:
                    if self._ended:
                        break
                    self._kept.append((frame, time.time()))
                    self.read += 1
                    self._changed.notify()
        except Exception as problem:
            error = problem
        finally:
            with suppress(Exception):
                frames.close()
            with self._changed:
                self._ended, self._error = True, error
                self._changed.notify()

    def __iter__(self) -> Iterator[Recent]:
        """Yield windows until the source ends; raise the error that ended it, if one did."""
        start = seen = dropped = 0  # the next window's first frame; the frames up to here are seen
        while True:
            with self._changed:
                while self.read < start + self._need and not self._ended:
                    self._changed.wait()
                if self.read < start + self._need:
                    break
                oldest = self.read - len(self._kept)
                first = max(start, oldest)
                taken = list(islice(self._kept, first - oldest, first - oldest + self._need))
            dropped += max(first - max(start, seen), 0)
            yield Recent(first, [frame for frame, _ in taken], taken[-1][1], dropped)
            start, seen = first + self._stride, first + self._need
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the reading, at the latest when the next frame arrives."""
        with self._changed:
            self._ended = True
        self._thread.join(1)

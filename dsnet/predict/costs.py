"""What the prediction of one video costs."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Costs:
    """Seconds by what they were spent on, of one clip each."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def timed(self, name: str, clips: int = 1) -> Iterator[None]:
        """Note the seconds of the ``with`` body, of so many clips, and those of CPU time."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self._seconds[name].append((time.perf_counter() - wall) / clips)
            self._seconds[f"{name}, CPU"].append((time.process_time() - cpu) / clips)

    def drop_last(self, name: str) -> None:
        """Take back the last note of a name."""
        self._seconds[name].pop()

    def median(self, name: str) -> float:
        """Return the median of a name's times in milliseconds; 0 if there are none.

        The first clip's, and what disturbs a few, do not count in it.
        """
        return 1e3 * statistics.median(self._seconds[name] or [0.0])

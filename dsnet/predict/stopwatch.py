"""How long each part of a prediction takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Stopwatch:
    """Seconds spent, by name: those of :attr:`Prediction.cost`."""

    seconds: dict[str, float] = field(
        default_factory=lambda: {"reading": 0.0, "flow": 0.0, "network": 0.0}
    )

    def time(self, name: str, run: Callable[..., T], *arguments: Any) -> T:
        """Call a function and add the seconds that it takes to ``name``."""
        start = time.perf_counter()
        try:
            return run(*arguments)
        finally:
            self.seconds[name] += time.perf_counter() - start

    def each(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The items; the seconds that they take to come are added to ``name``."""
        remaining, end = iter(items), object()
        while (item := self.time(name, next, remaining, end)) is not end:
            yield item

"""Processes that work together: what each has a share of, and what all know in the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist


@dataclass(frozen=True)
class Processes:
    """This process among those that work together: its number, how many, its number on the node.

    The default is a process on its own, for which every method is the identity.
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def share(self, items: Sequence[Any]) -> Sequence[Any]:
        """Every ``count``-th item: all processes together have each item once."""
        return items[self.rank :: self.count]

    def sums(self, values: Mapping[str, float]) -> dict[str, float]:
        """The sums over all processes of numbers that each has under the same names."""
        if self.count == 1:
            return dict(values)
        total = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.all_reduce(total)
        return dict(zip(values, total.tolist(), strict=True))

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors, of the same shapes in every process, by their sums, in place."""
        if self.count > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def agree(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors, of the same shapes in every process, by the first one's, in place."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def gather(self, item: Any) -> list[Any]:
        """What all processes have, in their order."""
        if self.count == 1:
            return [item]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, item)
        return found

    def whole(self, part: np.ndarray) -> np.ndarray:
        """The rows of which every process has those that :meth:`share` gave it, in their order.

        A process that got none may give an empty array of any shape.
        """
        parts = self.gather(part)
        rows = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
        for rank, rows_of_one in enumerate(parts):
            if len(rows_of_one):
                rows[rank :: self.count] = rows_of_one
        return rows

    def wait(self) -> None:
        """Go on when all processes are here; on GPUs each must have its own by now."""
        if self.count > 1:
            dist.barrier()


ALONE = Processes()

"""Processes that work together: their shares, and the exchange of results."""

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
    """This process among several: its rank, the number of processes, its rank on the node.

    The default is a single process, for which every method is the identity.
    """

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def shard(self, items: Sequence[Any]) -> Sequence[Any]:
        """Return every ``count``-th item; all processes together have each item once."""
        return items[self.rank :: self.count]

    def sums(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the sum over all processes of each named number; the names are the same in all."""
        if self.count == 1:
            return dict(values)
        total = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.all_reduce(total)
        return dict(zip(values, total.tolist(), strict=True))

    def all_reduce(self, tensors: Iterable[Tensor]) -> None:
        """All-reduce tensors, of equal shapes in all processes, to their sums, in place."""
        if self.count > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Broadcast tensors of the first process, of equal shapes in all processes, in place."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def all_gather(self, item: Any) -> list[Any]:
        """Return the items of all processes, by rank."""
        if self.count == 1:
            return [item]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, item)
        return found

    def all_gather_rows(self, part: np.ndarray) -> np.ndarray:
        """Return all rows in order; each process gives the rows of its :meth:`shard`, if any."""
        parts = self.all_gather(part)
        rows = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
        for rank, rows_of_one in enumerate(parts):
            if len(rows_of_one):
                rows[rank :: self.count] = rows_of_one
        return rows

    def wait(self) -> None:
        """Wait for all processes; on GPUs, each process must have its own GPU by now."""
        if self.count > 1:
            dist.barrier()


ALONE = Processes()

"""Several processes that train or score one network together, started by torchrun."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

# The others wait for the first process while it waits for a job of a killed run to end; one that
# dies is noticed by torchrun, which stops the others.
PATIENCE = timedelta(days=7)


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


def launch(processes: int, arguments: Sequence[str]) -> NoReturn:
    """Become torchrun, which runs ``python -m dsnet`` with ``arguments`` in so many processes."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    os.execv(sys.executable, [sys.executable, *torchrun, "-m", "dsnet", *arguments])


def launched() -> bool:
    """Whether torchrun started this process."""
    return dist.is_torchelastic_launched()


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started; a process on its own where it did not.

    They talk through NCCL about what is on GPUs and through Gloo about the rest. Only the first
    one's log has more than warnings.
    """
    if not launched():
        yield ALONE
        return
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE
    )
    processes = Processes(dist.get_rank(), dist.get_world_size(), int(os.environ["LOCAL_RANK"]))
    if not processes.first:
        logging.disable(logging.INFO)
    try:
        yield processes
    finally:
        dist.destroy_process_group()

"""The exchange between processes that torchrun started."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed as dist

from dsnet.launching import launched
from dsnet.processes import ALONE, Processes

# The first process may wait for a job of a killed run to end, and the others wait for it. If one
# dies, torchrun stops the others.
PATIENCE = timedelta(days=7)


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun started; without torchrun, yield :data:`.ALONE`.

    Tensors on GPUs travel by NCCL, others by Gloo. Only the first process logs more than warnings.
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

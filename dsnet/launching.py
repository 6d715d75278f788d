"""Several processes that train or score one network together; importing PyTorch is left to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def launch(processes: int, arguments: Sequence[str]) -> NoReturn:
    """Replace this process by torchrun, which runs ``python -m dsnet`` in several processes."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    os.execv(sys.executable, [sys.executable, *torchrun, "-m", "dsnet", *arguments])


def launched() -> bool:
    """Return whether torchrun started this process, as torch's is_torchelastic_launched."""
    return "TORCHELASTIC_RUN_ID" in os.environ

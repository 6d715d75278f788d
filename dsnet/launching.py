"""How processes begin, several together or one, and how Ctrl-C ends them."""

from __future__ import annotations

import os
import signal
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


def end_on_interrupt() -> None:
    """Have Ctrl-C end this process at once, unless its parent wants it ignored.

    While Python imports, it may lose a KeyboardInterrupt, and the job would go on for hours.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def catch_interrupt() -> None:
    """Undo :func:`end_on_interrupt`: Ctrl-C raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)

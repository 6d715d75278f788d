"""What is said last: how a stopped run goes on, and which command makes the report."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

from snakemake_logger_plugin_dsnet import trainings
from snakemake_logger_plugin_dsnet.failures import shared_options
from snakemake_logger_plugin_dsnet.state import State

# Snakemake's answer to Ctrl-C, and what it says of jobs that the same Ctrl-C has ended.
INTERRUPTED = re.compile("^Terminating processes on user|<Signals.SIGINT: |exit status 130[.]")
FINISHING = "Will exit after finishing currently running jobs"  # its answer to SIGTERM
PLAN = "Every job with its reason: the same command, with | less after it."
INCOMPLETE = "At least one job did not complete successfully."


def stopped(state: State) -> str:
    """Describe a run that the user has stopped, and what the next one does."""
    done, total = state.count()
    if not total and not state.stopped:
        return "Stopped before the first job."
    after = f" after {done} of {total} jobs" if total else ""
    begun = []
    for job in state.stopped:
        if job.is_training and job.log and (epoch := trainings.last_epoch(job.log, job.started)):
            begun.append(f"epoch {epoch} of {job.wildcards['stream']} ({job.run})")
    on = f"after {', '.join(begun)}" if begun else "from there"
    return f"Stopped{after}. The same command goes on {on}."


def hide_interrupts() -> None:
    """Have Python show no traceback when Ctrl-C ends it: Snakemake catches it in jobs alone."""
    before: Callable[..., Any] = sys.excepthook

    def hook(kind: type[BaseException], *more: Any) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            before(kind, *more)

    sys.excepthook = hook


def report(arguments: Sequence[str], path: str) -> str:
    """Return the line that names the command of a report of the run with these ``arguments``."""
    words = ["snakemake", "--report", path, *shared_options(arguments)]
    return f"For a report of it: {shlex.join(words)}"

"""What a run shows: a live summary in a terminal, else Snakemake's own account, line by line.

Not a logger plugin of Snakemake: those are not found where dsnet is installed as ``make`` does it
(editable), and a profile that names one that is not found ends every run. So the workflow puts this
in the place of Snakemake's own handler.
"""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.common import LogEvent

from dsnet.live.failures import Formatter
from dsnet.live.state import Job, State

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

PER_SECOND = 2  # times that the summary is drawn
# What the summary shows in its own way.
SHOWN = (LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS)
# What Snakemake says at every step and has no event for.
CHATTER = ("Select jobs to execute", "Execute ", "Removing temporary output ")


def attach(workflow: Any) -> None:
    """Let a run of Snakemake show itself so, unless another handler was asked for.

    Args:
        workflow: the ``workflow`` of a Snakefile, which it calls this from.
    """
    manager = workflow.logger_manager
    settings = manager.settings
    formatter = Formatter(settings.quiet, settings.show_failed_logs, sys.argv[1:])
    for old in list(manager.logger.handlers):
        if old.name == "DefaultLogFileHandler":
            old.setFormatter(formatter)
        elif old.name == "DefaultStreamHandler":
            new = Handler(workflow, old.stream, settings.nocolor, formatter)
            new.filters, new.name = old.filters, old.name
            new.setLevel(old.level)
            manager.logger.removeHandler(old)
            manager.logger.addHandler(new)


class Handler(ColorizingTextHandler):  # type: ignore[misc, unused-ignore]
    """Snakemake's handler, with a live summary where a person watches.

    That is in a terminal; not on a cluster, in a dry run, or with --quiet.
    """

    def __init__(
        self, workflow: Any, stream: Any, nocolor: bool, formatter: logging.Formatter
    ) -> None:
        super().__init__(nocolor=nocolor, stream=stream, formatter=formatter)
        self.workflow = workflow
        self.state = State()
        # Of the state, and never held while something is printed: the summary has a lock of its own
        # that is held while it asks for the state.
        self.watched = threading.Lock()
        self.live: Live | None = None
        self.console: Console | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, or draw it into the summary."""
        event = getattr(record, "event", None)
        if self.live is None:
            super().emit(record)
            if event == LogEvent.RUN_INFO and self._watched_by_a_person():
                self._start(record.__dict__["stats"])
            return
        try:
            with self.watched:
                job = self.state.update(record)
            self._tell(record, event, job)
        except Exception:
            self.handleError(record)

    def _watched_by_a_person(self) -> bool:
        settings = self.workflow.output_settings
        return (
            self.is_tty
            and self.can_color_tty()
            and self.workflow.local_exec
            and not settings.dryrun
            and not settings.quiet
        )

    def _start(self, counts: dict[str, int]) -> None:
        # Imported here, since runs that are not watched need none of it.
        from rich.console import Console
        from rich.live import Live

        self.state.plan(counts, [rule.name for rule in self.workflow.rules if rule.norun])
        self.console = Console(file=self.stream, no_color=self.nocolor or None, highlight=False)
        self.live = Live(
            console=self.console, get_renderable=self._view, refresh_per_second=PER_SECOND
        )
        self.live.start(refresh=True)

    def _view(self) -> Group:
        from dsnet.live.view import render

        with self.watched:
            return render(self.state)

    def _tell(self, record: logging.LogRecord, event: Any, job: Job | None) -> None:
        """Print above the summary what it does not show, and a line of a training that ended."""
        from rich.text import Text

        from dsnet.live.view import ended

        assert self.console is not None
        if job is not None and (line := ended(job)):
            self.console.print(line)
        if event in SHOWN or (event is None and record.getMessage().startswith(CHATTER)):
            return
        text = self.format(record)
        if text and text != "None":
            style = {"ERROR": "red", "WARNING": "yellow"}.get(record.levelname, "")
            self.console.print(Text(text, style), soft_wrap=True)

    def close(self) -> None:
        """Leave the summary as it is at the end."""
        if self.live is not None:
            self.live.stop()
            self.live = None
        super().close()

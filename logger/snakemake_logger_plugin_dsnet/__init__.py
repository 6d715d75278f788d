"""Snakemake logger plugin of dsnet: a live view in a terminal, else Snakemake's normal log."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_dsnet import endings
from snakemake_logger_plugin_dsnet.failures import Formatter
from snakemake_logger_plugin_dsnet.state import Job, State

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

PER_SECOND = 2  # live view: frames per second
LONG = 20  # jobs; in a terminal, a longer plan shows their numbers and reasons by rule
# Events that the live view shows itself.
SHOWN = (LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS)
# Messages of Snakemake at every step, without an event.
CHATTER = ("Select jobs to execute", "Execute ", "Removing temporary output ")


class LogHandler(LogHandlerBase):  # type: ignore[misc, unused-ignore]
    """Snakemake's normal log; in a terminal, a live view replaces it while jobs run.

    There is no live view on a cluster, in a dry run, or with --quiet. :class:`Formatter` explains a
    failed job everywhere. In a terminal, a long plan is told by rule. The last line says how a
    stopped run goes on, or how to make a report.
    """

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.setFormatter(Formatter(settings.quiet, settings.show_failed_logs, sys.argv[1:]))
        self.normal = ColorizingTextHandler(
            settings.nocolor, sys.stdout if settings.stdout else sys.stderr, self.formatter
        )
        self.remote = False
        self.state = State()
        # Guards the state. It is never held during printing: the live view has its own lock, and
        # holds it while it asks for the state.
        self.state_lock = threading.Lock()
        self.live: Live | None = None
        self.console: Console | None = None
        self.interrupted = self.finishing = False
        self.report: str | None = None
        self.planned: int | None = None  # jobs of a dry run in a terminal
        endings.hide_interrupts()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record to the log, or draw it into the live view."""
        event = getattr(record, "event", None)
        if self._ends(record) or self._is_too_long(record):
            return
        try:
            with self.state_lock:
                job = self.state.update(record)
            if self.live is not None:
                self._print(record, event, job)
                return
        except Exception:
            self.handleError(record)
        self.normal.emit(record)
        if event == LogEvent.RESOURCES_INFO:
            self.remote |= hasattr(record, "nodes")
        elif event == LogEvent.RUN_INFO and self._is_watched():
            self._start()

    def _ends(self, record: logging.LogRecord) -> bool:
        """Note how the run ends; return whether the last lines say so in place of the record."""
        text = record.getMessage()
        if endings.INTERRUPTED.search(text) and not self.interrupted:
            self.interrupted = True
            with self.state_lock:
                self.state.stop()
        self.finishing |= text.startswith(endings.FINISHING)
        self.report = record.__dict__.get("report", self.report)
        if self.interrupted and record.levelno >= logging.ERROR:  # of jobs, which end with it
            return True
        return hasattr(record, "report") or (self.finishing and text.endswith(endings.INCOMPLETE))

    def _is_too_long(self, record: logging.LogRecord) -> bool:
        """Return whether a record is of a single job of a long plan, or repeats its table."""
        settings, event = self.common_settings, getattr(record, "event", None)
        if not settings.dryrun or settings.printshellcmds or not self.normal.can_color_tty():
            return False
        is_first = self.planned is None
        if event == LogEvent.RUN_INFO and is_first:
            self.planned = record.__dict__["stats"]["total"]
        is_long = (self.planned or 0) > LONG
        return is_long and (
            event == LogEvent.JOB_INFO or (event == LogEvent.RUN_INFO and not is_first)
        )

    def _is_watched(self) -> bool:
        settings = self.common_settings
        terminal = self.normal.can_color_tty()
        return terminal and not (self.remote or settings.dryrun or settings.quiet)

    def _start(self) -> None:
        # Imported here: Snakemake loads this module at every start, also without a live view.
        from rich.console import Console
        from rich.live import Live

        no_color = self.common_settings.nocolor or None
        self.console = Console(file=self.normal.stream, no_color=no_color, highlight=False)
        self.live = Live(
            console=self.console, get_renderable=self._view, refresh_per_second=PER_SECOND
        )
        self.live.start(refresh=True)

    def _view(self) -> Group:
        from snakemake_logger_plugin_dsnet.view import render

        with self.state_lock:
            return render(self.state)

    def _print(self, record: logging.LogRecord, event: Any, job: Job | None) -> None:
        """Print above the live view what it does not show, and a line per finished training."""
        from rich.text import Text

        from snakemake_logger_plugin_dsnet.view import ended

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
        """End the live view, whose last state stays on the screen, and say how the run ended."""
        if self.live is not None:
            self.live.stop()
            self.live = None
        # Outside of jobs, Snakemake says nothing of Ctrl-C.
        if self.interrupted or self.finishing or sys.exc_info()[0] is KeyboardInterrupt:
            print(endings.stopped(self.state), file=self.normal.stream)
        elif self.report is not None:
            print(endings.report(sys.argv[1:], self.report), file=self.normal.stream)
        elif (self.planned or 0) > LONG:
            print(endings.PLAN, file=self.normal.stream)
        self.interrupted, self.finishing, self.report, self.planned = False, False, None, None
        super().close()

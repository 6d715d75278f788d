"""Snakemake logger plugin of dsnet: a live view in a terminal, else Snakemake's normal log."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_dsnet.failures import Formatter
from snakemake_logger_plugin_dsnet.state import Job, State

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

PER_SECOND = 2  # live view: frames per second
# Events that the live view shows itself.
SHOWN = (LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS)
# Messages of Snakemake at every step, without an event.
CHATTER = ("Select jobs to execute", "Execute ", "Removing temporary output ")


class LogHandler(LogHandlerBase):  # type: ignore[misc, unused-ignore]
    """Snakemake's normal log; in a terminal, a live view replaces it while jobs run.

    There is no live view on a cluster, in a dry run, or with --quiet. :class:`Formatter` explains a
    failed job everywhere.
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

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record to the log, or draw it into the live view."""
        event = getattr(record, "event", None)
        if self.live is None:
            self.normal.emit(record)
            if event == LogEvent.RESOURCES_INFO:
                self.remote |= hasattr(record, "nodes")
            elif event == LogEvent.RUN_INFO and self._is_watched():
                self._start(record.__dict__["stats"])
            return
        try:
            with self.state_lock:
                job = self.state.update(record)
            self._print(record, event, job)
        except Exception:
            self.handleError(record)

    def _is_watched(self) -> bool:
        settings = self.common_settings
        terminal = self.normal.can_color_tty()
        return terminal and not (self.remote or settings.dryrun or settings.quiet)

    def _start(self, counts: dict[str, int]) -> None:
        # Imported here: Snakemake loads this module at every start, also without a live view.
        from rich.console import Console
        from rich.live import Live

        self.state.plan(counts)
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
        """End the live view; its last state stays on the screen."""
        if self.live is not None:
            self.live.stop()
            self.live = None
        super().close()

"""What is said of a job that failed: the end of its log, and how to run it again by itself."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from snakemake.logging import DefaultFormatter

from dsnet.disk import DiskFullError, has_no_room

LINES = 20  # of a log that are shown
READ = 1 << 16  # bytes at the end of a log that are looked at for them
# The options of Snakemake that say on what, where and how to run, which a rerun shares. Others,
# such as --forceall, --until or -n, are about the run that failed.
SHARED = (
    (("--snakefile", "-s"), None),
    (("--directory", "-d"), None),
    (("--profile",), None),
    (("--workflow-profile",), None),
    (("--executor", "-e"), None),
    (("--cores", "-c"), "?"),
    (("--jobs", "-j"), "?"),
    (("--software-deployment-method", "--deployment-method", "--deployment", "--sdm"), "+"),
    (("--conda-prefix",), None),
    (("--resources", "--res"), "+"),
    (("--set-threads",), "+"),
    (("--set-resources",), "+"),
    (("--default-resources", "--default-res"), "*"),
    (("--configfile", "--configfiles"), "+"),
    (("--config", "-C"), "*"),
)


class Formatter(DefaultFormatter):  # type: ignore[misc, unused-ignore]
    """Snakemake's formatter, but for failed jobs.

    It would show all of a log, of which a training's has a line per epoch, and no way on.

    Args:
        quiet: what not to speak of, as Snakemake has it.
        show_failed_logs: whether the ends of logs are shown.
        arguments: those of the command line that the run was started with.
    """

    def __init__(self, quiet: Any, show_failed_logs: bool, arguments: Sequence[str]) -> None:
        super().__init__(quiet, show_failed_logs=False)
        self.tails = show_failed_logs
        self.arguments = list(arguments)

    def format_job_error(self, msg: dict[str, Any]) -> str:
        """The account of a failed job."""
        return "\n".join([super().format_job_error(msg), *self._more(msg)])

    def _more(self, msg: Mapping[str, Any]) -> Iterator[str]:
        for log in msg["log"] if self.tails else ():
            yield from ["", *tail(log)]
        # The log that would say so may lie on the disk that is full.
        if full := _full_disk(msg["output"]):
            yield f"\n{full}"
        if msg["output"]:
            yield "\nOnce its cause is mended, this runs it alone:"
            yield f"    {rerun_command(self.arguments, msg['output'][0])}\n"


def tail(path: str | os.PathLike[str], lines: int = LINES) -> list[str]:
    """The last ``lines`` of a log under a heading, or a line that says why there are none."""
    try:
        with open(path, "rb") as file:
            start = max(0, os.fstat(file.fileno()).st_size - READ)
            file.seek(start)
            found = file.read().decode("utf-8", "replace").splitlines()
    except OSError as error:
        return [f"Its log {os.fspath(path)} cannot be read: {error.strerror}."]
    if not found:
        return [f"Its log {os.fspath(path)} is empty."]
    shown = found[-lines:]
    which = "All" if start == 0 and shown == found else f"The last {len(shown)} lines"
    heading = f"{which} of its log {os.fspath(path)}:"
    return [heading, "=" * len(heading), *shown, "=" * len(heading)]


def rerun_command(arguments: Sequence[str], target: str) -> str:
    """The command that makes the file ``target``, for a shell.

    Args:
        arguments: those of the Snakemake that failed to, without the program.
        target: path of a file that the failed job makes.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flags = {}
    for names, count in SHARED:
        flags[parser.add_argument(*names, nargs=count, default=argparse.SUPPRESS).dest] = names[0]
    given = vars(parser.parse_known_args(list(arguments))[0])
    words = ["snakemake", target]  # first, since several options take all words that follow
    for name, value in given.items():
        values = value if isinstance(value, list) else [value] if value is not None else []
        words += [flags[name], *values]
    return shlex.join(words)


def _full_disk(outputs: Sequence[str]) -> str:
    """What to say where there is no room for what a job writes; empty where there is."""
    for path in map(Path, outputs):
        if has_no_room(next(parent for parent in path.parents if parent.is_dir())):
            return str(DiskFullError.of(path))
    return ""

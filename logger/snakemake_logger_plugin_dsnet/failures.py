"""Explanation of a failed job or command: the end of a log, and the command to give instead."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from snakemake.logging import DefaultFormatter

LINES = 20  # of a log, shown
READ = 1 << 16  # bytes read at the end of a log
PROBE = 1 << 20  # bytes that a disk must have room for
# Options of Snakemake that say where and how to run; the command that runs a job alone keeps them.
# Others, such as --forceall, --until or -n, are for the failed run only.
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
UNREADABLE = re.compile("load_configfile|Config file")  # in errors about configuration files
# Snakemake's words on a target, and ours in place of its guess at the reason.
MISSING = re.compile(r"No rule to produce (.*) \(if you use input functions .*\)\.")
UNKNOWN = (
    "; `snakemake --list` names the rules. In the path of a file, the first folder is the key "
    "results or data, and data set, split, clip length, seed and stream are in the configuration."
)
UNNAMED = (
    "; a fusion is made if `tables` names it, as tables.study: [{group: Mine, rows: [{stream: "
    "mars, fuse: rgb}]}]. In its file's name, students come first, then RGB, then flow."
)


class Formatter(DefaultFormatter):  # type: ignore[misc, unused-ignore]
    """Snakemake's formatter, with more on failed jobs.

    Snakemake would show a whole log, with a line per epoch, but not how to run the job again.

    Args:
        quiet: what Snakemake does not print.
        show_failed_logs: whether the ends of logs are shown.
        arguments: arguments of the run's command line, without the program.
    """

    def __init__(self, quiet: Any, show_failed_logs: bool, arguments: Sequence[str]) -> None:
        super().__init__(quiet, show_failed_logs=False)
        self.tails = show_failed_logs
        self.arguments = list(arguments)

    def format(self, record: logging.LogRecord) -> str:
        """Format a record; say which file is no configuration, and what may be a target."""
        text = super().format(record)
        if record.levelno >= logging.ERROR and UNREADABLE.search(str(text)):
            return misplaced(self.arguments) or text
        if record.levelno >= logging.ERROR and (found := MISSING.search(str(text))):
            why = UNNAMED if "/fusion/" in found[1] else UNKNOWN
            return text.replace(found[0], f"No rule makes {found[1]}{why}")
        return text

    def format_job_error(self, msg: dict[str, Any]) -> str:
        """Describe a failed job."""
        return "\n".join([super().format_job_error(msg), *self._more(msg)])

    def _more(self, msg: Mapping[str, Any]) -> Iterator[str]:
        for log in msg["log"] if self.tails else ():
            yield from ["", *tail(log)]
        for path in msg["output"]:  # the job's own log may be on the full disk
            if _is_full(path):
                yield f"\nThe disk of {path} is full, or your quota of it; make room and run again."
                break
        if msg["output"]:
            yield "\nAfter you have fixed the cause, this runs the job alone:"
            yield f"    {rerun_command(self.arguments, msg['output'][0])}\n"


def tail(path: str | os.PathLike[str], lines: int = LINES) -> list[str]:
    """Return the last ``lines`` of a log, under a heading, or say why there are none."""
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
    """Return the shell command that makes the file ``target`` of a failed job.

    ``arguments`` are the arguments of the failed Snakemake, without the program.
    """
    # The target is first, since some options take all words after them.
    return shlex.join(["snakemake", target, *shared_options(arguments)])


def misplaced(arguments: Sequence[str]) -> str | None:
    """Return what to do about words after ``--configfile`` that are no configuration files.

    These are targets, or files that are missing or cannot be read.
    """
    given = _parsed(arguments)[0].get("configfile", [])
    files = [word for word in given if word.endswith((".yaml", ".yml", ".json"))]
    if given and not files:
        return f"--configfile: {', '.join(given)} is no .yaml, .yml or .json file"
    if targets := [word for word in given if word not in files]:
        words = ["snakemake", *targets, *(word for word in arguments if word not in targets)]
        return (
            f"{', '.join(targets)}: no configuration file, and --configfile takes all words after "
            f"it; put targets first:\n    {shlex.join(words)}"
        )
    if missing := [path for path in files if not os.path.exists(path)]:
        return f"--configfile: there is no file {', '.join(missing)} (looked in {os.getcwd()})"
    return next(filter(None, map(_unreadable, files)), None)


def _unreadable(path: str) -> str | None:
    """Return why a file cannot be a configuration; None if it can."""
    try:
        with open(path, "rb") as file:  # a file object, since yaml's errors name it
            content = yaml.safe_load(file)
    except (OSError, yaml.YAMLError) as error:
        return f"{path} cannot be read: {error}"
    return None if isinstance(content, dict) else f"{path}: expected keys with values"


def shared_options(arguments: Sequence[str]) -> list[str]:
    """Return those of a run's arguments that say where and how to run."""
    given, flags = _parsed(arguments)
    words = []
    for name, value in given.items():
        values = value if isinstance(value, list) else [value] if value is not None else []
        words += [flags[name], *values]
    return words


def _parsed(arguments: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of the shared options by name, and each one's flag."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flags = {}
    for names, count in SHARED:
        flags[parser.add_argument(*names, nargs=count, default=argparse.SUPPRESS).dest] = names[0]
    return vars(parser.parse_known_args(list(arguments))[0]), flags


def _is_full(path: str) -> bool:
    """Return whether the disk of ``path``, or its quota, has no room for a small file."""
    folder = next(parent for parent in Path(path).absolute().parents if parent.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE))
            file.flush()
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False

"""The root of the errors that a user can mend: the command line prints their message alone."""

from __future__ import annotations

import os
from pathlib import Path


class UserError(Exception):
    """Something given to dsnet is wrong; the message says what, where and what to do."""


class RemakeError(UserError):
    """A file that dsnet made is of no use any more, and the workflow can make it again.

    Attributes: ``path``, the file, and ``kept``, what :func:`set_aside` adds to its name.
    """

    kept = "damaged"

    def __init__(self, path: str | os.PathLike[str], message: str) -> None:
        super().__init__(message)
        self.path = Path(path)


def set_aside(error: RemakeError) -> str:
    """Rename the file of ``error``, so that Snakemake misses it; what to do now, in words.

    Only what has the name of one of our files: another one was given by mistake.
    """
    aside = error.path.with_name(f"{error.path.name}.{error.kept}")
    if error.path.suffix in (".h5", ".csv"):
        try:
            os.replace(error.path, aside)
        except OSError as problem:
            if error.path.exists() or not aside.exists():  # not moved by another process
                return f"delete it and run again (moving it failed: {problem})"
        return f"it was moved to {aside}; run again, and it is made anew"
    return "delete it and run again"

"""Base classes of errors that a user can correct; the command line prints their message alone."""

from __future__ import annotations

import os
from pathlib import Path


class UserError(Exception):
    """Wrong input to dsnet; the message says what is wrong, where, and what to do."""


class RemakeError(UserError):
    """A file of dsnet that cannot be used any more, and that the workflow can make again.

    Attributes: ``path``, the file; ``kept``, the suffix that :func:`set_aside` adds to its name, if
    that ends with one of ``ends``. Any other file may have been given by mistake.
    """

    kept = "damaged"
    ends: tuple[str, ...] = (".h5", ".csv")

    def __init__(self, path: str | os.PathLike[str], message: str) -> None:
        super().__init__(message)
        self.path = Path(path)


class ChangedError(RemakeError):
    """A file that is not as dsnet wrote it: its seal says so."""

    ends = ("",)


def set_aside(error: RemakeError) -> str:
    """Rename the file of ``error``, so that Snakemake makes it again; return what a user can do."""
    aside = error.path.with_name(f"{error.path.name}.{error.kept}")
    if error.path.name.endswith(error.ends):
        try:
            os.replace(error.path, aside)
        except OSError as problem:
            if error.path.exists() or not aside.exists():  # not moved by another process
                return f"delete it and run again (moving it failed: {problem})"
        return f"it was moved to {aside}; run again, and it is made anew"
    return "delete it and run again"

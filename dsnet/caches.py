"""Folders for what libraries keep from run to run: compiled code of numba, fonts of matplotlib."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from dsnet.disk import existing

log = logging.getLogger(__name__)

# Variables that name such a folder, and where it is without them.
FOLDERS = {"XDG_CACHE_HOME": "~/.cache", "MPLCONFIGDIR": "~/.config"}


def provide() -> None:
    """Set the variables to a folder that works, where the home folder cannot be written to.

    Call it before numba and matplotlib are imported. The folder is the user's own, among the
    temporary files, and the next job finds it again.
    """
    for variable, usual in FOLDERS.items():
        if variable in os.environ or _is_writable(os.path.expanduser(usual)):
            continue
        with suppress(OSError):  # then what is kept is lost, or the library says what to set
            place = Path(tempfile.gettempdir(), f"dsnet-caches-{os.getuid()}")
            place.mkdir(0o700, exist_ok=True)
            if place.lstat().st_uid != os.getuid():  # code is run from it
                place = Path(tempfile.mkdtemp())
            os.environ[variable] = str(place)
            log.info("%s cannot be written to: %s is %s", usual, variable, place)


def _is_writable(folder: str) -> bool:
    try:
        tempfile.TemporaryFile(dir=existing(folder)).close()
    except OSError:
        return False
    return True

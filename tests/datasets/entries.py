"""Entries of the catalogue, and files for them to list."""

import os
from pathlib import Path
from typing import Any


def folder_entry(root: Path, **settings: Any) -> dict[str, Any]:
    defaults = {"kind": "folder", "videos": str(root), "csv": None, "test_share": 0.3}
    return {**defaults, "allow_missing": False, **settings}


def touch(root: Path, *names: str | bytes) -> None:
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass

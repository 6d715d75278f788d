"""Mounting, resizing and filling file systems."""

from __future__ import annotations

import gc
import os
import subprocess
from pathlib import Path


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True, text=True)


def unmount(folder: Path) -> None:
    # Lazily: what still has a file open there must not keep the folder of the test.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def is_mounted(folder: Path) -> bool:
    """Also where the file system is that of the folder above, as of a bind mount."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return str(folder) in [line.split()[1] for line in mounts]


def resize(folder: Path, size: int) -> None:
    """Give a tmpfs another size in bytes."""
    mount("-o", f"remount,size={size}", str(folder))


def room(folder: Path) -> int:
    """Free bytes."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path, left: int) -> Path:
    """A file that leaves ``left`` free bytes, give or take a page, on a folder's file system."""
    gc.collect()  # a map of a removed file, in a cycle, would free its room at any moment
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(max(room(folder) - left, 0)))
    return ballast

"""Digests of settings and files, and the record of versions and commit in an artifact."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from dsnet.disk import PathLike

PACKAGE = Path(__file__).parents[1]
RECORDED_PACKAGES = (
    "dsnet",
    "torch",
    "torchvision",
    "numpy",
    "numba",
    "opencv-contrib-python-headless",
    "h5py",
    "pandas",
)


def canonical(spec: Any) -> str:
    """Return ``spec`` as JSON with sorted keys and no spaces: equal specs give equal strings."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(spec: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of :func:`canonical` of ``spec``."""
    return hashlib.sha256(canonical(spec).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def file_digest(path: PathLike) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def record(**more: Any) -> dict[str, Any]:
    """Return package versions, Python, platform and git commit, with ``more`` added."""
    versions = {}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "versions": versions,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "commit": git_commit(),
        **more,
    }


def git_commit() -> str:
    """Return the commit of this checkout, with ``+`` if it was edited, or ``unknown``."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(PACKAGE), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"

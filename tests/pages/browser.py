"""A real browser for the pages, where there is one, started as docs/screenshots.py does."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from project import ROOT

SCRIPT = ROOT / "docs/screenshots.py"


def screenshots() -> ModuleType:
    """docs/screenshots.py as a module."""
    spec = importlib.util.spec_from_file_location("screenshots", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def require_browser() -> str:
    """Path of a Chromium; the test is skipped where there is none."""
    browser = next(filter(None, map(shutil.which, screenshots().BROWSERS)), None)
    if browser is None:
        pytest.skip("needs a Chromium on PATH, such as apt-get install chromium")
    return browser


def document(address: str, profile: Path) -> str:
    """The HTML of a page after its scripts have run, in a browser with a new profile."""
    command = [require_browser(), *screenshots().QUIET, f"--user-data-dir={profile}", "--dump-dom"]
    done = subprocess.run(
        [*command, address], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout

"""A real browser for the pages, where there is one, started as docs/screenshots.py does."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

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


class Tab:
    """A tab of a browser that tests drive: the DevTools protocol over a pair of pipes.

    Attributes: ``addresses``, what was loaded; ``complaints``, what the page's script threw and
    what the browser logged of it.
    """

    def __init__(self, browser: subprocess.Popen[bytes], sending: int, receiving: int) -> None:
        self.browser = browser
        self._to, self._from = os.fdopen(sending, "wb"), os.fdopen(receiving, "rb")
        self._rest, self._number = b"", 0
        self.addresses: list[str] = []
        self.complaints: list[str] = []
        self._session: dict[str, str] = {}
        target = self("Target.createTarget", url="about:blank")["targetId"]
        opened = self("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": opened["sessionId"]}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a method of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **self._session}
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while (found := self._next()).get("id") != self._number:
            self._note(found)
        assert "error" not in found, (method, found["error"])
        return found["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = self._from.raw.read(2**20)
            assert piece, "the browser has ended"
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.addresses.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case "Log.entryAdded":
                self.complaints.append(params["entry"]["text"])

    def value(self, script: str) -> Any:
        """What a script, or the promise that it gives, comes to."""
        options = {"awaitPromise": True, "returnByValue": True}
        found = self("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, condition: str, seconds: float = 60) -> None:
        """Wait for a script to be true."""
        end = time.monotonic() + seconds
        while not self.value(condition):
            assert time.monotonic() < end, (condition, self.value("document.body.innerText"))
            time.sleep(0.05)

    def choose(self, selector: str, *files: Path) -> None:
        """Choose files as a person does in an input of files."""
        expression = f"document.querySelector({json.dumps(selector)})"
        place = self("Runtime.evaluate", expression=expression)["result"]["objectId"]
        self("DOM.setFileInputFiles", objectId=place, files=[str(file) for file in files])

    def picture(self, path: Path, width: int, height: int, scheme: str = "light") -> None:
        """Write what a window of a size shows, in light or dark mode, as PNG."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self("Emulation.setDeviceMetricsOverride", **size)
        mode = {"name": "prefers-color-scheme", "value": scheme}
        self("Emulation.setEmulatedMedia", features=[mode])
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot")["data"]))


@contextmanager
def tab(profile: Path) -> Iterator[Tab]:
    """A browser with a new profile."""
    (theirs, sending), (receiving, ours) = os.pipe(), os.pipe()
    # The browser reads from descriptor 3 and writes to 4.
    start = f'exec "$@" 3<&{theirs} 4>&{ours}'
    options = ["--remote-debugging-pipe", f"--user-data-dir={profile}"]
    command = ["bash", "-c", start, "bash", require_browser(), *screenshots().QUIET, *options]
    descriptors = (theirs, ours)
    with subprocess.Popen(command, pass_fds=descriptors, stderr=subprocess.DEVNULL) as browser:
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            yield Tab(browser, sending, receiving)
        finally:
            browser.terminate()

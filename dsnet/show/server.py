"""The server of the page: for this machine alone, and for the page alone."""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any

import torch

from dsnet import video
from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.pages.page import render
from dsnet.pages.pictures import wheel
from dsnet.show.answers import Answer, Answerer

log = logging.getLogger(__name__)
ADDRESS = "127.0.0.1"
LIMIT = 4 * 2**30  # bytes of a video
PIECE = 2**20
TEXT, HTML, LINES = "text/plain", "text/html", "application/x-ndjson"
# The page loads nothing, and only its own script runs.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def show(model: PathLike, port: int = 0, device: str = "auto", threads: int | None = None) -> None:
    """Serve the page on the loopback address until Ctrl-C, and print where.

    Args:
        model: ``model.pt`` of a stream, or the ``.json`` of a fusion beside its streams.
        port: of 127.0.0.1; 0 is a free one.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads of the networks; the default is all cores.

    Raises:
        UserError: there is no such port; for the model see :class:`dsnet.VideoClassifier`.
        OSError: the port is taken.
    """
    if not 0 <= port < 2**16:
        raise UserError(f"--port: expected 0 to {2**16 - 1}, got {port}")
    torch.set_num_threads(threads or os.cpu_count() or 1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    answerer = Answerer(model, device)
    with (
        suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory() as folder,
        Server(model, answerer, folder, port) as server,
    ):
        print(f"http://{ADDRESS}:{server.server_port}/  (Ctrl-C ends it)", flush=True)
        server.serve_forever()


class Server(ThreadingHTTPServer):
    """A server of one model; videos lie in ``folder`` while they are scored."""

    def __init__(self, model: PathLike, answerer: Answerer, folder: str, port: int) -> None:
        super().__init__((ADDRESS, port), Handler)
        self.answerer, self.folder = answerer, folder
        self.hosts = [f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")]
        nonce = secrets.token_urlsafe()
        self.policy = POLICY.format(nonce=nonce)
        classifier = answerer.classifier
        self.page = render(
            "show.html",
            nonce=nonce,
            model=os.fspath(model),
            classes=classifier.classes,
            length=classifier.clip_length,
            stride=classifier.streams[0].settings.stride,
            inputs=sorted({stream.input for stream in classifier.streams}),
            device=str(classifier.device),
            limit=LIMIT,
            wheel=wheel(64),
        )


class Handler(BaseHTTPRequestHandler):
    """Answers of the server: the page, and a line of JSON for every clip of a video."""

    server: Server

    def do_GET(self) -> None:
        """Send the page."""
        if not self._refused():
            if self.path == "/":
                self._reply(200, self.server.page, HTML)
            else:
                self._reply(404, f"there is no {self.path}, only the page at /")

    def do_POST(self) -> None:
        """Receive a video, the body, and send a line for each of its clips.

        The last line has ``done`` or ``error``, the reason in words.
        """
        length = self.headers.get("Content-Length", "")
        if self._refused():
            return
        if self.path != "/videos":
            self._reply(404, f"there is no {self.path}; videos go to /videos")
        elif not re.fullmatch(r"\d{1,18}", length):
            self._reply(411, "expected the length of the video")
        elif int(length) > LIMIT:
            self._reply(413, f"the video has {int(length)} bytes; the limit is {LIMIT}")
        else:
            with suppress(ConnectionError):  # the page was closed, or has another video
                self._score(int(length))

    def _score(self, length: int) -> None:
        with tempfile.NamedTemporaryFile(dir=self.server.folder) as file:
            try:
                self._receive(file, length)
            except OSError as error:
                self._reply(507, f"the video could not be kept: {error}")
                return
            self._head(200, LINES)
            for answer in self._answers(file.name):
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    def _receive(self, file: IO[bytes], length: int) -> None:
        while length:
            piece = self.rfile.read(min(length, PIECE))
            if not piece:
                raise ConnectionError("the video ended early")
            file.write(piece)
            length -= len(piece)
        file.flush()

    def _answers(self, path: str) -> Iterator[Answer]:
        try:
            yield from self.server.answerer.answers(path)
            yield {"done": True}
        except (UserError, video.VideoError, video.FfmpegError) as error:
            # The page knows the video by its own name.
            yield {"error": str(error).removeprefix(f"{path}: ")}

    def _refused(self) -> bool:
        """Refuse requests that other sites make in the browser, also under a name of their own."""
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host in self.server.hosts and origin in (None, f"http://{host}"):
            return False
        self._reply(403, f"only for pages of http://{self.server.hosts[0]}/")
        return True

    def _reply(self, status: int, text: str, kind: str = TEXT) -> None:
        self._head(status, f"{kind}; charset=utf-8")
        self.wfile.write(text.encode(errors="replace"))

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log requests as details."""
        log.debug(format, *arguments)

"""A local HTTP server of files, which can be told to misbehave."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class FileServer(ThreadingHTTPServer):
    """Serves a folder.

    Attributes: ``cuts``, the numbers of bytes after which the next answers break off, and
    ``stall``, the seconds that they wait before; ``statuses``, with which the next requests are
    refused; ``ranges``, whether parts are served at all, ``most``, how many bytes of them, and
    ``shift``, how much later than asked for they start; ``announce``, whether answers have a
    length, ``length``, a wrong one, ``tag``, an ETag, and ``kind``, their Content-Type;
    ``requests``, the paths asked for and the values of Range.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.ranges = self.tag = self.announce = True
        self.most: int | None = None
        self.length: str | None = None
        self.shift = 0
        self.stall = 0.0
        self.kind = "application/octet-stream"
        self.requests: list[tuple[str, str | None]] = []

    def handle_error(self, *_: object) -> None:
        """Nothing: a client that goes away is part of many tests."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.requests.append((self.path, wanted))
        path = server.folder / self.path.lstrip("/")
        status = server.statuses.pop(0) if server.statuses else 200 if path.is_file() else 404
        if status != 200:
            return self.send_error(status)
        data = path.read_bytes()
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "") if server.ranges else None
        if match and self.headers.get("If-Range", tag) == tag:
            return self._answer(data, int(match[1]) + server.shift, tag)
        return self._answer(data, None, tag)

    def _answer(self, data: bytes, start: int | None, tag: str) -> None:
        if start is not None and start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"sorry")
            return
        body = data if start is None else data[start:][: self.server.most]
        self.send_response(200 if start is None else 206)
        if start is not None:
            last = start + len(body) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(data)}")
        if self.server.announce:
            self.send_header("Content-Length", self.server.length or str(len(body)))
        if self.server.tag:
            self.send_header("ETag", tag)
        self.send_header("Content-Type", self.server.kind)
        self.end_headers()
        if self.server.cuts:
            body = body[: self.server.cuts.pop(0)]
            self.wfile.write(body)
            self.wfile.flush()
            time.sleep(self.server.stall)
        else:
            self.wfile.write(body)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_WR)

    def log_message(self, *_: object) -> None:
        """Nothing, where pytest would show it."""


@contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    """A server that runs meanwhile."""
    server = FileServer(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

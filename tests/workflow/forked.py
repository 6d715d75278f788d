"""Python processes that start with their packages imported: a server imports them and forks.

A tiny run has about fifty jobs, and importing PyTorch takes longer than the work of most of them.
The programs in :func:`programs` take the place of ``python``, ``snakemake`` and ``dsnet``. They
hand what Snakemake or dsnet is to do to the server, with standard files, folder and environment,
pass signals on, and end as the fork ends. Python itself runs everything else.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import multiprocessing
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from multiprocessing.connection import wait
from pathlib import Path

FORKS = multiprocessing.get_context("fork")
MODULES = ("dsnet", "snakemake")  # what a process is forked for
PRELOADED = (
    *("cv2", "ffmpeg", "h5py", "imageio_ffmpeg", "jinja2", "jsonschema", "matplotlib.pyplot"),
    *("numba", "pandas", "pydantic", "requests", "rich.progress", "scipy.stats", "tqdm"),
    *("snakemake.cli", "snakemake.profiles", "snakemake.report.html_reporter"),
    *("snakemake.workflow", "torch._dynamo", "torch.utils.data", "torch.utils.tensorboard"),
)
PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys
words = sys.argv[1:]
name = os.path.basename(sys.argv[0])
if name != "python":
    words = ["-m", name, *words]
if words[:1] != ["-m"] or words[1] not in {modules}:
    os.execv({python!r}, [{python!r}, *words])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = json.dumps([words[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
server.sendall(request)
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: server.send(bytes([number])))
code = int(server.recv(16) or 1)
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@functools.cache
def programs() -> Path:
    """A folder with the three programs, whose server ends with this process.

    They are Python's own where coverage is measured, which does not follow the forks.
    """
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        return Path(sys.executable).parent
    folder = Path(tempfile.mkdtemp(prefix="forked-"))
    address = str(folder / "server")
    names = {"python": sys.executable, "modules": MODULES, "address": address}
    (folder / "python").write_text(PROGRAM.format(**names), encoding="utf-8")
    (folder / "python").chmod(0o755)
    for name in MODULES:
        (folder / name).symlink_to("python")
    atexit.register(shutil.rmtree, folder)
    server = subprocess.Popen(
        [sys.executable, __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    atexit.register(server.communicate)  # closes its input, and waits
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return folder


def serve(address: str) -> None:
    """Fork for every request at ``address`` until there is no more standard input."""
    sys.path.remove(str(Path(__file__).parent))
    for name in PRELOADED:
        importlib.import_module(name)
    assert "dsnet" not in sys.modules  # a project has its own
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if not os.fork():
                    listener.close()
                    attend(connection, address)
                    os._exit(0)


def attend(connection: socket.socket, address: str) -> None:
    """Fork once more for a request, pass signals to the fork, and report how it ended.

    A fork of multiprocessing ends without taking its modules apart, which would take seconds.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, *_ = socket.recv_fds(connection, 8, 3)
    request = b""
    while len(request) < int.from_bytes(size, "big"):
        request += connection.recv(1 << 20)
    words, folder, environment = json.loads(request)
    if words[0] == "snakemake":
        sys.executable = str(Path(address).with_name("python"))  # of its jobs
    process = FORKS.Process(target=become, args=(words, folder, environment, files))
    process.start()
    for file in files:
        os.close(file)
    while process.sentinel not in wait([connection, process.sentinel]):
        for number in connection.recv(16) or [signal.SIGKILL]:
            os.kill(process.pid, number)
    process.join()
    with contextlib.suppress(OSError):  # its program was killed
        connection.sendall(str(process.exitcode).encode())


def become(words: list[str], folder: str, environment: dict[str, str], files: list[int]) -> None:
    """Do what ``python -m`` does with ``words`` in a folder."""
    os.setsid()
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [folder, *filter(None, paths)]
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in environment
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(sys.argv[1])

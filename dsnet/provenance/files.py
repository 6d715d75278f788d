"""Files that appear when they are complete, and that one process at a time makes."""

from __future__ import annotations

import fcntl
import glob
import logging
import os
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dsnet.disk import PathLike, flock, naming_full_disk
from dsnet.errors import UserError
from dsnet.provenance.seals import SEALED, Span, seal_of, seal_text

log = logging.getLogger(__name__)


@contextmanager
def replacing(path: PathLike, spans: Sequence[Span] = (), sealed: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write to, and rename it if there is no error.

    So ``path`` is never a half-written file. After an error, the temporary file is removed, and an
    earlier file at ``path`` stays. Files of killed processes of this machine are removed too.

    A file of :data:`.SEALED` gets a seal, and so does one with ``spans`` (the caller may add to
    them), which its seal leaves out. None does if not ``sealed``, as what no stage reads again.
    Raises DiskFullError if the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent.glob(f".{glob.escape(path.name)}.*.tmp"))
    own = f"{platform.node()}.{os.getpid()}.tmp"
    temporary, seal = (path.with_name(f".{path.name}.{what}{own}") for what in ("", "seal."))
    try:
        with naming_full_disk(path):  # before the removal of the file makes room
            yield temporary
            with open(temporary, "rb") as stream:
                os.fsync(stream.fileno())
            sealed = sealed and (path.name.endswith(SEALED) or bool(spans))
            if sealed:
                text = seal_text(temporary, path.name, spans)
                with open(seal, "w", encoding="utf-8", errors="surrogateescape") as out:
                    out.write(text)
                    out.flush()
                    os.fsync(out.fileno())
        written = os.stat(temporary).st_ino
        # A process that is killed from here on leaves a file without a seal, not with a wrong one.
        seal_of(path).unlink(missing_ok=True)
        os.replace(temporary, path)
        if sealed:
            os.replace(seal, seal_of(path))
            if os.stat(path).st_ino != written:  # another process has written it meanwhile
                seal_of(path).unlink(missing_ok=True)
    finally:
        temporary.unlink(missing_ok=True)
        seal.unlink(missing_ok=True)


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove those that are temporary files of :func:`replacing` in killed processes here."""
    pattern = re.compile(rf"\..+\.{re.escape(platform.node())}\.([0-9]+)\.tmp")
    for path in paths:
        name = pattern.fullmatch(path.name)
        if name and not _is_alive(int(name[1])):
            with suppress(OSError):
                path.unlink()


def keep_input(source: PathLike, output: PathLike) -> None:
    """Raise UserError if ``output`` is ``source`` itself, by any name."""
    with suppress(OSError):
        if os.path.samefile(source, output):
            raise UserError(f"{os.fspath(output)} is the input itself; name another output")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        pass
    return True


@contextmanager
def alone(path: PathLike) -> Iterator[None]:
    """Let one process at a time make ``path``; others wait.

    The jobs of a killed Snakemake may go on, and the next run starts the same jobs. Nobody waits on
    a file system without locks.
    """
    lock = Path(path).with_name(f".{Path(path).name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = open(lock, "a", encoding="utf-8")  # noqa: SIM115
        try:
            flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("waiting for another process, of a killed run, that makes %s", path)
            flock(file.fileno(), fcntl.LOCK_EX)
        with suppress(FileNotFoundError):  # the process before removes it
            if os.path.samestat(os.fstat(file.fileno()), os.stat(lock)):
                break
        file.close()
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.close()

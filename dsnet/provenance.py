"""What an artifact was made from: its spec, the code, the packages and the git commit."""

from __future__ import annotations

import ast
import fcntl
import glob
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dsnet.disk import naming_full_disk

log = logging.getLogger(__name__)
PACKAGE = Path(__file__).parent
RECORDED_PACKAGES = (
    "dsnet",
    "torch",
    "numpy",
    "numba",
    "opencv-contrib-python-headless",
    "h5py",
    "pandas",
)


def canonical(spec: Any) -> str:
    """``spec`` as JSON with sorted keys and no spaces: equal specs give equal strings."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(spec: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of :func:`canonical` of ``spec``."""
    return hashlib.sha256(canonical(spec).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def file_digest(path: str | os.PathLike[str]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def record(**more: Any) -> dict[str, Any]:
    """Package versions, python, platform and git commit, with ``more`` added."""
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
    """The commit of the checkout this package lies in, ``+`` when edited, or ``unknown``."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(PACKAGE), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to, and rename it when all went well.

    A half-written file is therefore never found under ``path``; on an error the temporary
    file is removed and whatever was at ``path`` before stays. What a killed process of this
    machine left is removed too.

    Raises:
        DiskFullError: the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.{platform.node()}."
    for left in path.parent.glob(f"{glob.escape(prefix)}*.tmp"):
        process = left.name.removeprefix(prefix).removesuffix(".tmp")
        if process.isdecimal() and not _is_alive(int(process)):
            left.unlink(missing_ok=True)
    temporary = path.with_name(f"{prefix}{os.getpid()}.tmp")
    try:
        with naming_full_disk(path):  # before the file's removal makes room
            yield temporary
            with open(temporary, "rb") as stream:
                os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


@contextmanager
def alone(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let one process at a time make ``path``; others wait.

    When Snakemake is killed its jobs may live on, and the next run starts the same ones. Where
    the file system has no locks, nobody waits.
    """
    lock = Path(path).with_name(f".{Path(path).name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = open(lock, "a", encoding="utf-8")  # noqa: SIM115
        with suppress(OSError):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.warning("waiting for another process, of a killed run, that makes %s", path)
                fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):  # the one before removes it
            if os.path.samestat(os.fstat(file.fileno()), os.stat(lock)):
                break
        file.close()
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        file.close()


# --- digests of code -----------------------------------------------------------------------


def code_digest(*modules: str, without: Iterable[str] = ()) -> str:
    """Digest of the code of ``modules`` and of everything in dsnet that they import.

    Taken from the syntax tree, so comments, docstrings and formatting do not count. Modules in
    ``without`` (and what only they import) are left out.

    Raises:
        ModuleNotFoundError: a name is not a module of this package.
    """
    skipped, trees = set(without), {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in trees or name in skipped:
            continue
        source = _source(name)
        if source is None:
            raise ModuleNotFoundError(f"{name} is not a module of dsnet")
        tree = ast.parse(source.read_text(encoding="utf-8"))
        waiting += _imports(tree, name, is_package=source.name == "__init__.py")
        trees[name] = ast.dump(_without_docstrings(tree))
    return digest(sorted(trees.items()))


def _source(module: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imports(tree: ast.Module, module: str, is_package: bool) -> list[str]:
    """Names of the dsnet modules that a module's syntax tree imports, at any depth."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")
                above = above[: len(above) - node.level + (1 if is_package else 0)]
                base = ".".join([*above, base] if base else above)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    # Importing a.b.c runs a.b too; dsnet itself has no code. A name may be a function's.
    parts = [name.split(".") for name in found if name.startswith("dsnet.")]
    names = {".".join(words[:length]) for words in parts for length in range(2, len(words) + 1)}
    return [name for name in names if _source(name) is not None]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree

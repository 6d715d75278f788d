"""The GPUs of this machine, and their lease to jobs that run at the same time.

A job leases a GPU by a lock on a file of its UUID. The kernel frees the lock when the job dies.
"""

from __future__ import annotations

import fcntl
import functools
import glob
import itertools
import logging
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dsnet.disk import flock
from dsnet.errors import UserError

log = logging.getLogger(__name__)
# Local to the machine, and shared by all of its users.
FOLDER = Path("/tmp/dsnet-gpus")
SLURM = "SLURM_JOB_ID"
VISIBLE = "CUDA_VISIBLE_DEVICES"
LEASED = "DSNET_LEASED_GPUS"  # for the processes that a job starts: they hold its locks too
WAIT = 1.0  # seconds between two attempts
# Devices that Linux has if there is a driver for NVIDIA's or AMD's GPUs.
DEVICES = ("/dev/nvidia[0-9]*", "/dev/kfd")

_held: list[int] = []  # file descriptors of locks; a lock ends with the last process that has it


class GpuError(UserError):
    """GPUs that do not exist, or that CUDA_VISIBLE_DEVICES does not name clearly."""


def devices() -> list[str]:
    """Return the device files of this machine's GPUs; AMD's have one for all."""
    return _found(DEVICES)


@functools.cache
def _found(patterns: Sequence[str]) -> list[str]:
    """Look once per process: a plan asks several times for every job, and /dev may be large."""
    return [path for pattern in patterns for path in sorted(glob.glob(pattern))]


def count() -> int:
    """Count the GPUs that jobs may use, without asking a driver; one if they cannot be leased."""
    names, found = _listed(), len(devices())
    usable = found if names is None else min(found, len(names))
    return usable if shutil.which("nvidia-smi") and SLURM not in os.environ else min(usable, 1)


def lease(wanted: int, device: str = "auto") -> None:
    """Lease GPUs for this process and those that it starts; wait until enough of them are free.

    Call it before CUDA starts: it sets CUDA_VISIBLE_DEVICES. If that is set already, only GPUs that
    it names are leased. Numbers in it are those of ``nvidia-smi``. It does nothing on a CPU,
    without an NVIDIA GPU, and under Slurm, which gives each job its own.

    Args:
        wanted: number of GPUs; all are leased, or none.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, which is leased alone.

    Raises:
        GpuError: there are fewer GPUs.
    """
    if not wanted or device == "cpu" or SLURM in os.environ:
        return
    if LEASED in os.environ:  # by the process that started this one
        for uuid in os.environ[LEASED].split(","):
            _lock(_file(uuid), fcntl.LOCK_SH)
        return
    usable = _visible()
    if not usable:
        log.info("no NVIDIA GPU to lease")
        return
    if numbered := re.fullmatch(r"cuda:(\d+)", device):
        usable, wanted = usable[int(numbered[1]) :][:1], 1
    if len(usable) < wanted:
        raise GpuError(
            f"{wanted} GPUs were asked for (device {device}), but there are {len(usable)} to use; "
            f"set gpus or device to what there is, and look at CUDA_VISIBLE_DEVICES"
        )
    leased = _wait_for(usable, wanted)
    if numbered:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvidia-smi counts
    else:
        os.environ[VISIBLE] = ",".join(leased)
    os.environ[LEASED] = ",".join(leased)
    log.info("leased %s", ", ".join(leased))


def check(wanted: int, device: str = "auto") -> None:
    """Raise GpuError if a job would not get the GPUs that it cannot do without.

    These are the GPU of ``cuda`` or ``cuda:N``, and several of ``auto``. Of AMD's GPUs, it is not
    known how many there are.
    """
    must = device.startswith("cuda")
    if device == "cpu" or not (must or wanted > 1):
        return
    usable, names = len(_visible()), _listed()
    if not usable and devices() and names != []:
        return
    if usable < max(wanted, int(device.partition(":")[2] or 0) + 1):
        raise GpuError(
            f"training asks for {max(wanted, 1)} GPUs (device {device}), and this machine has "
            f"{usable} to use; set training.gpus to what there is (null, and device: cpu, where "
            f"there is none), and look at CUDA_VISIBLE_DEVICES"
        )


def _wait_for(usable: Sequence[str], wanted: int) -> list[str]:
    """Lock ``wanted`` of the ``usable`` GPUs as soon as so many are free."""
    with _for_all_users(), suppress(FileExistsError):
        FOLDER.mkdir(0o1777)
    # systemd-tmpfiles removes no old file from a folder that is locked.
    _lock(FOLDER, fcntl.LOCK_SH)
    told = False
    while True:
        guard = _lock(FOLDER / "guard", fcntl.LOCK_EX)  # one job at a time chooses
        try:
            free: dict[str, int] = {}
            for uuid in usable:
                if len(free) < wanted:
                    with suppress(BlockingIOError):
                        free[uuid] = _lock(_file(uuid), fcntl.LOCK_EX | fcntl.LOCK_NB)
            if len(free) == wanted:
                for lock in free.values():
                    flock(lock, fcntl.LOCK_SH)  # for the processes that this one starts
                return list(free)
            for lock in free.values():
                _unlock(lock)
        finally:
            _unlock(guard)
        if not told:
            log.info("waiting for %d of %d GPUs; other jobs have them", wanted, len(usable))
            told = True
        time.sleep(WAIT)


def _file(uuid: str) -> Path:
    return FOLDER / uuid.replace("/", "_")  # as of a part of a GPU with an old driver


def _lock(path: Path, how: int) -> int:
    """Lock a file or folder, made if it is missing, until the process and its children end."""
    file = None
    while file is None:
        # Others' files cannot be opened to write, nor, in a shared folder, with O_CREAT.
        with suppress(FileNotFoundError):
            file = os.open(path, os.O_RDONLY)
        if file is None:
            with _for_all_users(), suppress(FileExistsError):
                file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        flock(file, how)
    except BlockingIOError:
        os.close(file)
        raise
    os.set_inheritable(file, True)  # torchrun replaces this process
    _held.append(file)
    return file


@contextmanager
def _for_all_users() -> Iterator[None]:
    """Make files and folders with the permissions that they are given."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def _unlock(file: int) -> None:
    _held.remove(file)
    os.close(file)


def _visible() -> list[str]:
    """List the UUIDs of the GPUs, or parts of GPUs (MIG), that may be used."""
    try:
        text = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    gpus = re.findall(r"^GPU .*UUID: (GPU-[-\w]+)\)$", text, re.MULTILINE)
    # A GPU in MIG mode is followed by its parts, and only they can be used.
    found = re.findall(r"UUID: (MIG-[-\w/]+|GPU-[-\w]+(?!\)\s+MIG ))\)", text)
    names = _listed()
    if names is None:
        return found
    chosen: dict[str, None] = {}
    for name in names:
        if name.isdecimal():
            matching = gpus[int(name) :]
        else:
            matching = [uuid for uuid in (*gpus, *found) if uuid.startswith(name)]
        if not matching:  # CUDA ignores what follows
            break
        chosen[matching[0]] = None
    return list(chosen)


def _listed() -> list[str] | None:
    """Return the names in CUDA_VISIBLE_DEVICES, or ``None`` if it is not set."""
    text = os.environ.get(VISIBLE)
    if text is None:
        return None
    names = (name.strip() for name in text.split(","))
    return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))

"""Slurm's commands, and the packages that have them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

# What must be there, and the Debian package that has it.
COMMANDS = {
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "munged": "munge",
}
# Daemons are not on everybody's path.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


class Unavailable(Exception):
    """There can be no Slurm here; the message says why."""


def provide() -> None:
    """See to it that Slurm is installed, through apt where this is root on Debian."""
    packages = sorted({package for command, package in COMMANDS.items() if not find(command)})
    if not packages:
        return
    wanted = f"needs Slurm ({', '.join(packages)})"
    if os.getuid() != 0:
        raise Unavailable(f"{wanted}; only root could install it")
    if not is_debian():
        raise Unavailable(f"{wanted}; this is no Debian that could install it")
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            [*apt, *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Unavailable(f"{wanted}; apt-get {words[0]} failed: {done.stderr.strip()[-500:]}")


def find(command: str) -> str | None:
    """Where a command is."""
    return shutil.which(command, path=PATH)


def is_debian() -> bool:
    """Whether this is Debian or made from it."""
    try:
        about = platform.freedesktop_os_release()
    except OSError:
        return False
    return "debian" in (about["ID"], *about.get("ID_LIKE", "").split())

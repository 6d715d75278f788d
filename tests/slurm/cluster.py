"""A real Slurm of one pretended node, without systemd: controller, node and munge in one folder.

All daemons belong to whoever runs the tests, listen on one address of this machine, on ports that
were free, and read nothing from /etc/slurm, so that a Slurm that is installed there is not touched
and several of these can run at a time. They end by themselves after an hour, whatever happens to
the tests that started them.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from packages import PATH, Unavailable, find, provide

NODE = "node"
CPUS, MEMORY, GPUS = 32, 256_000, 2  # pretended; what the profile asks for must fit

CONF = """\
ClusterName=tests
SlurmctldHost={host}({address})
SlurmctldPort={controller_port}
SlurmdPort={node_port}
# Listen on that address only.
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# No accounting, as on a cluster where squeue must do; jobs remain visible to it for half an hour.
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MinJobAge=1800
# A job over its time is killed at once and not after half a minute.
OverTimeLimit=0
KillWait=1
# sbatch refuses what the node cannot ever hold.
EnforcePartLimits=ALL
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
# The node is as large as it says, not as large as the machine is.
SlurmdParameters=config_overrides
NodeName={node} NodeHostname={host} NodeAddr={address} CPUs={cpus} RealMemory={memory} \
Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={node} Default=NO MaxTime=INFINITE State=UP
"""

# A GPU needs a device file; any will do.
DEVICES = ("/dev/null", "/dev/zero")

# Inside a job the executor's jobstep plugin drops SLURM_CONF before it calls srun, which then would
# look in /etc/slurm.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""


class Cluster:
    """The daemons, and what asks them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What must be in the environment of Slurm's commands and of what calls them."""
        return {
            "SLURM_CONF": str(self.conf),
            "PATH": os.pathsep.join([str(self.folder / "bin"), PATH]),
        }

    # --- its life ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the daemons and wait until the node takes jobs."""
        self._configure()
        (self.folder / "munge.socket").unlink(missing_ok=True)  # of one that was killed
        try:
            self._daemon(
                "munged",
                *("--foreground", "--force", f"--key-file={self.folder}/munge.key"),
                *(f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munge.pid"),
                *(f"--log-file={self.folder}/munge.log", f"--seed-file={self.folder}/munge.seed"),
            )
            self._wait((self.folder / "munge.socket").exists, "munged")
            self._daemon("slurmctld", "-D", "-f", str(self.conf))
            self._daemon("slurmd", "-D", "-f", str(self.conf), "-N", NODE)
            self._wait(lambda: "idle" in self._state(), "an idle node")
        except BaseException:
            self.stop()
            raise

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        try:
            address = socket.gethostbyname(host)
        except OSError as error:
            raise Unavailable(f"the host's name, {host}, has no address: {error}") from error
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        controller_port, node_port = free_ports(address, 2)
        self.conf.write_text(
            CONF.format(
                folder=self.folder,
                host=host,
                address=address,
                controller_port=controller_port,
                node_port=node_port,
                user=getpass.getuser(),
                node=NODE,
                cpus=CPUS,
                memory=MEMORY,
                gpus=GPUS,
            ),
            encoding="utf-8",
        )
        devices = [f"NodeName={NODE} Name=gpu File={path}\n" for path in DEVICES[:GPUS]]
        (self.folder / "gres.conf").write_text("".join(devices), encoding="utf-8")
        (self.folder / "cgroup.conf").touch()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        srun = self.folder / "bin/srun"
        srun.write_text(SRUN.format(folder=self.folder, srun=find("srun")), encoding="utf-8")
        srun.chmod(0o755)

    def _daemon(self, name: str, *words: str) -> None:
        with open(self.folder / f"{name}.out", "wb") as log:
            process = subprocess.Popen(
                # Not for ever, should the tests be killed before they can stop it.
                ["timeout", "--kill-after=10", "3600", str(find(name)), *words],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop it
            )
        self._pid_file(name).write_text(str(process.pid), encoding="utf-8")

    def _pid_file(self, name: str) -> Path:
        return self.folder / f"{name}.started"

    def _state(self) -> str:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                logs = (
                    f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}"
                    for path in sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")])
                )
                raise RuntimeError("\n".join([f"waited too long for {what}", *logs]))
            time.sleep(0.1)

    def stop(self) -> None:
        """Cancel all jobs and stop the daemons; whatever is down already may be."""
        if self._pid_file("slurmctld").exists():
            with suppress(subprocess.SubprocessError, RuntimeError):
                self("scancel", f"--user={getpass.getuser()}")
                self._wait(lambda: self("squeue", "--noheader") == "", "the end of all jobs")
        for name in ("slurmd", "slurmctld", "munged"):
            if self._pid_file(name).exists():
                end(int(self._pid_file(name).read_text(encoding="utf-8")))
                self._pid_file(name).unlink()

    # --- asking --------------------------------------------------------------------------------

    def __call__(self, *words: str) -> str:
        """Run one of Slurm's commands; what it prints."""
        return subprocess.run(
            words,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    def jobs(self) -> list[dict[str, str]]:
        """What ``scontrol`` says of every job, also of the finished ones, oldest first."""
        lines = self("scontrol", "show", "jobs", "--oneliner", "--details").splitlines()
        found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
        return sorted((job for job in found if "JobId" in job), key=lambda job: int(job["JobId"]))


def free_ports(address: str, count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind((address, 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def end(pid: int) -> None:
    """SIGTERM, after ten seconds SIGKILL, to a process of ours, and wait until it is gone."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if not is_running(pid):
                return
            time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process is there and not a mere entry that nobody has asked for yet."""
    with suppress(ChildProcessError):  # another worker's child
        os.waitpid(pid, os.WNOHANG)
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@contextmanager
def shared(folder: Path) -> Iterator[Cluster]:
    """One cluster for all test workers: the first in starts it, the last out stops it.

    Raises:
        Unavailable: there can be none.
    """
    folder.mkdir(exist_ok=True)
    cluster = Cluster(folder)
    with open(folder / "turn", "a") as turn, open(folder / "users", "a") as users:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if alone(users):
            provide()
            cluster.start()
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield cluster
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_UN)
            if alone(users):
                cluster.stop()


def alone(users: TextIO) -> bool:
    """Whether no other worker holds its share of the lock."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

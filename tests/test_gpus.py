"""Leases of GPUs, on a machine that pretends to have some."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from dsnet import gpus

UUIDS = [f"GPU-{letter * 8}-0000-1111-2222-333333333333" for letter in "abcd"]
PARTS = ["MIG-11111111-0000-1111-2222-333333333333", "MIG-22222222-0000-1111-2222-333333333333"]
# A job of a GPU: it tells what it got, and ends when its input does.
JOB = """
import os, signal, sys
from dsnet import gpus
signal.alarm(60)  # so that no test hangs
gpus.WAIT, gpus.FOLDER = 0.02, gpus.Path(sys.argv[1])
gpus.lease(int(sys.argv[2]), *sys.argv[3:])
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
{then}
"""
WAITING = "sys.stdin.read()"
# As torchrun: this process is replaced, and its child is a process of its own.
LAUNCHING = """
child = [sys.executable, "-c", "import os, sys, time; from dsnet import gpus;"
         "gpus.FOLDER = gpus.Path(sys.argv[1]); gpus.lease(1); print(os.getpid(), flush=True);"
         "time.sleep(60)", sys.argv[1]]
code = f"import subprocess; subprocess.run({child!r})"
os.execv(sys.executable, [sys.executable, "-c", code])
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Pretend that ``nvidia-smi -L`` prints this; by default there are two GPUs."""

    def nvidia_smi(text: str) -> None:
        (tmp_path / "gpus.txt").write_text(text)
        program = tmp_path / "bin/nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntest \"$*\" = -L && cat '{tmp_path}/gpus.txt'\n")
        program.chmod(0o755)

    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", gpus.LEASED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    nvidia_smi(listing(UUIDS[:2]))
    return nvidia_smi


@pytest.fixture
def start(tmp_path: Path, pretend: Callable[[str], None]) -> Iterator[Start]:
    """Start a job that asks for GPUs."""
    jobs = []

    def start(*words: object, then: str = WAITING) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", JOB.format(then=then), str(tmp_path / "leases")]
        jobs.append(
            subprocess.Popen(
                [*command, *map(str, words)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return jobs[-1]

    yield start
    for job in jobs:
        job.kill()
        job.communicate()


def listing(uuids: list[str]) -> str:
    """What ``nvidia-smi -L`` prints."""
    return "".join(f"GPU {n}: NVIDIA H100 (UUID: {uuid})\n" for n, uuid in enumerate(uuids))


def got(job: subprocess.Popen[str]) -> str:
    assert job.stdout is not None
    return job.stdout.readline().strip()


def has_not_got(job: subprocess.Popen[str]) -> bool:
    """Whether a job still waits, after it had time for many attempts."""
    return not select.select([job.stdout], [], [], 0.5)[0]


def test_four_jobs_queue_for_two_gpus_and_none_has_anothers(start: Start):
    first, second = start(1), start(1)
    assert {got(first), got(second)} == set(UUIDS[:2])
    third, fourth = start(1), start(1)
    assert has_not_got(third)
    assert has_not_got(fourth)
    first.communicate()  # it ends
    second.send_signal(signal.SIGKILL)
    assert {got(third), got(fourth)} == set(UUIDS[:2])


def test_all_gpus_are_leased_or_none(start: Start):
    one = start(1)
    assert got(one) == UUIDS[0]
    both = start(2)
    assert has_not_got(both)
    other = start(1)  # the waiting job holds none
    assert got(other) == UUIDS[1]
    one.communicate()
    assert has_not_got(both)
    other.communicate()
    assert got(both) == ",".join(UUIDS[:2])


def test_a_lease_lasts_as_long_as_the_processes_that_a_job_started(start: Start):
    job = start(1, then=LAUNCHING)
    assert got(job) == UUIDS[0]
    child = int(got(job))
    job.kill()
    job.wait()
    assert got(start(1)) == UUIDS[1]
    waiting = start(1)
    assert has_not_got(waiting)
    os.kill(child, signal.SIGKILL)
    assert got(waiting) == UUIDS[0]


@pytest.mark.parametrize(
    ("visible", "wanted", "leased"),
    [
        ("1", 1, UUIDS[1]),
        ("3,1,0", 2, f"{UUIDS[3]},{UUIDS[1]}"),
        ("GPU-cccc", 1, UUIDS[2]),
        ("2,2", 1, UUIDS[2]),
        ("1,9,0", 1, UUIDS[1]),
    ],
)
def test_only_visible_gpus_are_leased(start: Start, pretend, monkeypatch, visible, wanted, leased):
    pretend(listing(UUIDS))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert got(start(wanted)) == leased


def test_parts_of_gpus_are_leased_in_place_of_the_gpus(start: Start, pretend):
    parts = "".join(f"  MIG 3g.40gb     Device  {n}: (UUID: {p})\n" for n, p in enumerate(PARTS))
    pretend(listing(UUIDS[:1]) + parts + f"GPU 1: NVIDIA H100 (UUID: {UUIDS[1]})\n")
    assert [got(start(1)) for _ in range(3)] == [*PARTS, UUIDS[1]]


def test_a_part_of_a_gpu_may_have_a_slash_in_its_name(start: Start, pretend):
    part = f"MIG-{UUIDS[0]}/1/0"
    pretend(f"{listing(UUIDS[:1])}  MIG 1g.5gb Device 0: (UUID: {part})\n")
    assert got(start(1)) == part


def test_other_users_can_lock_the_files_too(start: Start, tmp_path):
    before = os.umask(0o077)
    try:
        assert got(start(1)) == UUIDS[0]
    finally:
        os.umask(before)
    files = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "leases").iterdir()}
    assert files == {"guard": 0o644, UUIDS[0]: 0o644}
    assert (tmp_path / "leases").stat().st_mode & 0o7777 == 0o1777


def test_a_named_device_is_leased_alone_and_keeps_its_number(start: Start):
    assert got(start(1, "cuda:1")) == "None"
    assert got(start(1)) == UUIDS[0]
    assert has_not_got(start(1, "cuda:1"))


@pytest.mark.parametrize(
    ("visible", "words"), [("", (1,)), (None, (3,)), ("1", (2,)), (None, (1, "cuda:2"))]
)
def test_fewer_gpus_than_asked_for_are_an_error_or_none_at_all(
    start: Start, monkeypatch, visible, words
):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    _, errors = start(*words).communicate()
    assert ("GPUs were asked for" in errors) == (visible != "")


@pytest.mark.parametrize(
    ("wanted", "device", "slurm"), [(0, "auto", None), (1, "cpu", None), (1, "auto", "17")]
)
def test_no_lease_where_none_is_needed(start: Start, tmp_path, monkeypatch, wanted, device, slurm):
    if slurm:
        monkeypatch.setenv("SLURM_JOB_ID", slurm)
    assert got(start(wanted, device)) == "None"
    assert not (tmp_path / "leases").exists()


def test_a_machine_without_a_driver_has_no_leases(start: Start, tmp_path):
    (tmp_path / "bin/nvidia-smi").unlink()
    assert got(start(1)) == "None"


def test_a_lease_is_taken_before_pytorch_is_imported():
    code = "import sys, dsnet.cli; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("wanted", "device", "there"),
    [(1, "auto", None), (2, "cpu", None), (0, "auto", None), (1, "cuda", 1), (2, "auto", 2),
     (1, "cuda:1", 2), (1, "cuda", 0), (2, "auto", 0), (2, "auto", 1), (1, "cuda:2", 2)],
)  # fmt: skip
def test_gpus_that_a_job_cannot_do_without_are_checked(pretend, monkeypatch, wanted, device, there):
    monkeypatch.setattr(gpus, "devices", list)
    pretend(listing(UUIDS[: there or 0]))
    enough = there is None or there >= max(wanted, int(device.partition(":")[2] or 0) + 1)
    with nullcontext() if enough else pytest.raises(gpus.GpuError, match=f"has {there} to use"):
        gpus.check(wanted, device)


def test_gpus_that_cannot_be_counted_may_be_enough(pretend, monkeypatch):
    pretend("")
    monkeypatch.setattr(gpus, "devices", lambda: ["/dev/kfd"])  # AMD's, one file for all
    gpus.check(2, "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(gpus.GpuError):
        gpus.check(2, "cuda")

"""The harness itself: what it says where it cannot run, and that it leaves nothing behind."""

import os
import time
from pathlib import Path

import packages
import pytest
from cluster import Cluster
from packages import Unavailable


def mentions(folder: Path) -> list[str]:
    """The command lines of processes that name ``folder``, but for those of dead ones."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


def links() -> list[str]:
    """What lies where Slurm looks by default."""
    return sorted(str(path) for path in Path("/etc/slurm").glob("*"))


@pytest.mark.usefixtures("cluster")  # a skip where there is no Slurm
def test_stopping_leaves_neither_daemons_nor_jobs_nor_links(tmp_path: Path):
    before = links()
    own = Cluster(tmp_path)
    own.start()
    try:
        job = f"echo at work; sleep 600; : {tmp_path}"
        own("sbatch", f"--output={tmp_path}/out", "--wrap", job)
        deadline = time.monotonic() + 30
        while not (tmp_path / "out").exists() or not (tmp_path / "out").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(mentions(tmp_path)) >= 3
    finally:
        own.stop()
    assert mentions(tmp_path) == []
    assert links() == before
    own.stop()  # once more does no harm


def test_two_clusters_do_not_disturb_each_other(cluster: Cluster, tmp_path: Path):
    second = Cluster(tmp_path)
    second.start()
    try:
        job = second("sbatch", "--parsable", "--hold", "--wrap", "true", f"--chdir={tmp_path}")
        assert [found["JobId"] for found in second.jobs()] == [job.strip()]
        assert not [found for found in cluster.jobs() if found["WorkDir"] == str(tmp_path)]
    finally:
        second.stop()
    assert "node" in cluster("sinfo", "--noheader", "--format=%N")


@pytest.fixture
def without_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find", lambda command: None)


@pytest.mark.usefixtures("without_slurm")
def test_only_root_installs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(Unavailable, match=r"needs Slurm \(munge, slurm-client, .* only root"):
        packages.provide()


@pytest.mark.usefixtures("without_slurm")
def test_only_debian_is_installed_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(packages.platform, "freedesktop_os_release", lambda: {"ID": "alpine"})
    with pytest.raises(Unavailable, match="this is no Debian"):
        packages.provide()


@pytest.mark.usefixtures("without_slurm")
def test_what_apt_says_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(packages, "is_debian", lambda: True)
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho no network >&2\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Unavailable, match="apt-get update failed: no network"):
        packages.provide()

"""Downloads that are cut, refused, changed or wrong, from a local server."""

from __future__ import annotations

import hashlib
import random
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from webserver import FileServer

from dsnet.disk import DiskFullError
from dsnet.fetching import downloads
from dsnet.fetching.downloads import ATTEMPTS, DownloadError, download

DATA = random.Random(1).randbytes(3 << 20)
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()
NAME = "set.rar"


@pytest.fixture
def file(web: FileServer) -> str:
    """The address of a file."""
    (web.folder / NAME).write_bytes(DATA)
    return f"{web.address}/{NAME}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / NAME


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("checksum", [None, f"md5:{MD5}", f"sha256:{SHA256}"])
def test_a_file_is_received_and_named_when_it_is_whole(file, path, checksum):
    found = download([file], path, size=len(DATA), checksum=checksum)
    assert path.read_bytes() == DATA
    assert found == {"name": NAME, "address": file, "bytes": len(DATA), "sha256": SHA256}
    assert names(path.parent) == {NAME}


def test_a_file_that_is_there_is_not_asked_for_again(web, file, path):
    download([file], path)
    asked = len(web.requests)
    assert download([file], path, size=len(DATA))["address"] is None
    assert len(web.requests) == asked


def test_a_file_that_is_there_and_is_another_one_is_left(web, file, path):
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"set\.rar has 4 bytes, where 3,145,728 are published"):
        download([file], path, size=len(DATA))
    with pytest.raises(DownloadError, match=rf"has the MD5 .*, where {MD5} is published"):
        download([file], path, checksum=f"md5:{MD5}")
    assert path.read_bytes() == b"mine"
    assert not web.requests


@pytest.mark.parametrize("tag", [True, False])
def test_a_cut_connection_is_gone_on_from(web, file, path, tag):
    web.tag = tag
    web.cuts = [1_000_000, 500_000, 0]
    download([file], path, checksum=f"sha256:{SHA256}")
    wanted = [value for _, value in web.requests]
    assert wanted == [None, "bytes=1000000-", "bytes=1500000-", "bytes=1500000-"]


def test_a_stalled_connection_is_gone_on_from_the_last_byte(web, file, path, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", (5, 0.3))
    web.cuts, web.stall = [1000], 1
    download([file], path, checksum=f"sha256:{SHA256}")
    assert [value for _, value in web.requests] == [None, "bytes=1000-"]


def test_a_server_may_send_less_than_is_asked_for(web, file, path):
    web.cuts, web.most = [1_000_000], 1_000_000
    download([file], path, checksum=f"sha256:{SHA256}")
    starts = [1_000_000, 2_000_000, 3_000_000]
    assert [value for _, value in web.requests[1:]] == [f"bytes={start}-" for start in starts]


def test_a_server_that_sends_another_part_is_asked_for_all(web, file, path):
    web.cuts, web.shift = [1_000_000], 10
    assert download([file], path)["sha256"] == SHA256
    assert [value for _, value in web.requests] == [None, "bytes=1000000-", None]


def test_cuts_here_and_there_without_ranges_come_to_an_end(web, file, path):
    web.ranges = False
    web.cuts = [3000, 1000, 2000, 1000, 2000, 1000, 2000, 9000]
    with pytest.raises(DownloadError, match=f"tried {ATTEMPTS} times"):
        download([file], path)
    assert len(web.requests) == 1 + ATTEMPTS


def test_another_run_goes_on_where_one_was_stopped(web, file, path):
    web.cuts = [1_000_000, *[0] * ATTEMPTS]
    with pytest.raises(DownloadError, match=f"tried {ATTEMPTS} times"):
        download([file], path)
    assert names(path.parent) == {f"{NAME}.part", f"{NAME}.part.origin"}
    web.requests.clear()
    assert download([file], path)["sha256"] == SHA256
    assert web.requests == [(f"/{NAME}", "bytes=1000000-")]
    assert names(path.parent) == {NAME}


@pytest.mark.parametrize("fault", ["no ranges", "another file", "another address"])
def test_where_going_on_would_mix_files_it_starts_anew(web, file, path, fault):
    web.tag = fault != "another address"  # by which it would be noticed, too
    web.cuts = [1_000_000, *[0] * ATTEMPTS]
    with pytest.raises(DownloadError):
        download([file], path)
    new = DATA if fault == "no ranges" else DATA[::-1]
    (web.folder / NAME).write_bytes(new)
    if fault == "another address":
        (web.folder / "copy").mkdir()
        shutil.move(web.folder / NAME, web.folder / "copy" / NAME)
        file = f"{web.address}/copy/{NAME}"
    web.ranges = fault != "no ranges"
    web.requests.clear()
    download([file], path)
    assert path.read_bytes() == new
    assert len(web.requests) == 1


def test_a_part_that_is_whole_already_is_taken(web, file, path):
    web.cuts = [len(DATA) - 10, *[0] * ATTEMPTS]
    with pytest.raises(DownloadError):
        download([file], path)
    part = path.with_name(f"{NAME}.part")
    part.write_bytes(DATA)
    web.requests.clear()
    assert download([file], path)["sha256"] == SHA256
    assert path.read_bytes() == DATA
    assert web.requests == [(f"/{NAME}", f"bytes={len(DATA)}-")]


def test_a_part_that_is_too_long_is_dropped(web, file, path):
    web.cuts = [10, *[0] * ATTEMPTS]
    with pytest.raises(DownloadError):
        download([file], path)
    path.with_name(f"{NAME}.part").write_bytes(DATA + b"more")
    assert download([file], path)["sha256"] == SHA256


def test_without_a_length_the_end_is_the_end(web, file, path):
    web.announce = web.tag = False
    assert download([file], path, size=len(DATA))["sha256"] == SHA256


def test_an_answer_without_a_length_is_received_up_to_the_published_size(
    web, file, path, monkeypatch
):
    web.announce = False
    monkeypatch.setattr(downloads, "CHUNK", 500)
    with pytest.raises(DownloadError, match=r"has 1,\d\d\d bytes, where 1,000 are published"):
        download([file], path, size=1000)
    assert names(path.parent) == set()


def test_a_length_that_is_no_number_is_named(web, file, path):
    web.length = "a lot"
    with pytest.raises(DownloadError, match=r"set\.rar: its Content-Length, 'a lot', is no number"):
        download([file], path)


def test_a_busy_server_is_asked_again(web, file, path):
    web.statuses = [503, 429]
    assert download([file], path)["sha256"] == SHA256
    assert len(web.requests) == 3


def test_a_server_that_stays_busy_is_given_up(web, file, path):
    web.statuses = [503] * (ATTEMPTS + 1)
    with pytest.raises(DownloadError, match=f"{file}: the server answers 503 .* tried 6 times"):
        download([file], path)
    assert len(web.requests) == ATTEMPTS


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_not_there_is_asked_for_once_and_named(web, file, path, status):
    web.statuses = [status]
    with pytest.raises(DownloadError, match=f"{file}: the server answers {status} "):
        download([file], path)
    assert len(web.requests) == 1
    assert not names(path.parent)


def test_the_next_address_is_asked_where_the_first_has_nothing(web, file, path):
    found = download([f"{web.address}/gone.rar", file], path)
    assert found["address"] == file
    with pytest.raises(DownloadError, match=r"gone\.rar: .* 404 .*; .*lost\.rar: .* 404 "):
        download([f"{web.address}/{name}.rar" for name in ("gone", "lost")], path.with_name("b"))


def test_another_size_than_is_published_is_refused_before_it_is_received(web, file, path):
    with pytest.raises(DownloadError, match="has 3,145,728 bytes, where 99 are published"):
        download([file], path, size=99)
    assert not names(path.parent)


def test_another_checksum_than_is_published_is_refused(file, path):
    with pytest.raises(DownloadError, match=f"{file}: .*SHA256 {SHA256}, where 0+ is .* removed"):
        download([file], path, checksum=f"sha256:{'0' * 64}")
    assert not names(path.parent)


def test_the_next_address_is_asked_where_the_first_has_another_file(web, file, path):
    (web.folder / "other.rar").write_bytes(DATA[::-1])
    found = download([f"{web.address}/other.rar", file], path, checksum=f"md5:{MD5}")
    assert found["address"] == file
    assert path.read_bytes() == DATA


def test_a_web_page_is_no_archive(web, file, path):
    web.kind = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="sends a web page instead of the file"):
        download([file], path)


def test_nobody_there_is_an_error_with_the_address(path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/{NAME}"
        with pytest.raises(DownloadError, match=f"{address}: .*refused"):
            download([address], path)


def test_a_certificate_that_nobody_vouches_for_is_refused(web, file, path, tmp_path):
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("needs openssl, to make a certificate")
    pem = tmp_path / "own.pem"
    options = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    subprocess.run(
        [openssl, *options, "-keyout", pem, "-out", tmp_path / "cert.pem"],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", pem)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    with pytest.raises(DownloadError, match=r"https://.*certificate"):
        download([file.replace("http:", "https:")], path)
    assert not web.requests


def test_a_full_disk_is_said_before_anything_comes(file, path, monkeypatch):
    usage = shutil.disk_usage(path.parent.parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskFullError, match="3,145,728 bytes are to come, and 1,000 are free"):
        download([file], path)

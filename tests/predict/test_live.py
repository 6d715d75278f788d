"""Cameras and streams: sources that come at their own pace."""

import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from project import RUN, Project
from test_sources import lossless, moving

import dsnet
from dsnet import video
from dsnet.cli import main
from dsnet.predict.streams import Stream
from dsnet.predict.windows import Newest

LENGTH = 4


@pytest.fixture(scope="session")
def model(finished: Project):
    """A model.pt of the tiny run."""
    return str(finished / RUN / "ds/model.pt")


@pytest.fixture
def camera(tmp_path, monkeypatch):
    """A file that comes at its own pace, as camera 0."""
    path = lossless(tmp_path / "camera.avi", moving(50, 24, 32), 25)
    source = video.Live("camera 0", str(path), {"re": None})
    monkeypatch.setattr(video, "camera", {0: source}.__getitem__)
    return path


@pytest.fixture
def server(tmp_path):
    """A server of a stream for one reader, at the pace of the video, without an end."""
    path = lossless(tmp_path / "stream.avi", moving(50, 24, 32), 25)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    command = [video.ffmpeg_executable(), "-v", "error", "-re", "-stream_loop", "-1", "-i", path]
    command += [
        "-c:v",
        "mpeg2video",
        "-q:v",
        "2",
        "-g",
        "12",
        "-f",
        "mpegts",
        f"{address}?listen=1",
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    yield address, process
    process.kill()
    process.wait()


def numbers(count: int):
    yield from (b"%d" % number for number in range(count))


def test_a_source_that_is_slower_than_the_windows_is_seen_whole():
    taken = threading.Semaphore(6)

    def paced():
        for frame in numbers(21):
            taken.acquire()
            yield frame

    found = []
    for window in Newest(paced(), 5, 3):
        found.append(window)
        taken.release(3)
    assert [window.start for window in found] == [0, 3, 6, 9, 12, 15]
    assert found[-1].items == [b"%d" % number for number in range(15, 20)]
    assert found[-1].dropped == 0


@pytest.mark.parametrize(("stride", "starts"), [(2, [90, 92, 94]), (5, [90, 95]), (7, [90])])
def test_of_a_source_that_is_faster_the_newest_frames_are_seen(stride, starts):
    newest = Newest(numbers(100), 5, stride)
    newest._thread.join()
    found = list(newest)
    assert [window.start for window in found] == starts
    for window in found:
        expected = [b"%d" % number for number in range(window.start, window.start + 5)]
        assert window.items == expected
        assert window.dropped == 90
    assert newest.read == 100


def test_frames_that_a_window_has_are_not_dropped():
    more = threading.Event()

    def paused():
        yield from numbers(5)
        more.wait()
        yield from numbers(95)

    newest = Newest(paused(), 5, 2)
    windows = iter(newest)
    assert next(windows).start == 0
    more.set()
    newest._thread.join()
    assert next(windows)[0::3] == (90, 85)  # frames 5 to 89


def test_what_interrupts_a_source_is_raised_after_its_last_window():
    def broken():
        yield from numbers(7)
        raise video.VideoError("gone")

    found = []
    with pytest.raises(video.VideoError, match="gone"):
        found.extend(iter(Newest(broken(), 5, 1)))
    newest = Newest(broken(), 3, 3)
    newest._thread.join()
    seen = iter(newest)
    assert [next(seen).start, next(seen).start] == [1, 4]  # of seven frames the newest six are kept
    with pytest.raises(video.VideoError, match="gone"):
        next(seen)


@pytest.mark.parametrize("flow", [False, True])
def test_a_cameras_clips_have_the_scores_that_a_file_of_them_has(model, camera, flow):
    classifier = dsnet.load_model(model, flow=flow)
    expected = classifier.predict(camera, stride=1 / 25)
    began = time.time()
    found = list(classifier.watch(video.camera(0), stride=0.2))
    assert time.time() - began > 1  # two seconds of video at their own pace, half of one at once
    assert len(found) > 1
    for window in found:
        number = round(25 * window.start)
        np.testing.assert_allclose(window.logits, expected.clips[number], rtol=1e-4, atol=1e-5)
        assert window.end - window.start == pytest.approx(LENGTH / 25)
        assert window.arrived >= began
    assert found[-1].frames <= 50


def test_slow_networks_drop_frames_and_say_so(model, camera, monkeypatch, capsys, caplog):
    logits = Stream.logits
    assert main(["predict", "--camera", "0", "--model", model, "--csv", "a.csv"]) == 1
    assert "--csv is for files" in caplog.text

    def slow(stream, clips):
        time.sleep(0.6)
        return logits(stream, clips)

    monkeypatch.setattr(Stream, "logits", slow)
    caplog.set_level("INFO")
    assert main(["predict", "--camera", "0", "--model", model, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line["delay"] >= 0.6 for line in lines)
    # No frame is in two windows, so what was neither seen nor dropped is after the last window.
    for line, window in enumerate(lines, 1):
        assert window["dropped"] + LENGTH * line == round(25 * window["end"])
    assert lines[-1]["dropped"] > 10
    assert f"{lines[-1]['dropped']} of " in caplog.text
    assert "frames were dropped: the networks are slower than the source" in caplog.text
    assert f"camera 0: {len(lines)} clips: " in caplog.text


def test_a_stream_is_told_line_by_line_until_ctrl_c(model, server):
    address, process = server
    command = [sys.executable, "-m", "dsnet", "predict", address, "--model", model]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has background jobs ignore it, and their children too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as done:
        lines = [done.stdout.readline() for _ in range(3)]
        done.send_signal(signal.SIGINT)
        out, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    assert all(" +" in line and " s: " in line for line in lines), lines
    assert "stopped" in err
    assert f"{address}: {3 + len(out.splitlines())} clips: " in err
    assert "Traceback" not in err
    process.wait(30)  # it has lost its reader, so ffmpeg was ended


def test_a_playlist_at_an_address_opens_nothing(model, tmp_path, caplog):
    asked = []
    path = lossless(tmp_path / "a.avi", moving(9), 25)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"#EXTM3U\n#EXTINF:1,\nother.ts\n#EXTINF:1,\n{path}\n".encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{served.server_port}/list.m3u8"
        assert main(["predict", address, "--model", model]) == 1
        served.shutdown()
    assert f"{address}: cannot be opened: " in caplog.text
    assert set(asked) == {"/list.m3u8"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["file:///etc/passwd"], "file:// is no kind of stream here; expected rtsp, rtsps"),
        (["concat://a|b"], "concat:// is no kind of stream here"),
        (["tcp://me:secret@127.0.0.1:9"], "tcp://***@127.0.0.1:9: cannot be opened: "),
        (["--camera", "97"], "/dev/video97: cannot be opened: Cannot open video device"),
        ([__file__, "--camera", "0"], "is watched alone"),
        ([], "name a video, a folder of videos, an address, or --camera NUMBER"),
    ],
)
def test_a_source_that_cannot_be_is_told(model, caplog, capfd, words, said):
    assert main(["predict", *words, "--model", model]) == 1
    assert said in caplog.text
    assert "secret" not in caplog.text + capfd.readouterr().out

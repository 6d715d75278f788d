"""The page of `dsnet show`: what it says is what `predict` says, to its own page alone."""

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import tab
from parsed import Page
from project import RUN, Project

import dsnet
from dsnet import models, video
from dsnet.cli import main
from dsnet.experiment.specs import FlowSpec
from dsnet.models import checkpoints
from dsnet.scores import softmax
from dsnet.show.answers import Answerer
from dsnet.show.server import LIMIT, Server

NAMES = ("<img src=x onerror=boom()>", "a \"b\" & 'c'", "</script><script>boom()</script>")


def film(path: Path, frames: int, size: int = 96) -> Path:
    """A video of spots that move to the right by two pixels per frame."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    large = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    video.encode(path, (np.roll(large, 2 * i, axis=1) for i in range(frames)))
    return path


def picture(address: str) -> np.ndarray:
    kind, data = address.split(",")
    assert kind == "data:image/jpeg;base64"
    found = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(found, cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def run(finished: Project) -> Path:
    """The folder of the tiny run's streams."""
    return finished / RUN


@pytest.fixture(scope="module")
def address(run: Path, tmp_path_factory):
    """The address of a server of the student, a process of its own; then it is ended."""
    folder = tmp_path_factory.mktemp("uploads")
    command = [sys.executable, "-m", "dsnet", "show", str(run / "ds/model.pt"), "--threads", "1"]
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        yield server.stdout.readline().split()[0]
        (uploads,) = folder.iterdir()
        assert list(uploads.iterdir()) == []  # no video stays
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0
    assert list(folder.iterdir()) == []


def sent(address: str, content: bytes) -> list[dict]:
    """The lines that a server answers to a video."""
    request = urllib.request.Request(f"{address}videos", content)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return [json.loads(line) for line in answer]


# --- answers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("ds/model.pt", "flow/model.pt"),
        *("fusion/ds+flow.attention.json", "fusion/ds+rgb+flow.attention.json"),
    ],
)
@pytest.mark.parametrize("frames", [2, 8, 11])
def test_the_answers_are_those_of_predict(run, tmp_path, name, frames):
    path = film(tmp_path / "film.mp4", frames)
    expected = dsnet.load_model(run / name).predict(path)
    found = list(Answerer(run / name).answers(path))
    times = [(answer["start"], answer["end"]) for answer in found]
    np.testing.assert_allclose(times, expected.times)
    scores = [answer["scores"] for answer in found]
    np.testing.assert_allclose(scores, softmax(expected.clips), atol=1e-5)
    np.testing.assert_allclose(found[-1]["so_far"], expected.probabilities, atol=1e-5)
    assert found[0]["so_far"] == pytest.approx(found[0]["scores"])


def test_pictures_are_of_the_clip_and_flow_has_the_direction_of_the_motion(run, tmp_path):
    path = film(tmp_path / "film.mp4", 12)
    first, second, third = Answerer(run / "ds/model.pt").answers(path)
    shown = [picture(answer["frames"]) for answer in (first, second, third)]
    assert shown[0].shape == (32, 3 * 32, 3)  # of four frames three have a next one
    decoded = np.stack(list(video.decode(path, 25, size=32))).astype(int)
    for clip, frames in enumerate(shown):
        for number, frame in enumerate(np.split(frames[:, :96], 3, axis=1)):
            apart = np.abs(decoded - frame)[:, 2:-2, 2:-2].mean(axis=(1, 2, 3))
            assert apart.argmin() == 4 * clip + number
    # To the right is red.
    red, green, blue = np.median(picture(second["flow"]).reshape(-1, 3), axis=0)
    assert red > 200 > green + 50
    assert abs(green - blue) < 60
    assert 0.3 < second["full"] < 3  # two of 96 pixels are 0.67 of 32


def test_one_frame_is_no_motion(run, tmp_path):
    (answer,) = Answerer(run / "ds/model.pt").answers(film(tmp_path / "film.mp4", 1))
    assert picture(answer["flow"]).min() > 250  # white


def test_with_a_stride_the_frames_of_the_clip_are_shown_and_the_flow_between_them(run, tmp_path):
    content = checkpoints.read(run / "ds/model.pt")
    content["spec"]["clips"]["stride"] = content["data"]["flow"]["stride"] = 2
    models.save(tmp_path / "model.pt", content)
    path = film(tmp_path / "film.mp4", 16)
    expected = dsnet.load_model(tmp_path / "model.pt").predict(path)
    found = list(Answerer(tmp_path / "model.pt").answers(path))
    assert [(one["start"], one["end"]) for one in found] == [(0, 0.28), (0.28, 0.56)]
    np.testing.assert_allclose(found[1]["so_far"], expected.probabilities, atol=1e-5)
    decoded = np.stack(list(video.decode(path, 25, size=32))).astype(int)
    for number, frame in enumerate(np.split(picture(found[1]["frames"]), 3, axis=1)):
        apart = np.abs(decoded - frame)[:, 2:-2, 2:-2].mean(axis=(1, 2, 3))
        assert apart.argmin() == 7 + 2 * number
    plain = next(iter(Answerer(run / "ds/model.pt").answers(path)))
    assert 1.5 < found[0]["full"] / plain["full"] < 2.5


def test_a_student_of_imported_flow_shows_flow_that_is_computed(run, tmp_path):
    content = checkpoints.read(run / "ds/model.pt")
    content["data"]["flow"] = FlowSpec(algorithm="imported").values()
    models.save(tmp_path / "model.pt", content)
    (answer,) = Answerer(tmp_path / "model.pt").answers(film(tmp_path / "film.mp4", 4))
    red, green, _ = np.median(picture(answer["flow"]).reshape(-1, 3), axis=0)
    assert red > 200 > green + 50


# --- the server ----------------------------------------------------------------------------


def test_lines_of_a_video_and_of_two_at_once(address, run, tmp_path):
    paths = [film(tmp_path / f"{frames}.mp4", frames) for frames in (40, 60)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda path: sent(address, path.read_bytes()), paths))
    model = dsnet.load_model(run / "ds/model.pt")
    for path, lines in zip(paths, answers, strict=True):
        assert lines.pop() == {"done": True}
        expected = softmax(model.predict(path).clips)
        np.testing.assert_allclose([line["scores"] for line in lines], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"hello", "not a video: plain text"), (b"", "empty file"), (b"\0garbage" * 999, "")],
)
def test_what_is_no_video_is_told_without_the_servers_paths(address, content, said):
    (line,) = sent(address, content)
    assert list(line) == ["error"]
    assert line["error"].startswith(said)
    assert "/" not in line["error"]


def ask(address: str, method: str, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.split("/")[2], timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_page_needs_nothing_else_and_other_pages_get_nothing(address):
    own = address.split("/")[2]
    status, text = ask(address, "GET", "/")
    assert status == 200
    assert ask(address, "GET", "/", Host=own.replace("127.0.0.1", "localhost")) == (200, text)
    page = Page(text)
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert [list(attributes) for attributes in scripts] == [["nonce"]]
    page.tags = [(tag, attributes) for tag, attributes in page.tags if tag != "script"]
    page.assert_whole_in_itself()
    for path in ("/index.html", "/../etc/passwd", "/videos", "/?"):
        assert ask(address, "GET", path)[0] == 404
    assert ask(address, "POST", "/", Content_Length="1")[0] == 404
    for method, path in (("GET", "/"), ("POST", "/videos")):
        for headers in (
            {"Host": "example.org"},  # a name that leads here: DNS rebinding
            {"Host": own.split(":")[0]},
            {"Origin": "http://example.org"},
            {"Origin": "null"},
        ):
            status, text = ask(address, method, path, Content_Length="0", **headers)
            assert (status, text) == (403, f"only for pages of http://{own}/")
    assert ask(address, "POST", "/videos", Content_Length="0", Origin=f"http://{own}")[0] == 200


def test_the_length_of_a_video_is_bounded(address):
    assert ask(address, "POST", "/videos")[0] == 411
    assert ask(address, "POST", "/videos", Content_Length="-1")[0] == 411
    status, text = ask(address, "POST", "/videos", Content_Length=str(LIMIT + 1))
    assert (status, text) == (413, f"the video has {LIMIT + 1} bytes; the limit is {LIMIT}")


@pytest.fixture
def server(run, tmp_path):
    """A server in this process."""
    with Server("model.pt", Answerer(run / "ds/model.pt"), str(tmp_path), 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_line_comes_as_soon_as_its_clip_is_scored_and_leaving_ends_the_work(
    server, tmp_path, monkeypatch
):
    assert server.server_address[0] == "127.0.0.1"  # nobody else reaches it
    seen, ended, paths = threading.Event(), threading.Event(), []

    def answers(path):
        paths.append(Path(path))
        try:
            yield {"first": Path(path).read_bytes().decode()}
            assert seen.wait(60)
            while True:
                yield {"more": "." * 10000}
        finally:
            ended.set()

    monkeypatch.setattr(server.answerer, "answers", answers)
    request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/videos", b"content")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.loads(answer.readline()) == {"first": "content"}
        assert paths[0].parent == tmp_path
        seen.set()
    assert ended.wait(60)
    end = time.monotonic() + 60
    while paths[0].exists():
        assert time.monotonic() < end


def test_a_port_that_cannot_be_had(server, run, caplog):
    model = str(run / "ds/model.pt")
    assert main(["show", model, "--port", str(server.server_port)]) == 1
    assert "Address already in use" in caplog.text
    assert main(["show", model, "--port", "65536"]) == 1
    assert "--port: expected 0 to 65535, got 65536" in caplog.text


# --- in a browser --------------------------------------------------------------------------


@pytest.fixture
def page(address, tmp_path):
    """The page in a browser."""
    with tab(tmp_path / "profile") as page:
        page("Page.navigate", url=address)
        page.until("document.readyState === 'complete'")
        yield page
        assert page.complaints == []
        assert all(a.startswith((address, "data:")) for a in page.addresses), page.addresses


STATUS = "document.querySelector('#status').textContent"
DONE = f"/ clips are done/.test({STATUS})"
KEYS = {"Home": {"windowsVirtualKeyCode": 36}, "ArrowRight": {"windowsVirtualKeyCode": 39}}
ALERT = "document.querySelector('#error:not([hidden])')?.textContent"


def names(page, place: str) -> list[str]:
    return page.value(f"[...document.querySelectorAll('{place} .name')].map(e => e.textContent)")


def test_a_person_chooses_a_video_and_looks_at_its_clips(page, run, tmp_path):
    path = film(tmp_path / "<b>film & more.mp4", 40)
    model = dsnet.load_model(run / "ds/model.pt")
    expected = model.predict(path)
    page.choose("#file", path)
    page.until(DONE)
    ((first, share), *_) = best = expected.top(3)
    said = page.value(STATUS)
    assert said == f"{path.name}: {first}, {100 * share:.0f} %. All 10 clips are done."
    assert names(page, "#so-far") == [name for name, _ in best]
    lines = page.value(
        "[...document.querySelectorAll('#chart .line')].map(e => e.attributes.d.value)"
    )
    assert len(lines) in (3, 4)  # with the first class of the shown clip, if it does not lead
    assert all(line.count("H") == 10 for line in lines)

    def shown() -> list[str]:
        kept = ("#when", "textContent"), ("#frames", "src"), ("#flow", "src")
        return [page.value(f"document.querySelector('{place}').{what}") for place, what in kept]

    last = shown()
    assert last[0] == "1.44 to 1.60 s"
    for key in ("Home", "ArrowRight"):  # by keyboard
        page.value("document.querySelector('#shown').focus()")
        for kind in ("keyDown", "keyUp"):
            page("Input.dispatchKeyEvent", type=kind, key=key, code=key, **KEYS[key])
    second = shown()
    assert second[0] == "0.16 to 0.32 s"
    assert len({*last, *second}) == 6
    clip = softmax(expected.clips[1])
    assert names(page, "#clip") == [expected.classes[label] for label in np.argsort(-clip)[:3]]


def test_what_goes_wrong_is_said_and_another_video_can_follow(page, tmp_path):
    (tmp_path / "notes.txt").write_text("not a video")
    page.choose("#file", tmp_path / "notes.txt")
    page.until(f"!!{ALERT}")
    assert page.value(ALERT) == "notes.txt: not a video: plain text"
    assert page.value("document.querySelector('#result').hidden")
    page.choose("#file", film(tmp_path / "film.mp4", 8))
    page.until(DONE)
    assert page.value(f"{ALERT} ?? null") is None


def test_a_real_video(page, shared_data):
    page.choose("#file", sorted((shared_data / "weizmann").rglob("*wave2*.avi"))[0])
    page.until(DONE)
    assert page.value("document.querySelectorAll('#so-far li').length") == 3


def test_names_of_classes_are_text(run, tmp_path):
    content = checkpoints.read(run / "ds/model.pt")
    count = len(content["classes"])
    content["classes"] = [*NAMES, *content["classes"]][:count]
    models.save(tmp_path / "model.pt", content)
    folder = tmp_path / "uploads"
    folder.mkdir()
    with Server("<i>model", Answerer(tmp_path / "model.pt"), str(folder), 0) as server:
        threading.Thread(target=server.serve_forever).start()
        with tab(tmp_path / "profile") as page:
            page("Page.navigate", url=f"http://127.0.0.1:{server.server_port}/")
            page.until("document.readyState === 'complete'")
            assert page.value("CLASSES.slice(0, 3)") == list(NAMES)
            page.value("list(document.querySelector('#so-far'), [.6, .3, .1, 0])")
            assert names(page, "#so-far") == list(NAMES)
            assert page.value("document.querySelectorAll('i:not(.bar i), [onerror]').length") == 0
            assert page.complaints == []
        server.shutdown()

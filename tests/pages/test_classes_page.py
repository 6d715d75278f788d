"""The pages of the classes: numbers are those of scores.h5, videos those of clips.h5."""

import base64
import re

import cv2
import h5py
import numpy as np
import pytest
from browser import document
from hypothesis import given
from hypothesis import strategies as st
from parsed import Page
from project import CLASSES, RUN, Project
from scipy import stats
from specs import make_spec

from dsnet.flow.planes import to_bytes
from dsnet.images import encode
from dsnet.pages.classes import PageError, classes_page
from dsnet.pages.pictures import Line, chart, ticks
from dsnet.scores import Part, Scores, write_scores
from dsnet.store import Writer

ROLES = ("rgb", "ds", "flow")
TITLES = {"rgb": "RGB", "ds": "Dual-action Stream", "flow": "Flow"}


def softmax(logits):
    powers = np.exp(np.asarray(logits, float))
    return powers / powers.sum(-1, keepdims=True)


@pytest.fixture(scope="module")
def page(finished: Project) -> Page:
    return Page.read(finished / "results/figures/motions-split1-4f-classes.html")


@pytest.fixture(scope="module")
def measured(finished: Project):
    """Clip logits by video, and labels, of each stream, straight from the files."""
    found = {}
    for stream in ROLES:
        with h5py.File(finished / f"{RUN}/{stream}/scores.h5") as file:
            test = file["test"]
            ends = np.cumsum(test["counts"][:])
            clips = np.split(test["clips"][:].astype(float), ends[:-1])
            ids = test["ids"].asstr()[:]
            found[stream] = {
                id: (logits, label)
                for id, logits, label in zip(ids, clips, test["labels"][:], strict=True)
            }
    return found


def test_the_page_needs_no_other_file_and_has_a_section_for_every_class(page: Page):
    page.assert_whole_in_itself()
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert sections == [f"class-{label}" for label in range(CLASSES)]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert {f"#{section}" for section in sections} <= set(links)
    beside = [f"#class-{label + step}" for label in range(CLASSES) for step in (-1, 1)]
    assert links.count("#top") == CLASSES
    assert sorted(links[CLASSES:]) == sorted([*beside[1:-1], *["#top"] * CLASSES])


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("", ["top", *(f"class-{label}" for label in range(CLASSES))]),
        ("#top", ["top", *(f"class-{label}" for label in range(CLASSES))]),
        ("#class-3", ["class-3"]),
    ],
)
def test_a_class_that_the_address_names_is_a_page_of_its_own(page: Page, tmp_path, place, shown):
    script = (
        "<script>onload = () => document.body.dataset.shown = [...document.querySelectorAll("
        "'h1, section')].filter(e => e.offsetHeight).map(e => e.id)</script></body>"
    )
    path = tmp_path / "classes.html"
    path.write_text(page.source.replace("</body>", script), encoding="utf-8")
    seen = document(path.as_uri() + place, tmp_path / "profile")
    (found,) = re.findall(r'<body data-shown="(.*?)"', seen)
    assert found.split(",") == shown


def test_accuracies_are_those_of_the_mean_logits(page: Page, measured):
    rows = page.cells(0)[1:]
    assert len(rows) == CLASSES
    for label, row in enumerate(rows):
        for cell, stream in zip(row[2:5], ROLES, strict=True):
            own = [m for m, truth in measured[stream].values() if truth == label]
            assert row[1] == str(len(own))
            right = [m.mean(0).argmax() == label for m in own]
            assert float(cell) == pytest.approx(100 * np.mean(right), abs=0.051)


def test_scores_over_time_are_those_of_the_clips(page: Page, measured, finished: Project):
    """Every clip of a video has a span that says its time and both probabilities."""
    names = [row[0] for row in page.cells(0)[1:]]
    sections = page.source.split('<section id="class-')[1:]
    drawn = 0
    for label, section in enumerate(sections):
        for figure in section.split("<figure>")[1:]:
            shown = re.search(r"<code>(.*?)</code>", figure.split("</figure>")[0])
            if shown is None:
                continue
            texts = re.findall(r"<title>(.*?)</title>", figure)
            expected = []
            for stream in ("flow", "ds"):
                logits, truth = measured[stream][shown[1]]
                assert truth == label
                scores = softmax(logits)
                others = np.where(np.arange(CLASSES) == label, -1, scores)
                for labels in ([label] * len(scores), others.argmax(1)):
                    expected += [
                        f"{TITLES[stream]}, {0.16 * i:.2f} to {0.16 * (i + 1):.2f} s: "
                        f"{names[k]} {scores[i, k]:.0%}"
                        for i, k in enumerate(labels)
                    ]
            assert texts == expected
            assert len(texts) == 8  # two streams, two lines, two clips of four frames
            drawn += 1
    assert drawn >= CLASSES  # every class has a video, recognised or mistaken


def test_pictures_are_frames_of_the_videos(page: Page):
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    strips = [i["src"] for i in images if i.get("class") == "strip"]
    assert strips
    for source in strips:
        kind, data = source.split(",")
        assert kind == "data:image/jpeg;base64"
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (32, 6 * 32, 3)


# --- made up -------------------------------------------------------------------------------

NAMES = ("<i>jump</i> & run", 'throw "it"', "nobody's")


@pytest.fixture
def written(tmp_path):
    """Clips of four test videos of 40 large frames, and a writer of scores for three streams."""
    rng = np.random.default_rng(0)
    spec = {"rgb": {"fps": 25}, "flow": {"bound": 20}}
    ids = ["a/1", "a/2", "a/3", "b/<4>"]
    with Writer(tmp_path / "clips.h5", ("rgb", "flow"), spec) as writer:
        for id in ids:
            noise = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (320, 240))
            flow = rng.normal(0, 3, (39, 240, 320, 2)).astype(np.float32)
            frames = [encode(noise, 90)] * 40
            writer.add(id, {"rgb": frames, "flow": to_bytes(flow, 20, 90)})
        writer.close(ids, {"classes": list(NAMES)})

    def write(logits, counts=(2, 2, 2, 2), streams=ROLES):
        paths = []
        for stream in streams:
            per_clip = np.repeat(np.asarray(logits, np.float32), counts, axis=0)
            labels = np.array([0, 0, 0, 1])
            part = Part(tuple(ids), labels, per_clip, np.array(counts), tuple(ids))
            run = {"dataset": "d", "split": 1, "clip_length": 16, "seed": 0, "stream": stream}
            spec = make_spec(stream)
            paths.append(tmp_path / f"{stream}.h5")
            run["protocol"] = "held-out"
            write_scores(paths[-1], Scores(run, NAMES, {"test": part}, spec))
        classes_page(tmp_path / "clips.h5", paths, TITLES, tmp_path / "page.html")
        return Page.read(tmp_path / "page.html")

    return write


LOGITS = [[2, 1, 0], [5, 1, 0], [0, 4, 0], [1, 1.5, 1]]


def test_the_most_certain_right_and_wrong_videos_are_shown_and_names_are_escaped(written):
    page = written(LOGITS)
    page.assert_whole_in_itself()
    assert [row[0] for row in page.cells(0)[1:]] == list(NAMES)
    assert not any(tag == "i" for tag, _ in page.tags)
    heads = re.findall(r"<h3>(.*?)</h3>", page.source)
    assert heads == [
        "Recognised: <code>a/2</code>",
        "Mistaken: <code>a/3</code>",
        "Recognised: <code>b/&lt;4&gt;</code>",
        "Mistaken",
    ]
    assert "None is mistaken by Dual-action Stream." in page.text
    assert "No test videos." in page.text  # of the third class
    # The third video's softmax of 0, 4, 0: 96 % for the second class, 2 % for its own.
    assert 'Dual-action Stream: throw "it" (96 %; the truth 2 %)' in page.text
    rows = {row[0]: row[1:] for row in page.cells(1)[1:]}
    # The softmax of 2, 1, 0 is 66.5 % for the first.
    assert rows["a/1"] == ["✓", "66.5", "✓", "66.5"]
    assert rows["a/3"][0] == NAMES[1]


def test_intervals_are_of_the_videos_and_the_mean_of_the_classes_is_told(written):
    page = written(LOGITS)
    # Two of three of the first class are right, and the one of the second.
    ends = [stats.binomtest(*n).proportion_ci(method="wilson") for n in ((2, 3), (1, 1))]
    shown = [f"{100 * each.low:.0f} to {100 * each.high:.0f}" for each in ends]
    assert page.small == [shown[0]] * 3 + [shown[1]] * 3
    # Of all videos 75.0, of the two classes' 66.7 and 100 the mean.
    assert page.text.count("75.0 (mean of the classes 83.3)") == 3


def test_without_a_student_the_rgb_stream_is_shown_once(written):
    page = written(LOGITS, streams=("rgb", "rgb", "flow"))
    assert page.cells(0)[0] == ["Class", "Videos", "RGB", "Flow", "0 to 100 %"]
    assert {len(row) for row in page.cells(0)} == {5}


def test_sizes_stay_bounded(written):
    """Large frames are scaled down: with 101 classes of two videos the page stays usable."""
    page = written(LOGITS)
    strips = [a["src"] for tag, a in page.tags if tag == "img" and a.get("class") == "strip"]
    assert len(strips) == 6  # frames and flow of three videos
    for source in strips:
        data = np.frombuffer(base64.b64decode(source.split(",")[1]), np.uint8)
        assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (96, 6 * 128, 3)
    # The flow here is noise, which compresses worse than any flow.
    assert max(map(len, strips)) < 120_000
    assert min(map(len, strips)) < 30_000


def test_scores_of_other_clips_are_refused(written):
    with pytest.raises(PageError, match=r"a/2 has 2 flow clips of 16 frames, and the scores are"):
        written(LOGITS, counts=(3, 3, 3, 3))


@given(st.floats(0.04, 5000))
def test_ticks_are_few_and_within_the_time(duration):
    found = ticks(duration)
    assert found[0] == 0
    assert 2 <= len(found) <= 6
    assert found[-1] <= duration + 1e-6
    assert np.ptp(np.diff(found)) < 1e-5 * duration


def test_a_chart_steps_from_span_to_span():
    line = Line("student truth", [(0, 1), (1, 2)], [1.0, 0.25], ["one", "two"])
    drawn = chart([line], 4)
    # 600 units for 4 s from 40; 116 units of height below the 8 above.
    assert drawn.lines == [("student truth", "M40.0 8.0H190.0V95.0H340.0")]
    assert drawn.spans == [(40.0, 150.0, 8.0, "one"), (190.0, 150.0, 95.0, "two")]
    assert drawn.seconds[0] == (40.0, "0")
    assert drawn.shares == [(124.0, "0%"), (66.0, "50%"), (8.0, "100%")]


def test_lines_that_agree_lie_side_by_side(written):
    """A line over another of its width would be one line, in a mixture of their colours."""
    page = written(LOGITS)  # of all streams
    (width,) = map(float, re.findall(r"svg \.line {.*?stroke-width: ([\d.]+)", page.source))
    (figure, *_) = page.source.split("<figure>")[1:]
    found = re.findall(r'<path class="line (.*?)" d="M[\d.]+ ([\d.]+)', figure)
    heights = {style: float(y) for style, y in found}
    for kind in ("truth", "other"):
        assert heights[f"teacher {kind}"] <= heights[f"student {kind}"] - width

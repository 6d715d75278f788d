"""Figures: what is drawn equals the data, names are shown, files are deterministic."""

from itertools import pairwise

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from dsnet import figures
from dsnet.figures.style import BLUE, VERMILION, spread
from dsnet.flow.planes import to_bytes
from dsnet.scores import Part, Scores
from dsnet.store import Reader, Writer


def scores(predicted, labels, classes, stream="ds", seed=0):
    labels = np.asarray(labels)
    logits = np.eye(len(classes), dtype=np.float32)[np.asarray(predicted)]
    part = Part(tuple(map(str, range(len(labels)))), labels, logits, np.ones(len(labels), int))
    return Scores({"stream": stream, "seed": seed}, tuple(classes), {"test": part})


def history(epochs, offset=0.0):
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "train_loss": 3.0 / epoch + offset,
            "val_loss": 4.0 / epoch + offset,
            "train_top1": 10.0 * epoch + offset,
            "val_top1": 8.0 * epoch + offset,
        }
    )


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def test_training_curves_show_every_stream_and_seed():
    streams = [f"s{i}" for i in range(5)]
    histories = {(s, seed): history(4, seed) for s in streams for seed in (0, 1)}
    figure = figures.training_curves(histories, {"s0": "The first"})
    assert len(figure.axes) == 2 * len(streams)
    first = [axes for axes in figure.axes if axes.get_title() == "The first"]
    assert len(first) == 1
    drawn = [tuple(line.get_ydata()) for line in first[0].lines]
    expected = [
        tuple(histories["s0", seed][column])
        for seed in (0, 1)
        for column in ("train_top1", "val_top1")
    ]
    assert drawn == expected
    loss = figure.axes[3]  # under the first of three columns
    assert tuple(loss.lines[1].get_ydata()) == tuple(histories["s0", 0]["val_loss"])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["training", "validation"]


def lines_of(axes):
    """The curves of an axis, without the samples of lines beside the names."""
    return [line for line in axes.lines if line.get_clip_on()]


def test_curves_of_all_streams_share_an_axis_and_are_told_apart_without_colour():
    streams = [f"s{i}" for i in range(9)]
    histories = {
        (s, seed): history(4 + i, 2 * seed) for i, s in enumerate(streams) for seed in (0, 1)
    }
    (axes,) = figures.curves_together(histories, {"s0": "The first"}).axes
    curves = lines_of(axes)
    for stream, curve in zip(streams, curves, strict=True):
        mean = (histories[stream, 0]["val_top1"] + histories[stream, 1]["val_top1"]) / 2
        np.testing.assert_allclose(curve.get_ydata(), mean)
        np.testing.assert_array_equal(curve.get_xdata(), histories[stream, 0]["epoch"])
    styles = [(to_hex(c.get_color()), c.get_linestyle()) for c in curves]
    assert len(set(styles)) == len(streams)
    assert len(axes.collections) == len(streams)  # a band over the seeds each
    assert [t.get_text() for t in axes.texts] == ["The first", *streams[1:]]
    samples = [line for line in axes.lines if not line.get_clip_on()]
    assert [(to_hex(s.get_color()), s.get_linestyle()) for s in samples] == styles
    # Where a curve ends higher its name stands higher, and no two stand on each other.
    heights = [t.get_position()[1] for t in axes.texts]
    assert heights == sorted(heights)
    assert min(np.diff(heights)) > 3


def test_one_seed_has_no_band():
    (axes,) = figures.curves_together({("a", 0): history(3)}, {}).axes
    assert not axes.collections


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=9), st.sampled_from([0.5, 4, 30]))
def test_labels_are_spread_as_little_as_need_be(wanted, gap):
    places = spread(wanted, gap)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(np.array(places)[order]) >= gap - 1e-9).all()
    assert np.mean(places) == pytest.approx(np.mean(wanted))  # of the least squares
    far = np.arange(len(wanted)) * 2 * gap
    assert spread(list(far), gap) == pytest.approx(far)


def timed():
    """A method that needs no flow, one that does, and one that Table 1 does not have."""
    rows = [
        ("DS", "ds", 4.0, 0.0, ""),
        ("DS + Flow", "ds+flow", 8.0, 32.0, "numba"),
        ("Other", "other", 4.0, 0.0, ""),
    ]
    table = pd.DataFrame(rows, columns=["method", "streams", "ms_network", "ms_flow", "backend"])
    total = table["ms_network"] + table["ms_flow"]
    return table.assign(ms_total=total, device="CPU", n_missing=0)


def scored():
    columns = ["dataset", "split", "clip_length", "method", "streams", "top1", "low", "high"]
    rows = [
        ("motions", 1, 16, "DS (16f)", "ds", 70.0, 60.0, 80.0, "measured"),
        ("motions", 1, 16, "DS (16f)", "ds+flow", 90.0, 85.0, 95.0, "measured"),
        ("motions", 2, 16, "DS (16f)", "ds", 10.0, 0.0, 20.0, "measured"),
        ("UCF-101", 1, 16, "DS (16f)", float("nan"), 95.2, 0.0, 0.0, "reported"),
    ]
    return pd.DataFrame(rows, columns=[*columns, "source"]).assign(n_missing=0)


def test_accuracy_is_drawn_against_cost_with_and_without_tvl1():
    figure = figures.accuracy_cost(scored(), timed())
    (axes,) = figure.axes
    found = {}
    for line in axes.lines:
        if line.get_marker() in ("o", "s"):
            x, y = line.get_xdata()[0], line.get_ydata()[0]
            found[x, y] = (line.get_marker(), line.get_markerfacecolor() == "white")
    assert found == {
        (4.0, 70.0): ("s", False),  # needs no flow
        (8.0, 90.0): ("o", True),  # its networks alone
        (40.0, 90.0): ("o", False),  # with TV-L1
    }
    assert axes.get_xscale() == "log"
    assert [t.get_text() for t in axes.texts] == ["DS  70.0", "DS + Flow  90.0"]
    bars = [tuple(line.get_ydata()) for line in axes.lines if line.get_linestyle() == "-"]
    assert (60.0, 80.0) in bars
    assert (85.0, 95.0) in bars
    assert axes.get_title("left") == "motions, split 1, 16 frames; CPU; TV-L1 by numba"
    with pytest.raises(ValueError, match="no method of Table 1 is among those"):
        figures.accuracy_cost(scored(), timed().tail(1))


def weighed(streams, seed, per_class):
    mean = np.mean([row for row in per_class if row], axis=0).tolist()
    return {
        "run": {"streams": streams, "seed": seed},
        "classes": ["p", "q", "r$"],
        "weights": {"mean": mean, "per_class": per_class},
    }


def test_attention_weights_of_every_class_are_the_mean_over_seeds():
    streams = {
        "ds": {"title": "Dual-action Stream", "input": "rgb"},
        "rgb": {"title": "RGB", "input": "rgb"},
        "flow": {"title": "Flow", "input": "flow"},
    }
    fusions = [
        weighed(["ds", "flow"], 0, [[0.8, 0.2], [0.3, 0.7], None]),
        weighed(["ds", "flow"], 1, [[0.6, 0.4], [0.1, 0.9], None]),
        weighed(["ds", "rgb", "flow"], 0, [[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], None]),
        weighed(["ds", "rgb", "flow"], 1, [[0.5, 0.1, 0.4], [0.2, 0.4, 0.4], None]),
    ]
    figure = figures.attention_weights(fusions, streams, "rgb")
    two, three = figure.axes
    # All videos, then the class in which flow weighs most; the one without videos is left out.
    assert [t.get_text() for t in two.get_yticklabels()] == ["all videos", "q", "p"]
    drawn = np.array([bar.get_width() for bar in two.patches]).reshape(2, 3)
    np.testing.assert_allclose(drawn, [[0.45, 0.2, 0.7], [0.55, 0.8, 0.3]])
    drawn = np.array([bar.get_width() for bar in three.patches]).reshape(3, 3)
    expected = [[0.35, 0.2, 0.5], [0.25, 0.3, 0.2], [0.4, 0.5, 0.3]]
    np.testing.assert_allclose(drawn, expected)
    np.testing.assert_allclose(drawn.sum(axis=0), 1)
    np.testing.assert_allclose([b.get_x() for b in three.patches][3:6], expected[0])
    assert [line.get_xdata()[0] for line in three.lines] == pytest.approx([1 / 3, 2 / 3])
    assert three.get_title("left") == "Dual-action Stream\n+ RGB\n+ Flow"
    hatches = {bar.get_hatch() for bar in three.patches}
    assert len(hatches) == 3  # told apart without colour
    other = {**fusions[0], "classes": ["a", "b", "c"]}
    with pytest.raises(ValueError, match="all of the same classes"):
        figures.attention_weights([fusions[0], other], streams, "rgb")


def test_confusion_matrices_are_normalised_by_row():
    item = scores([0, 0, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1], ("a", "b", "c"))
    figure = figures.confusion_matrices([item, item, item], {"ds": "Dual-action Stream"})
    drawn = panels(figure)
    assert len(drawn) == 3
    np.testing.assert_allclose(
        drawn[0].images[0].get_array(), [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 0]]
    )
    assert drawn[0].get_title() == "Dual-action Stream\n50.0 %"
    assert [t.get_text() for t in drawn[0].get_yticklabels()] == ["a", "b", "c"]


def test_names_of_many_classes_are_left_out_of_confusion_matrices():
    for count, named in ((20, True), (21, False)):
        labels = range(count)
        item = scores(labels, labels, [f"class {i}" for i in labels])
        (axes,) = panels(figures.confusion_matrices([item], {}))
        assert bool(axes.get_yticklabels()) == named
        assert bool(axes.get_xticklabels()) == named


def test_per_class_difference_is_the_mean_over_seeds_sorted():
    classes, labels = ("p", "q", "r", "s"), [0, 0, 1, 1, 2, 2]
    a = [scores([0, 0, 1, 1, 0, 0], labels, classes), scores([0, 0, 1, 0, 0, 0], labels, classes)]
    b = [scores([0, 1, 1, 0, 2, 2], labels, classes), scores([0, 1, 0, 0, 2, 2], labels, classes)]
    figure = figures.per_class_difference(a, b, ("DS", "MARS"))
    (axes,) = figure.axes
    # p: 100 - 50, q: 75 - 25, r: 0 - 100; s has no videos.
    assert [t.get_text() for t in axes.get_yticklabels()] == ["r", "p", "q"]
    assert [bar.get_width() for bar in axes.patches] == [-100, 50, 50]
    assert [to_hex(bar.get_facecolor()).upper() for bar in axes.patches] == [VERMILION, BLUE, BLUE]
    assert axes.get_title() == "DS minus MARS, mean over 2 seeds"


def test_per_class_difference_grows_with_the_classes():
    labels = range(101)
    classes = [f"class {i}" for i in labels]
    item = scores(labels, labels, classes)
    figure = figures.per_class_difference([item], [item], ("A", "B"))
    assert len(figure.axes[0].get_yticklabels()) == 101
    assert figure.get_size_inches()[1] / 101 > 0.15  # inches per line of text
    with pytest.raises(ValueError, match="A and B have different classes"):
        figures.per_class_difference([item], [scores([0], [0], ("a", "b"))], ("A", "B"))


def table1():
    columns = ["dataset", "split", "clip_length", "method", "column"]
    columns += ["top1", "top1_std", "paper_top1", "source"]
    nan = float("nan")
    rows = [
        ("motions", 1, 16, "Two streams (16f)", "RGB", 40.0, 2.0, nan, "measured"),
        ("motions", 1, 16, "Two streams (16f)", "Flow", 90.0, 3.0, nan, "measured"),
        ("UCF-101", 1, 16, "MARS (16f)", "Mimic", 70.0, nan, 94.6, "measured"),
        ("HMDB-51", 1, 16, "MARS (16f)", "Mimic", 72.3, nan, 72.3, "reported"),
    ]
    return pd.DataFrame(rows, columns=columns)


def test_every_column_has_a_bar_of_its_own_in_the_tables_order():
    names = ["RGB", "Flow", "RGB+Flow", "Mimic", "Mimic+RGB", "Mimic+Flow", "Mimic+RGB+Flow"]
    rows = [
        ("motions", 1, 16, "Two" if i < 3 else "DS", name, 10.0 * i, 1.0, float("nan"), "measured")
        for i, name in enumerate(names)
    ]
    figure = figures.table1_bars(pd.DataFrame(rows, columns=table1().columns))
    bars = figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == [10 * i for i in range(7)]
    for upper, lower in pairwise(bars):
        assert upper.get_y() + upper.get_height() < lower.get_y()
    assert len({to_hex(bar.get_facecolor()) for bar in bars}) == 7
    shown = [t.get_text() for t in figure.legends[0].get_texts()]
    assert sorted(shown) == sorted(names)
    assert shown[:2] == ["RGB", "Mimic"]  # one above the other


def test_table1_bars_show_measured_rows_only():
    figure = figures.table1_bars(table1())
    left, right = figure.axes
    assert [left.get_title(), right.get_title()] == ["motions, split 1", "UCF-101, split 1"]
    assert [bar.get_width() for bar in left.patches] == [40, 90]
    assert [bar.get_width() for bar in right.patches] == [70]
    assert [t.get_text() for t in left.get_yticklabels()] == ["Two streams (16f)", "MARS (16f)"]
    spans = [c.get_segments()[0][:, 0].tolist() for c in left.collections]
    assert spans == [[38, 42], [87, 93]]
    assert not right.collections
    markers = [line.get_xdata()[0] for line in right.lines if line.get_marker() == "D"]
    assert markers == [94.6]
    assert not [line for line in left.lines if line.get_marker() == "D"]
    with pytest.raises(ValueError, match="no measured rows"):
        figures.table1_bars(table1().query("source == 'reported'"))


@pytest.fixture
def clips(tmp_path):
    """Video ``long`` of 9 frames moves right by 4 px, ``short`` of 2 down; ``empty`` has none."""

    def images(shape, count):
        for value in np.linspace(0, 240, count):
            frame = np.full((*shape, 3), (20, value, 255), np.uint8)  # BGR: red is 255
            yield cv2.imencode(".jpg", frame)[1].tobytes()

    with Writer(tmp_path / "clips.h5", ("rgb", "flow"), {}) as writer:
        for id, shape, count, motion in (
            ("long", (32, 48), 9, (4, 0)),
            ("short", (32, 32), 2, (0, 4)),
        ):
            flow = np.broadcast_to(np.float32(motion), (count - 1, *shape, 2))
            writer.add(id, {"rgb": images(shape, count), "flow": to_bytes(flow, 20, 95)})
        writer.add("empty", {}, "no video stream")
        writer.close(["long", "short", "empty"])
    return Reader(tmp_path / "clips.h5")


def test_contact_sheet_shows_frames_over_their_flow(clips):
    figure = figures.contact_sheet(clips, ["long", "short"], [1, 0], ("go_down", "go_right"), 20, 4)
    first, second, wheel = figure.axes
    assert [t.get_text() for t in first.get_xticklabels()] == [f"frame {i}" for i in (0, 2, 5, 7)]
    assert [t.get_text() for t in second.get_xticklabels()] == ["frame 0"]
    assert [axes.texts[0].get_text() for axes in (first, second)] == ["go right", "go down"]
    picture = first.images[0].get_array()
    assert picture.shape[1] == 4 * 48 + 3  # a gap of one pixel
    third = 2 * 49 + 24  # centre of the third frame, number 5 of 0..8
    np.testing.assert_allclose(picture[16, third], [255, 150, 20], atol=4)
    np.testing.assert_allclose(picture[33 + 16, third], [255, 0, 0], atol=8)
    np.testing.assert_allclose(second.images[0].get_array()[33 + 16, 16], [128, 255, 0], atol=8)
    assert wheel.get_xlabel().startswith("rim: 4.")
    # The right of the wheel has the colour of motion to the right, the bottom of that downwards.
    disc = wheel.images[0].get_array()
    np.testing.assert_array_equal(disc[100, 200], [255, 0, 0])
    np.testing.assert_array_equal(disc[200, 100], [128, 255, 0])


def test_contact_sheet_refuses_what_it_cannot_show(clips):
    with pytest.raises(ValueError, match="empty has no frames"):
        figures.contact_sheet(clips, ["empty"], [0], ("a",), 20)
    with pytest.raises(ValueError, match="at least one video"):
        figures.contact_sheet(clips, [], [], ("a",), 20)


def test_flow_colours():
    flow = np.array([[0, 0], [2, 0], [4, 0], [40, 0], [-4, 0], [0, 4]], np.float32)
    assert figures.flow_colours(flow, 4).tolist() == [
        *([255, 255, 255], [255, 128, 128], [255, 0, 0], [255, 0, 0], [0, 255, 255]),
        [128, 255, 0],
    ]


def test_saved_files_are_deterministic(tmp_path, clips):
    def make():
        yield figures.training_curves({("a$", 0): history(3)}, {})
        yield figures.table1_bars(table1())
        yield figures.contact_sheet(clips, ["short"], [0], ("a",), 20)
        yield figures.accuracy_cost(scored(), timed())

    for number, figure in enumerate([*make(), *make()]):
        figures.save(figure, tmp_path / f"{number}.png", tmp_path / f"{number}.svg")
    for number in range(4):
        for suffix in ("png", "svg"):
            one, two = (tmp_path / f"{n}.{suffix}" for n in (number, number + 4))
            assert one.read_bytes() == two.read_bytes()
    assert cv2.imread(str(tmp_path / "0.png")).std() > 10  # something is drawn
    assert b"<dc:date>" not in (tmp_path / "0.svg").read_bytes()
    assert len(list(tmp_path.iterdir())) == 17  # clips.h5 and sixteen pictures

"""Training curves: every stream and seed, told apart and named."""

import numpy as np
from drawable import history
from matplotlib.colors import to_hex

from dsnet import figures


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


def test_streams_that_were_not_trained_have_no_curves():
    none = history(0).astype(object)  # as read of a header alone
    histories = {("flow", 0): none, ("ds", 0): history(3)}
    titles = {"flow": "Flow", "ds": "DS"}
    (axes,) = figures.curves_together(histories, titles).axes
    assert [text.get_text() for text in axes.texts] == ["DS"]
    assert len(figures.training_curves(histories, titles).axes) == 2
    for draw in (figures.training_curves, figures.curves_together):
        figure = draw({("flow", 0): none}, titles)
        assert [text.get_text() for text in figure.texts] == ["Nothing was trained here"]


def test_one_seed_has_no_band():
    (axes,) = figures.curves_together({("a", 0): history(3)}, {}).axes
    assert not axes.collections

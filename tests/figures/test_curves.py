"""Training curves: every stream and seed, told apart and named."""

import numpy as np
from drawable import history
from matplotlib.colors import to_hex

from dsnet.figures import curves as figures


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
        for column in ("val_top1", "train_top1")
    ]
    assert drawn == expected
    # Where lines coincide, the solid one is seen between the dashes, in its own colour.
    assert [line.get_linestyle() for line in first[0].lines] == ["-", "--"] * 2
    assert {line.get_alpha() for line in first[0].lines} == {None}
    entropy = figure.axes[3]  # under the first of three columns
    for line, column in zip(entropy.lines, ("val_loss", "loss_ce"), strict=False):
        assert tuple(line.get_ydata()) == tuple(histories["s0", 0][column])
    assert entropy.get_ylabel() == "Cross-entropy"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["training", "validation"]


def test_distillation_terms_have_an_axis_of_their_own_where_there_are_any():
    mars, ds = history(4, mse=40.0), history(4, mae=10.0, gram=0.5)
    histories = {("flow", 0): history(4), ("mars", 0): mars, ("ds", 0): ds, ("ds", 1): ds}
    histories["pkd", 0] = history(4, pkd=90.0)
    figure = figures.training_curves(histories, {})
    terms = [axes for axes in figure.axes if axes.get_ylabel() == "Distillation terms"]
    assert len(figure.axes) == 3 * 3 + 2
    assert [len(axes.lines) for axes in terms] == [1, 2 * 2, 1]
    np.testing.assert_array_equal(terms[1].lines[1].get_ydata(), ds["loss_gram"])
    # Terms that lie decades apart are all to be seen; one that falls to a quarter starts at zero.
    assert [axes.get_yscale() for axes in terms] == ["linear", "log", "linear"]
    assert terms[0].get_ylim()[0] == 0
    shown = {to_hex(line.get_color()) + line.get_linestyle() for a in terms for line in a.lines}
    legend = figure.legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    assert names[2:] == ["MSE (training)", "MAE (training)", "Gram (training)", "PKD (training)"]
    samples = [to_hex(line.get_color()) + line.get_linestyle() for line in legend.get_lines()]
    assert set(samples[2:]) == shown
    assert len(set(samples)) == 6
    # The lowest axis of a stream has the epochs.
    assert [axes.get_xlabel() for axes in figure.axes if axes in terms] == ["Epoch"] * 3
    assert sum(axes.get_xlabel() == "Epoch" for axes in figure.axes) == 4


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
    for curve in curves:  # a solid line lies below all dashes, which it would hide
        solid = curve.get_linestyle() == "-"
        assert all(solid or curve.zorder > c.zorder for c in curves if c.get_linestyle() == "-")
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

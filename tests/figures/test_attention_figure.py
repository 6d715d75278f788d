"""What the attention fusion weighs: the bars equal the fusions' weights."""

import numpy as np
import pytest

from dsnet import figures


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

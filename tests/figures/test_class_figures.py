"""Confusion and differences by class: what is drawn equals the scores, names are shown."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from dsnet.figures import scores as figures
from dsnet.figures.style import BLUE, VERMILION
from dsnet.scores import Part, Scores


def scores(predicted, labels, classes, stream="ds", seed=0):
    labels = np.asarray(labels)
    logits = np.eye(len(classes), dtype=np.float32)[np.asarray(predicted)]
    ids = tuple(map(str, range(len(labels))))
    part = Part(ids, labels, logits, np.ones(len(labels), int), ids)
    return Scores({"stream": stream, "seed": seed}, tuple(classes), {"test": part})


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


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

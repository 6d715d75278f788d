"""What all figures share: labels that do not overlap, files that are the same each time."""

import re

import cv2
import numpy as np
import pytest
from drawable import history, scored, table1, timed
from hypothesis import given, settings
from hypothesis import strategies as st

from dsnet import figures
from dsnet.figures.curves import training_curves
from dsnet.figures.style import spread


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=9), st.sampled_from([0.5, 4, 30]))
def test_labels_are_spread_as_little_as_need_be(wanted, gap):
    places = spread(wanted, gap)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(np.array(places)[order]) >= gap - 1e-9).all()
    assert np.mean(places) == pytest.approx(np.mean(wanted))  # of the least squares
    far = np.arange(len(wanted)) * 2 * gap
    assert spread(list(far), gap) == pytest.approx(far)


def test_saved_files_are_deterministic(tmp_path, clips):
    def make():
        yield training_curves({("a$", 0): history(3)}, {})
        yield figures.table1_bars(table1())
        yield figures.contact_sheet(clips, ["short"], [0], ("a",))
        yield figures.accuracy_cost(scored(), timed())

    for number, figure in enumerate([*make(), *make()]):
        figures.save(figure, tmp_path / f"{number}.png", tmp_path / f"{number}.svg")
    for number in range(4):
        for suffix in ("png", "svg"):
            one, two = (tmp_path / f"{n}.{suffix}" for n in (number, number + 4))
            assert one.read_bytes() == two.read_bytes()
    assert cv2.imread(str(tmp_path / "0.png")).std() > 10  # something is drawn
    assert b"<dc:date>" not in (tmp_path / "0.svg").read_bytes()
    assert len(list(tmp_path.glob("[!.]*"))) == 17  # clips.h5 and sixteen pictures


def test_the_colours_of_paper_and_ink_that_a_dark_mode_changes_are_those_of_the_figures(tmp_path):
    figure = figures.accuracy_cost(scored(), timed())
    figures.save(figure, tmp_path / "a.png", tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    rules, drawn = text.split("</style>", 1)
    assert rules.count("prefers-color-scheme: dark") == 1
    grays = set(re.findall(r"(?:fill|stroke): (#(?:00|26|33|4c|e6|ff){3})\b", drawn))
    assert grays  # white paper, black axes
    assert all(re.search(rf'style[*^]="(fill|stroke): {gray}"', rules) for gray in grays)
    assert '<g id="text_' in drawn

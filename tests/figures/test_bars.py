"""Table 1 as bars: each column its own, measured rows only."""

from itertools import pairwise

import pandas as pd
import pytest
from drawable import table1
from matplotlib.colors import to_hex

from dsnet import figures
from dsnet.cli import main


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


def test_a_data_set_that_is_called_na_is_drawn_by_that_name(tmp_path, monkeypatch):
    table1().replace("motions", "NA").to_csv(tmp_path / "table1.csv", index=False)
    saved = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    assert main(["bars", "--table", str(tmp_path / "table1.csv"), "--output", "a", "b"]) == 0
    assert saved[0].axes[0].get_title() == "NA, split 1"

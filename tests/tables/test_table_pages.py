"""Tables as pages, and the four files of a table."""

import numpy as np
import pandas as pd
import pytest
from parsed import Page
from toy import experiment, row, table1

from dsnet import tables

pytestmark = pytest.mark.usefixtures("few_resamples")


def read_page(text):
    page = Page(text)
    page.assert_whole_in_itself()
    return page


def test_the_page_of_table1_has_intervals_and_the_papers_numbers():
    table = table1(*experiment(seeds=(0, 1)))
    page = read_page(tables.to_html(tables.render_table1(table, cells=tables.DETAILED), "origin"))
    groups, head, *first_block = page.tables[0]
    assert groups == ["", "UCF-101", "HMDB-51"]
    spans = [int(found.get("colspan", 1)) for tag, found in page.tags if tag in ("td", "th")]
    assert spans[:3] == [2, 3, 3]
    assert head[2:] == ["RGB", "Flow", "RGB+Flow"] * 2
    assert {len(row) for row in first_block} == {8}
    mars = row(table, method="MARS (16f)", column="Mimic", source="measured")
    cells = next(cells for cells in page.tables[1] if cells[0] == "MARS (16f)")
    assert cells[2:] == [
        *("75.0 ± 7.1", "71.5 ± 0.7", "72.5 ± 0.7", "75.5 ± 0.7"),
        *("72.3†", "73.1†", "74.5†", "—"),
    ]
    assert f"{mars.low:.1f} to {mars.high:.1f}" in page.small
    assert page.small.count("paper 94.6") == 1
    measured = table[table["source"] == "measured"]
    papers = measured["paper_top1"].notna().sum()
    assert len(page.small) == len(measured) + papers  # an interval each, and six of the paper
    assert papers == 6
    assert "95 % interval" in page.text
    assert "origin" in page.text


def test_pages_escape_names():
    name = "<script>alert('a & b')</script>"
    table = pd.DataFrame({"method": [name], "ms": [1.0]})
    text = tables.to_html(tables.render_plain(table, f"On {name}", [name]), name)
    assert "<script" not in text
    page = read_page(text)
    assert page.tables[0][1] == [name, "1.00"]
    assert page.text.count(name) == 5  # title, heading, cell, note, origin


def test_words_that_look_like_numbers_or_gaps_are_read_as_words(tmp_path):
    table = pd.DataFrame(
        {
            "dataset": ["NA", "2020"],
            "group": ["0.1", "None"],
            "method": ["1", None],
            "top1": [50.0, np.nan],
            "seeds": [1, 2],
        }
    )
    paths = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex", "html")]
    tables.write(table, tables.render_plain(table, "T", []), *paths)
    again = tables.read(paths[0])
    pd.testing.assert_frame_equal(again, table, check_dtype=False)
    assert (again["seeds"].dtype, again["top1"].dtype) == (np.int64, np.float64)


def test_write(tmp_path):
    table = table1(*experiment(seeds=(0, 1)))
    text = tables.render_table1(table)
    suffixes = ("csv", "md", "tex", "html")
    paths = [tmp_path / "tables" / f"table1.{suffix}" for suffix in suffixes]
    page = tables.render_table1(table, None, tables.DETAILED)
    tables.write(table, text, *paths, page=page)
    again = pd.read_csv(paths[0])
    assert list(again.columns) == list(table.columns)
    np.testing.assert_allclose(again["top1"], table["top1"], atol=1e-4)
    assert again["top1_std"].isna().sum() == table["top1_std"].isna().sum()
    for path, rendered in ((paths[1], tables.to_markdown(text)), (paths[2], tables.to_latex(text))):
        written = path.read_text(encoding="utf-8")
        assert written.startswith(rendered)
        assert '"commit":' in written.removeprefix(rendered)  # in a comment at the end
    assert read_page(paths[3].read_text(encoding="utf-8")).small  # the page's own cells
    assert "<small>" not in tables.to_html(text, "")
    assert sorted(p.name for p in paths[0].parent.iterdir()) == sorted(p.name for p in paths)

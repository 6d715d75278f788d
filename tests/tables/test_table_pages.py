"""Tables as pages, and the four files of a table."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from parsed import Page
from toy import even, experiment, first, row, scores, table1, table2

from dsnet import csvs, tables
from dsnet.cli import main
from dsnet.provenance import seal_of
from dsnet.scores import write_scores


def read_page(text):
    page = Page(text)
    page.assert_whole_in_itself()
    return page


def test_the_page_of_table1_has_intervals_and_the_papers_numbers():
    table = even(table1(*experiment(seeds=(0, 1))))
    page = read_page(tables.to_html(tables.render_table1(table, cells=tables.DETAILED), "origin"))
    groups, head, *first_block = page.tables[0]
    assert groups == ["", "UCF-101"]
    spans = [int(found.get("colspan", 1)) for tag, found in page.tags if tag in ("td", "th")]
    assert spans[:2] == [2, 3]
    assert head[2:] == ["RGB", "Flow", "RGB+Flow"]
    assert {len(row) for row in first_block} == {5}
    mars = row(table, method="MARS (16f)", column="Mimic", source="measured")
    cells = next(cells for cells in page.tables[1] if cells[0] == "MARS (16f)")
    assert cells[2:] == [*("75.0 ± 7.1", "71.5 ± 0.7", "72.5 ± 0.7", "75.5 ± 0.7")]
    assert f"{mars.low:.1f} to {mars.high:.1f}" in page.small
    assert page.small.count("paper 94.6") == 1
    measured = table[table["source"] == "measured"]
    papers = measured["paper_top1"].notna().sum()
    assert len(page.small) == len(measured) + papers  # an interval each, and six of the paper
    assert papers == 6
    assert "95 % interval" in page.text
    assert "origin" in page.text
    assert not any("macro" in found for found in page.small)
    uneven = table.assign(macro=table["top1"] - 1)
    text = tables.render_table1(uneven, cells=tables.DETAILED)
    assert "macro 74.0" in read_page(tables.to_html(text, "")).small
    assert tables.to_html(text, "").count("mean of the classes") == 1


def test_pages_escape_names():
    name = "<script>alert('a & b')</script>"
    table = pd.DataFrame({"method": [name], "ms": [1.0]})
    text = tables.to_html(tables.render_plain(table, f"On {name}", [name]), name)
    assert "<script" not in text
    page = read_page(text)
    assert page.tables[0][1] == [name, "1.00"]
    assert page.text.count(name) == 5  # title, heading, cell, note, origin


def test_only_long_cells_are_broken_into_lines():
    table = pd.DataFrame({"a": ["RGB from the teacher's weights"], "b": ["-13.5 to +14.1"]})
    page = tables.to_html(tables.render_plain(table, "T"), "")
    assert '<th scope="row" class="l long">RGB from' in page
    assert '<td class="l">-13.5' in page
    assert "tbody tr > * { white-space: nowrap; }" in page
    assert "tbody tr > .long { white-space: normal; min-width: 12rem; }" in page


def test_write(tmp_path):
    table = table1(*experiment(seeds=(0, 1)))
    text = tables.render_table1(table)
    suffixes = ("csv", "md", "tex", "html")
    paths = [tmp_path / "tables" / f"table1.{suffix}" for suffix in suffixes]
    page = tables.render_table1(table, None, tables.DETAILED)
    tables.write(table, text, *paths, page=page)
    again = csvs.read(paths[0])
    assert list(again.columns) == list(table.columns)
    np.testing.assert_allclose(again["top1"], table["top1"], atol=1e-4)
    assert again["top1_std"].isna().sum() == table["top1_std"].isna().sum()
    for path, rendered in ((paths[1], tables.to_markdown(text)), (paths[2], tables.to_latex(text))):
        written = path.read_text(encoding="utf-8")
        assert written.startswith(rendered)
        assert '"commit":' in written.removeprefix(rendered)  # in a comment at the end
    assert read_page(paths[3].read_text(encoding="utf-8")).small  # the page's own cells
    assert "<small>" not in tables.to_html(text, "")
    assert {*paths[0].parent.iterdir()} == {*paths, seal_of(paths[0])}


def test_names_are_no_formulas_for_a_spreadsheet_and_are_read_as_they_are(tmp_path):
    names = ["=1+1", "+Gram", "-MAE", "@x", "'quoted'", "'=1", "a=b", "DS"]
    table = pd.DataFrame({"method": names, "ms": [-1.0, *range(7)]})
    paths = [tmp_path / f"table.{suffix}" for suffix in ("csv", "md", "tex", "html")]
    tables.write(table, tables.render_plain(table, "T."), *paths)
    with open(paths[0], newline="", encoding="utf-8") as file:
        cells = list(csv.reader(file))[1:]
    assert [cell for cell, _ in cells] == [
        *("'=1+1", "'+Gram", "'-MAE", "'@x", "''quoted'", "''=1", "a=b", "DS")
    ]
    assert cells[0][1] == "-1.0"
    assert csvs.read(paths[0])["method"].tolist() == names


@pytest.mark.parametrize("make", [lambda: table1(*experiment()), table2], ids=["table1", "table2"])
def test_a_table_is_read_with_the_types_that_it_has(tmp_path, make):
    table = make()
    table.to_csv(tmp_path / "table.csv", index=False)
    again = csvs.read(tmp_path / "table.csv")
    for name, column in table.items():
        if pd.api.types.is_numeric_dtype(column):
            np.testing.assert_array_equal(again[name], column.astype(float))
        else:
            assert again[name].tolist() == column.fillna("").tolist()


def test_an_ablation_without_fusions_is_made_by_the_command_line(tmp_path):
    write_scores(tmp_path / "scores.h5", scores("ds", first(7), title="motions", n_listed=20))
    rows = [{"method": "Alone", "stream": "ds"}]
    spec = {"streams": [], "names": {"motions": "Motions"}, "tables": {"ablation": rows}}
    outputs = [str(tmp_path / f"table2.{suffix}") for suffix in ("csv", "md", "tex", "html")]
    command = ["table2", "--spec", json.dumps(spec), "--scores", str(tmp_path / "scores.h5")]
    assert main([*command, "--fusions", "--output", *outputs]) == 0
    made = pd.read_csv(outputs[0])
    assert made[["method", "dataset", "top1"]].to_numpy().tolist() == [["Alone", "Motions", 70]]

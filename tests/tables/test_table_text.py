"""Tables as Markdown and LaTeX: the paper's shape, captions, and names escaped."""

import re

import numpy as np
import pandas as pd
from toy import ABLATION, PAPER, even, experiment, one_video_of_a_class, table1, table2

from dsnet import tables


def markdown_rows(text):
    """Cells of all lines of all tables, by first cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [c for c in cells if not set(c[0]) <= set(":-")]


def test_markdown_of_table1_has_each_method_once_and_the_right_cells():
    table = table1(*experiment(seeds=(0, 1)))
    rows = markdown_rows(tables.to_markdown(tables.render_table1(table)))
    head1, head2 = (r for r in rows if r[0] in ("Method", "Distillation methods"))
    assert head1[1:5] == ["Pre-training", "UCF-101 RGB", "UCF-101 Flow", "UCF-101 RGB+Flow"]
    mimic = ["Mimic", "Mimic+RGB", "Mimic+Flow", "Mimic+RGB+Flow"]
    assert head2[2:] == [f"UCF-101 {name}" for name in mimic]
    # The first block has no fourth column.
    blocks = rows[: rows.index(head2)], rows[rows.index(head2) :]
    assert [{len(r) for r in block} for block in blocks] == [{5}, {6}]
    names = [(r[0], r[1]) for r in rows]
    assert len(set(names)) == len(names)
    paper = PAPER[PAPER["dataset"] == "UCF-101"][["method", "pretrain"]].drop_duplicates()
    assert len(rows) == 2 + len(paper) + 1  # two headers, and our two-stream row
    by_name = {r[0]: r for r in rows}
    weights = r"Flow\_Kinetics\_16f.pth (Kinetics†)"
    assert by_name["MARS (16f)"][1:] == [
        *(weights, "75.0 ± 7.1 (94.6)", "71.5 ± 0.7 (95.6)", "72.5 ± 0.7 (94.9)", "75.5 ± 0.7")
    ]
    assert by_name["Two streams (16f)"][2:] == ["65.0 ± 7.1", "55.0 ± 7.1", "70.5 ± 0.7"]
    assert by_name["MARS (64f)"][1:3] == ["Kinetics", "97.1†"]
    assert "† marks" in tables.to_markdown(tables.render_table1(table))
    assert sorted(r[1] for r in rows if r[0] == "TSN") == ["ImageNet", "ImageNet+Kinetics"]


def test_own_videos_have_no_rows_of_others_and_no_dagger():
    table = table1(*experiment(title="Mine"))
    text = tables.to_markdown(tables.render_table1(table))
    assert "†" not in text
    assert len(markdown_rows(text)) == 2 + 3  # two headers; two streams, MARS, DS


def test_captions_state_the_conditions():
    one, fused_one = experiment(missing=12, protocol="paper")
    two, fused_two = experiment(title="HMDB-51", split=2)
    three, fused_three = experiment(title="HMDB-51", split=2, length=64)
    table = table1(one + two + three, fused_one + fused_two + fused_three)
    text = tables.to_markdown(tables.render_table1(table, {"UCF-101": 13320}))
    assert (
        "- UCF-101, split 1: clips of 16 frames, 10 test videos, protocol paper (the epoch "
        "selected on the test split, on which MARS's code validates); 12 of the 13,320 listed "
        "videos were missing."
    ) in text
    assert (
        "- HMDB-51, split 2: clips of 16 and 64 frames, 10 test videos, protocol held-out" in text
    )
    assert text.count("were missing") == 1
    assert "Measured with one seed." in text
    assert "12 listed videos were missing" in tables.to_markdown(tables.render_table1(table))
    assert "HMDB-51, split 1 RGB" in text
    assert "HMDB-51, split 2 RGB" in text
    assert "UCF-101 RGB" in text
    by_name = {r[0]: r for r in markdown_rows(text)}
    # Columns: UCF-101, HMDB-51 split 2, HMDB-51 split 1 (reported), four cells each.
    assert " ".join(by_name["MARS (64f)"][2:]) == (
        "97.1† 95.8† 97.5† — 70.0 71.0 72.0 75.0 80.1† 80.6† 80.9† —"
    )


def test_markdown_of_table2():
    rows = markdown_rows(tables.to_markdown(tables.render_table2(even(table2()))))
    paper = "Paper (UCF-101, split 1, 16f)"
    assert rows[0] == ["Method", "UCF-101, split 1, 16f", "95 % interval", paper]
    assert [row[:2] + row[3:] for row in rows[1:4:2]] == [
        ["Control", "65.0 ± 7.1", "—"],
        ["Dual-action Stream + Flow", "74.5 ± 0.7", "95.6"],
    ]
    of_the_first = table2().iloc[0]
    assert rows[1][2] == f"{of_the_first.low:.1f} to {of_the_first.high:.1f}"
    assert len(rows) == 1 + len(ABLATION)
    others = tables.to_markdown(tables.render_table2(even(table2("motions"))))
    assert markdown_rows(others)[0] == ["Method", "motions, split 1, 16f", "95 % interval"]
    assert "paper" not in others.lower()


def test_macro_accuracy_is_shown_where_classes_differ_in_size():
    right = np.array([True] * 9 + [False])  # nine of class a, and the only one of class b
    uneven = tables.table2(*one_video_of_a_class(right), ABLATION[:1])
    assert "Macro" not in tables.to_markdown(tables.render_table2(even(uneven)))
    text = tables.to_markdown(tables.render_table2(uneven))
    assert [r[-1] for r in markdown_rows(text)] == ["Macro", "50.0"]
    assert "mean of the classes' accuracies" in text


def latex_body(text):
    """Checks the structure; gives the cells of the rows between top and bottom rule."""
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    unescaped = re.sub(r"\\[{}\\]", "", text)
    assert unescaped.count("{") == unescaped.count("}")
    body = text.split("\\toprule")[1].split("\\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    align = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)[1]
    cells = [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in rows]
    for found in cells:
        spans = [int(n) for c in found for n in re.findall(r"\\multicolumn\{(\d+)\}", c)]
        assert sum(spans) + len(found) - len(spans) == len(align)
    return cells


def test_latex_of_table1():
    text = tables.to_latex(tables.render_table1(table1(*experiment(seeds=(0, 1)))))
    cells = latex_body(text)
    assert r"\multicolumn{4}{c}{UCF-101}" in cells[0]
    assert r"\cmidrule(lr){3-6}" in text
    by_name = {r[0]: r for r in cells}
    assert by_name["MARS (16f)"][2] == r"75.0 $\pm$ 7.1 (94.6)"
    assert by_name["MARS (64f)"][2] == r"97.1$^{\dagger}$"
    assert [r[0] for r in cells].count("MARS (16f)") == 1
    assert text.isascii()


def test_latex_and_markdown_escape_names():
    name = "a_b & 50 % #1 $x$ {y} \\z ~^ [*] <|>"
    table = pd.DataFrame({"method": [name], "ms": [1.0]})
    text = tables.render_plain(table, f"On {name}", [name], {"ms": "ms_total"})
    latex = tables.to_latex(text)
    escaped = (
        r"a\_b \& 50 \% \#1 \$x\$ \{y\} \textbackslash{}z \textasciitilde{}\textasciicircum{} "
        r"{[}{*}] \textless{}\textbar{}\textgreater{}"
    )
    assert latex_body(latex)[1] == [escaped, "1.00"]
    assert latex.count(escaped) == 3
    assert r"ms\_total" in latex
    assert markdown_rows(tables.to_markdown(text))[1][0] == (
        r"a\_b & 50 % #1 $x$ {y} \\z \~^ \[\*\] \<\|>"
    )


def test_plain_numbers_have_three_significant_digits():
    numbers = {"a": [47.512], "b": [0.04126], "c": [1234.56], "d": [np.nan], "e": [0.0], "f": [12]}
    text = tables.render_plain(pd.DataFrame({"name": ["n"], **numbers}), "T.")
    assert text.blocks[0].rows == (("n", "47.5", "0.0413", "1235", "—", "0", "12"),)
    assert text.align == "lrrrrrr"

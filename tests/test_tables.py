"""Tables: means, spreads, the paper's numbers, and the text made from them."""

import re
import sys
from html.parser import HTMLParser
from importlib import resources
from itertools import product

import numpy as np
import pandas as pd
import pytest

from dsnet import tables
from dsnet.scores import Part, Scores
from dsnet.tables import significance

PAPER = pd.read_csv(str(resources.files("dsnet") / "paper" / "table1.csv"))
STREAMS = {
    "flow": {
        "title": "Flow",
        "input": "flow",
        "pretrained": "weights/Flow_Kinetics_{clip_length}f.pth",
    },
    "rgb": {"title": "RGB", "input": "rgb", "init": None},
    "left-out": None,
    "mars": {"title": "MARS", "input": "rgb", "init": "flow", "teacher": "flow"},
    "ds": {"title": "Dual-action Stream", "input": "rgb", "init": "flow", "teacher": "flow"},
}
TRAINED = [name for name, stream in STREAMS.items() if stream]
FUSED = [
    *[("rgb", "flow"), ("mars", "rgb"), ("flow", "mars"), ("ds", "rgb"), ("ds", "flow")],
    *[("mars", "flow", "rgb"), ("ds", "rgb", "flow")],
]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals of few draws, since most tests only need that there are some."""
    monkeypatch.setattr(sys.modules[significance.__module__], "RESAMPLES", 50)


def run(seed=0, title="UCF-101", split=1, length=16, missing=0, protocol="held-out", **more):
    return {
        **{"dataset": title.lower(), "title": title, "split": split, "clip_length": length},
        **{"seed": seed, "protocol": protocol, "n_missing": missing, **more},
    }


def scores(stream, right, of=10, **where):
    """Scores of one stream that is right for ``right`` of ``of`` test videos."""
    labels = np.arange(of) % 2
    logits = np.eye(2, dtype=np.float32)[np.where(np.arange(of) < right, labels, 1 - labels)]
    part = Part(tuple(map(str, range(of))), labels, logits, np.ones(of, np.int64))
    return Scores(run(stream=stream, **where), ("a", "b"), {"test": part})


def fusion(*streams, top1, kind="average", of=10, **where):
    """A fusion that is right for ``top1`` per cent of the videos, to the nearest."""
    return {
        **{"run": run(streams=list(streams), kind=kind, **where), "top1": top1, "n_videos": of},
        "right": (np.arange(of) < round(top1 * of / 100)).tolist(),
    }


def experiment(seeds=(0,), **where):
    """Everything Table 1 needs; top-1 of stream i is 50 + 10 i + 10 seed, of fusion i 70 + i."""
    single = [
        scores(name, 5 + i + seed, seed=seed, **where)
        for (i, name), seed in product(enumerate(TRAINED), seeds)
    ]
    fused = [
        fusion(*names, top1=70.0 + i + seed, seed=seed, **where)
        for (i, names), seed in product(enumerate(FUSED), seeds)
    ]
    return single, fused


def table1(single, fused, streams=STREAMS):
    students = [n for n, s in streams.items() if s and s["input"] == "rgb" and n != "rgb"]
    return tables.table1(single, fused, streams, ["rgb", "flow"], students)


def row(table, **where):
    chosen = table[np.logical_and.reduce([table[k] == v for k, v in where.items()])]
    assert len(chosen) == 1, chosen
    return chosen.iloc[0]


def test_table1_has_the_columns_in_order():
    assert " ".join(table1(*experiment()).columns) == (
        "dataset split clip_length method column top1 top1_std seeds n_videos paper_top1 "
        "source protocol n_missing pretrain low high streams"
    )


def test_mean_and_sample_deviation_over_seeds():
    single, fused = experiment(seeds=(0, 1, 2))
    mimic = row(table1(single, fused), method="MARS (16f)", column="Mimic", source="measured")
    # MARS is right for 7, 8 and 9 of 10 videos.
    assert mimic.top1 == pytest.approx(80)
    assert mimic.top1_std == pytest.approx(10)
    assert (mimic.seeds, mimic.n_videos) == (3, 10)


def test_one_seed_has_no_deviation():
    measured = table1(*experiment()).query("source == 'measured'")
    assert measured["top1_std"].isna().all()
    assert (measured["seeds"] == 1).all()


def test_columns_take_the_right_streams_whatever_their_order():
    table = table1(*experiment())
    found = {(r.method, r.column): r.top1 for r in table.query("source == 'measured'").itertuples()}
    assert found == {
        ("Two streams (16f)", "RGB"): 60,
        ("Two streams (16f)", "Flow"): 50,
        ("Two streams (16f)", "RGB+Flow"): 70,
        ("MARS (16f)", "Mimic"): 70,
        ("MARS (16f)", "Mimic+RGB"): 71,
        ("MARS (16f)", "Mimic+Flow"): 72,
        ("MARS (16f)", "Mimic+RGB+Flow"): 75,
        ("Dual-action Stream (16f)", "Mimic"): 80,
        ("Dual-action Stream (16f)", "Mimic+RGB"): 73,
        ("Dual-action Stream (16f)", "Mimic+Flow"): 74,
        ("Dual-action Stream (16f)", "Mimic+RGB+Flow"): 76,
    }


def test_a_student_is_fused_with_its_own_teacher_and_only_averages_count():
    single, fused = experiment()
    streams = {
        **STREAMS,
        "flow2": {"title": "Flow 2", "input": "flow"},
        "late": {"title": "Late", "input": "rgb", "teacher": "flow2"},
    }
    single += [scores("late", 4), scores("flow2", 3)]
    fused += [fusion("late", "rgb", top1=11.0), fusion("late", "flow2", top1=12.0)]
    fused += [fusion("late", "rgb", "flow2", top1=13.0), fusion("late", "rgb", "flow", top1=97.0)]
    fused += [fusion("late", "flow2", top1=99.0, kind="attention")]
    fused += [fusion("late", "flow", top1=98.0)]
    table = table1(single, fused, streams)
    assert row(table, method="Late (16f)", column="Mimic+Flow").top1 == 12
    both = row(table, method="Late (16f)", column="Mimic+RGB+Flow")
    assert (both.top1, both.streams) == (13, "late+rgb+flow2")


def test_paper_numbers_are_matched_on_title_method_and_column():
    table = table1(*experiment())
    where = {"dataset": "UCF-101", "source": "measured"}
    for method, column, value in (
        ("MARS (16f)", "Mimic", 94.6),
        ("MARS (16f)", "Mimic+RGB", 95.6),
        ("Dual-action Stream (16f)", "Mimic+Flow", 95.6),
    ):
        assert row(table, method=method, column=column, **where).paper_top1 == value
    assert np.isnan(row(table, method="Two streams (16f)", column="RGB", **where).paper_top1)


@pytest.mark.parametrize("where", [{"title": "motions"}, {"split": 2}, {"length": 32}])
def test_other_conditions_have_no_paper_number(where):
    measured = table1(*experiment(**where)).query("source == 'measured'")
    assert len(measured) == 11
    assert measured["paper_top1"].isna().all()


def test_reported_rows_are_the_whole_table_of_the_paper():
    reported = table1(*experiment(title="motions")).query("source == 'reported'")
    assert len(reported) == len(PAPER)
    assert (reported["top1"] == reported["paper_top1"]).all()
    assert reported[["seeds", "n_videos", "top1_std", "n_missing"]].isna().all(axis=None)
    assert set(reported["dataset"]) == {"UCF-101", "HMDB-51"}
    long = row(reported, dataset="HMDB-51", method="Dual-action Stream (64f)", column="Mimic+Flow")
    assert (long.top1, long.clip_length, long.pretrain) == (81.2, 64, "Kinetics")
    c3d = row(reported, dataset="UCF-101", method="C3D (2015)")
    assert c3d.top1 == 82.3
    assert c3d[["clip_length"]].isna().all()


def test_pretraining_goes_back_through_the_streams():
    table = table1(*experiment())
    measured = table[table["source"] == "measured"]
    for column in ("Mimic", "Mimic+RGB", "Mimic+Flow"):
        mimic = row(measured, method="MARS (16f)", column=column)
        assert mimic.pretrain == "Flow_Kinetics_16f.pth"
    assert row(measured, column="RGB").pretrain == "none"
    assert row(measured, column="RGB+Flow").pretrain == "none+Flow_Kinetics_16f.pth"


def test_a_missing_seed_is_named():
    single, fused = experiment(seeds=(0, 1))
    single = [s for s in single if (s.run["stream"], s.run["seed"]) != ("ds", 1)]
    with pytest.raises(ValueError, match=r"no result for ds on UCF-101, split 1, 16f, seed 1;"):
        table1(single, fused)


def test_a_missing_fusion_is_named():
    single, fused = experiment()
    for missing, named in ((4, r"ds \+ flow"), (6, r"ds \+ rgb \+ flow")):
        some = [item for i, item in enumerate(fused) if i != missing]
        with pytest.raises(ValueError, match=rf"{named} \(average fusion\) on UCF.* seed 0;"):
            table1(single, some)


def test_doubtful_input_is_refused():
    single, fused = experiment(seeds=(0, 1))
    with pytest.raises(ValueError, match="two results for flow on UCF-101, split 1, 16f, seed 0"):
        table1([*single, single[0]], fused)
    other = [scores("flow", 3, of=9, seed=1) if s is single[1] else s for s in single]
    with pytest.raises(ValueError, match=r"n_videos differs .* flow on UCF-101.*\[9, 10\]"):
        table1(other, fused)
    same = {**STREAMS, "ds": {**STREAMS["ds"], "title": "MARS"}}
    with pytest.raises(ValueError, match=r"title of 'MARS \(16f\)'"):
        table1(single, fused, same)


ABLATION = [
    {"method": "Control", "stream": "rgb"},
    {"method": "Baseline (MARS)", "stream": "mars", "fuse": [], "by": "average"},
    {"method": "Dual-action Stream + Flow", "stream": "ds", "fuse": ["flow"]},
    {
        **{"method": "Dual-action Stream + Flow + attention fusion"},
        **{"stream": "ds", "fuse": ["flow"], "by": "attention"},
    },
]


def attention(seed):
    return fusion("flow", "ds", top1=90.0 + seed, kind="attention", seed=seed, title="motions")


def table2():
    single, fused = experiment(seeds=(0, 1), title="motions")
    fused += [attention(s) for s in (0, 1)]
    more, other = experiment(seeds=(0, 1), title="motions", length=64)
    return tables.table2(single + more, fused + other, ABLATION)


def test_table2():
    table = table2()
    assert " ".join(table.columns) == (
        "method top1 top1_std seeds paper_top1 dataset split clip_length n_videos protocol "
        "n_missing low high"
    )
    assert table["top1"].tolist() == [65, 75, 74.5, 90.5]
    assert (table["low"] < table["top1"]).all()
    assert (table["top1"] < table["high"]).all()
    assert table["top1_std"].tolist() == pytest.approx([50**0.5, 50**0.5, 0.5**0.5, 0.5**0.5])
    assert table["paper_top1"].fillna(0).tolist() == [0, 94.6, 95.6, 95.7]
    assert set(table["clip_length"]) == {16}


def test_table2_names_what_is_missing():
    with pytest.raises(ValueError, match=r"ds \+ flow \(attention fusion\)"):
        tables.table2(*experiment(), ABLATION)


# --- text ----------------------------------------------------------------------------------


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
    assert head2[6:] == [f"HMDB-51 {name}" for name in mimic]
    # The first block has no fourth column.
    blocks = rows[: rows.index(head2)], rows[rows.index(head2) :]
    assert [{len(r) for r in block} for block in blocks] == [{8}, {10}]
    names = [(r[0], r[1]) for r in rows]
    assert len(set(names)) == len(names)
    paper = PAPER[["method", "pretrain"]].drop_duplicates()
    assert len(rows) == 2 + len(paper) + 1  # two headers, and our two-stream row
    by_name = {r[0]: r for r in rows}
    weights = r"Flow\_Kinetics\_16f.pth (Kinetics†)"
    assert by_name["MARS (16f)"][1:] == [
        *(weights, "75.0 ± 7.1 (94.6)", "71.5 ± 0.7 (95.6)", "72.5 ± 0.7 (94.9)", "75.5 ± 0.7"),
        *("72.3†", "73.1†", "74.5†", "—"),
    ]
    assert by_name["Two streams (16f)"][2:] == ["65.0 ± 7.1", "55.0 ± 7.1", "70.5 ± 0.7", *"———"]
    assert by_name["MARS (64f)"][1:3] == ["Kinetics", "97.1†"]
    assert sorted(r[1] for r in rows if r[0] == "TSN") == ["ImageNet", "ImageNet+Kinetics"]


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
    rows = markdown_rows(tables.to_markdown(tables.render_table2(table2())))
    paper = "Paper (UCF-101, split 1, 16f)"
    assert rows[0] == ["Method", "motions, split 1, 16f", "95 % interval", paper]
    assert [row[:2] + row[3:] for row in rows[1:4:2]] == [
        ["Control", "65.0 ± 7.1", "—"],
        ["Dual-action Stream + Flow", "74.5 ± 0.7", "95.6"],
    ]
    of_the_first = table2().iloc[0]
    assert rows[1][2] == f"{of_the_first.low:.1f} to {of_the_first.high:.1f}"
    assert len(rows) == 1 + len(ABLATION)


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
    assert r"\cmidrule(lr){3-6}\cmidrule(lr){7-10}" in text
    by_name = {r[0]: r for r in cells}
    assert by_name["MARS (16f)"][2] == r"75.0 $\pm$ 7.1 (94.6)"
    assert by_name["MARS (16f)"][6] == r"72.3$^{\dagger}$"
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
        r"a\_b & 50 % #1 $x$ {y} \\z \~^ [\*] \<\|>"
    )


def test_plain_numbers_have_three_significant_digits():
    numbers = {"a": [47.512], "b": [0.04126], "c": [1234.56], "d": [np.nan], "e": [0.0], "f": [12]}
    text = tables.render_plain(pd.DataFrame({"name": ["n"], **numbers}), "T.")
    assert text.blocks[0].rows == (("n", "47.5", "0.0413", "1235", "—", "0", "12"),)
    assert text.align == "lrrrrrr"


class Page(HTMLParser):
    """The lines of a page's tables, each as its cells, and what is written small or references."""

    def __init__(self):
        super().__init__()
        self.open, self.rows, self.small, self.spans, self.text = [], [], [], [], ""
        self.references = []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.references += [v for k, v in attributes if k in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.spans.append(int(found.get("colspan", 1)))
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if "small" in self.open:
            self.small.append(data)
        elif {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def read_page(text):
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.references == []  # it needs no other file
    return page


def test_the_page_of_table1_has_intervals_and_the_papers_numbers():
    table = table1(*experiment(seeds=(0, 1)))
    page = read_page(tables.to_html(tables.render_table1(table, cells=tables.DETAILED), "origin"))
    groups, head, *first_block = page.rows[:17]
    assert groups == ["", "UCF-101", "HMDB-51"]
    assert page.spans[:3] == [2, 3, 3]
    assert head[2:] == ["RGB", "Flow", "RGB+Flow"] * 2
    assert {len(row) for row in first_block[:-2]} == {8}
    mars = row(table, method="MARS (16f)", column="Mimic", source="measured")
    cells = next(cells for cells in page.rows if cells[0] == "MARS (16f)")
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


def test_intervals_hold_the_mean_and_shrink_with_the_videos(monkeypatch):
    monkeypatch.setattr(sys.modules[significance.__module__], "RESAMPLES", 2000)
    widths = []
    for videos in (10, 1000):
        single = [scores(name, videos // 2, of=videos) for name in TRAINED]
        fused = [fusion(*names, top1=60.0, of=videos) for names in FUSED]
        measured = table1(single, fused).query("source == 'measured'")
        assert (measured["low"] < measured["top1"]).all()
        assert (measured["high"] > measured["top1"]).all()
        widths.append((measured["high"] - measured["low"]).mean())
    # A proportion's interval of 95 % is 2 x 1.96 sqrt(p (1 - p) / n) wide.
    assert widths[1] == pytest.approx(200 * 1.96 * (0.25 / 1000) ** 0.5, rel=0.05)
    assert widths[0] > 5 * widths[1]


def test_pages_escape_names():
    name = "<script>alert('a & b')</script>"
    table = pd.DataFrame({"method": [name], "ms": [1.0]})
    text = tables.to_html(tables.render_plain(table, f"On {name}", [name]), name)
    assert "<script" not in text
    page = read_page(text)
    assert page.rows[1] == [name, "1.00"]
    assert page.text.count(name) == 5  # title, heading, cell, note, origin


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

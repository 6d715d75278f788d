"""Tables as Markdown and LaTeX, from one description of their cells."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dsnet.provenance import canonical, record, replacing

NOTHING = "—"
REPORTED = "†"
BLOCKS = {
    "Method": ("RGB", "Flow", "RGB+Flow"),
    "Distillation methods": ("Mimic", "Mimic+RGB", "Mimic+Flow"),
}
PROTOCOLS = {
    "held-out": "the epoch selected on training videos set aside",
    "paper": "the epoch selected on the test split, on which MARS's code validates",
}
LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{character: "\\" + character for character in "&%$#_{}"},
        **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
        # After \\ a bracket would begin an optional argument and a star change the spacing.
        **{"[": "{[}", "*": "{*}"},
        **{"±": r"$\pm$", REPORTED: r"$^{\dagger}$", NOTHING: "--", "\n": " "},
    }
)
MARKDOWN = str.maketrans({**{character: "\\" + character for character in r"\|*_`<~"}, "\n": " "})


@dataclass(frozen=True)
class Block:
    """Rows under one line of column names, all as plain text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TextTable:
    """A table of plain, unescaped text.

    Attributes:
        title: first sentence of the caption.
        notes: further sentences.
        align: ``l``, ``c`` or ``r`` for each column.
        groups: name and width of the column groups; the widths sum to the number of columns.
        blocks: the rows, each block with its own column names.
    """

    title: str
    notes: tuple[str, ...]
    align: str
    groups: tuple[tuple[str, int], ...]
    blocks: tuple[Block, ...]


def to_markdown(text: TextTable) -> str:
    """Title, one table per block (Markdown has no merged cells), then the notes as a list."""
    rules = {"l": ":--", "c": ":-:", "r": "--:"}
    prefixes = [name for name, width in text.groups for _ in range(width)]
    parts = [f"**{text.title.translate(MARKDOWN)}**"]
    for block in text.blocks:
        names = [f"{p} {name}".strip() for p, name in zip(prefixes, block.header, strict=True)]
        lines = [_markdown_row(names), _markdown_row([rules[a] for a in text.align], escape=False)]
        parts.append("\n".join(lines + [_markdown_row(row) for row in block.rows]))
    parts.append("\n".join(f"- {note.translate(MARKDOWN)}" for note in text.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_row(cells: Iterable[str], escape: bool = True) -> str:
    return f"| {' | '.join(c.translate(MARKDOWN) if escape else c for c in cells)} |"


def to_latex(text: TextTable) -> str:
    """A ``table`` environment in the style of booktabs, never wider than the text."""
    caption = " ".join([text.title, *text.notes]).translate(LATEX)
    lines = [
        r"% needs \usepackage{booktabs,adjustbox}",
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{caption}}}",
        r"\begin{adjustbox}{max width=\textwidth}",
        rf"\begin{{tabular}}{{{text.align}}}",
        r"\toprule",
        *_latex_groups(text.groups),
    ]
    for number, block in enumerate(text.blocks):
        lines += [r"\midrule"] * (number > 0)
        lines += [_latex_row(block.header), r"\midrule", *map(_latex_row, block.rows)]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{adjustbox}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _latex_groups(groups: Sequence[tuple[str, int]]) -> list[str]:
    """The line of group names and the rules under them; nothing when no group has a name."""
    cells, rules, column = [], [], 1
    for name, width in groups:
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{name.translate(LATEX)}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{column}-{column + width - 1}}}")
        column += width
    return [" & ".join(cells) + r" \\", "".join(rules)] if rules else []


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cell.translate(LATEX) for cell in cells) + r" \\"


def render_table1(table: pd.DataFrame, listed: Mapping[str, int] | None = None) -> TextTable:
    """Table 1 in the paper's shape: a row per method, column groups per data set, two blocks.

    A method that was measured on one data set and is only reported for another has one row.

    Args:
        table: what :func:`dsnet.tables.table1` returns.
        listed: by data set's title, how many videos its official lists name (for the note on
            missing ones).
    """
    places = _distinct(table, ["dataset", "split"])
    titles = [dataset for dataset, _ in places]
    names = [d if titles.count(d) == 1 else f"{d}, split {split}" for d, split in places]
    measured = table[table["source"] == "measured"]
    blocks = [
        Block((head, "Pre-training", *columns * len(places)), _table1_rows(table, places, columns))
        for head, columns in BLOCKS.items()
    ]
    notes = [
        f"{_statistic(measured)}. {REPORTED} marks numbers reported in the paper (split 1), which "
        "were not measured here; beside a measured number the paper's stands in parentheses.",
        *_conditions(measured, listed),
    ]
    return TextTable(
        "Top-1 accuracy in per cent on the test videos.",
        tuple(notes),
        "ll" + "c" * 3 * len(places),
        (("", 2), *((name, 3) for name in names)),
        tuple(blocks),
    )


def _table1_rows(
    table: pd.DataFrame, places: Sequence[Any], columns: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    """Cells of one block. Methods with several kinds of pre-training have a row for each."""
    block = table[table["column"].isin(columns)].to_dict("records")
    measured = {row["method"] for row in block if row["source"] == "measured"}
    cells: dict[tuple[str, str], dict[tuple[Any, str], str]] = {}
    pretrain: dict[tuple[str, str], dict[str, str]] = {}
    for row in block:  # measured rows come first and are not replaced by reported ones
        key = (row["method"], "" if row["method"] in measured else row["pretrain"])
        place = ((row["dataset"], row["split"]), row["column"])
        cells.setdefault(key, {}).setdefault(place, _cell(row))
        pretrain.setdefault(key, {})[row["source"]] = row["pretrain"]  # the last is of all streams
    return tuple(
        (
            key[0],
            _pretraining(pretrain[key]),
            *(found.get((place, column), NOTHING) for place in places for column in columns),
        )
        for key, found in cells.items()
    )


def _pretraining(by_source: Mapping[str, str]) -> str:
    """What a method was pre-trained on here and, where that differs, in the paper."""
    ours, theirs = by_source.get("measured", ""), by_source.get("reported", "")
    if not ours or not theirs or ours == theirs:
        return ours or theirs
    return f"{ours} ({theirs}{REPORTED})"


def _distinct(table: pd.DataFrame, columns: list[str]) -> list[tuple[Any, ...]]:
    """The different values of some columns, in order of appearance."""
    return list(table[columns].drop_duplicates().itertuples(index=False, name=None))


def _cell(row: Mapping[Any, Any]) -> str:
    if row["source"] == "reported":
        return f"{row['top1']:.1f}{REPORTED}"
    paper = "" if pd.isna(row["paper_top1"]) else f" ({row['paper_top1']:.1f})"
    return _value(row) + paper


def _value(row: Mapping[Any, Any]) -> str:
    spread = "" if pd.isna(row["top1_std"]) else f" ± {row['top1_std']:.1f}"
    return f"{row['top1']:.1f}{spread}"


def _statistic(measured: pd.DataFrame) -> str:
    seeds = sorted(set(measured["seeds"]))
    if not seeds:
        return "Nothing was measured"
    if seeds == [1]:
        return "Measured with one seed"
    return f"Mean ± sample standard deviation over {' or '.join(map(str, seeds))} seeds"


def _conditions(measured: pd.DataFrame, listed: Mapping[str, int] | None) -> list[str]:
    """For each data set and split: clip lengths, test videos, protocol and missing videos."""
    sentences = []
    for dataset, split in _distinct(measured, ["dataset", "split"]):
        rows = measured[(measured["dataset"] == dataset) & (measured["split"] == split)]
        lengths = " and ".join(str(length) for length in dict.fromkeys(rows["clip_length"]))
        videos = " or ".join(f"{n:,}" for n in dict.fromkeys(rows["n_videos"]))
        protocols = "; ".join(
            f"protocol {p}" + (f" ({PROTOCOLS[p]})" if p in PROTOCOLS else "")
            for p in dict.fromkeys(rows["protocol"])
        )
        sentence = f"{dataset}, split {split}: clips of {lengths} frames, {videos} test videos, "
        missing = int(rows["n_missing"].max())
        if missing:
            of = f" of the {listed[dataset]:,}" if listed and dataset in listed else ""
            protocols += f"; {missing:,}{of} listed videos were missing"
        sentences.append(f"{sentence}{protocols}.")
    return sentences


def render_table2(table: pd.DataFrame, listed: Mapping[str, int] | None = None) -> TextTable:
    """Table 2 as in the paper, with the paper's numbers in a column of their own.

    Arguments as for :func:`render_table1`.
    """
    places = _distinct(table, ["dataset", "split", "clip_length"])
    ours = "; ".join(f"{dataset}, split {split}, {length}f" for dataset, split, length in places)
    rows = tuple(
        (row["method"], _value(row), _plain(row["paper_top1"], "{:.1f}"))
        for row in table.to_dict("records")
    )
    notes = [
        f"{_statistic(table)}. The paper's numbers are of UCF-101, split 1, 16 frames.",
        *_conditions(table, listed),
    ]
    return TextTable(
        "Ablation: top-1 accuracy in per cent on the test videos.",
        tuple(notes),
        "lcc",
        (("", 3),),
        (Block(("Method", ours or "Top-1", "Paper (UCF-101, split 1, 16f)"), rows),),
    )


def render_plain(
    table: pd.DataFrame,
    title: str,
    notes: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> TextTable:
    """Any table as it is: a column per column, numbers with three significant digits.

    Args:
        table: text and numbers; empty cells become a dash.
        title: first sentence of the caption.
        notes: further sentences.
        headers: names to show instead of the columns' own.
    """
    rows = tuple(tuple(map(_plain, row)) for row in table.itertuples(index=False, name=None))
    header = tuple((headers or {}).get(column, column) for column in table.columns)
    align = "".join("r" if pd.api.types.is_numeric_dtype(t) else "l" for t in table.dtypes)
    return TextTable(title, tuple(notes), align, (("", len(header)),), (Block(header, rows),))


def _plain(value: Any, form: str = "") -> str:
    """A cell's text; without ``form`` floats have three significant digits, no exponent."""
    if pd.isna(value):
        return NOTHING
    if form:
        return form.format(value)
    if isinstance(value, float):
        digits = 2 - math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
        return f"{value:.{max(digits, 0)}f}"
    return str(value)


def write(
    table: pd.DataFrame,
    text: TextTable,
    csv: str | os.PathLike[str],
    markdown: str | os.PathLike[str],
    latex: str | os.PathLike[str],
) -> None:
    """Write a table as CSV (numbers to four decimals), Markdown and LaTeX.

    The latter two end with a comment that has the package versions and the commit. Each file
    appears under its name only when complete.
    """
    origin = canonical(record())
    contents = {
        csv: table.round(4).to_csv(index=False, lineterminator="\n"),
        markdown: f"{to_markdown(text)}\n<!-- {origin} -->\n",
        latex: f"{to_latex(text)}% {origin}\n",
    }
    for path, content in contents.items():
        with replacing(path) as temporary:
            temporary.write_text(content, encoding="utf-8")

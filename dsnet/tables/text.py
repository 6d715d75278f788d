"""Tables as text, and as Markdown and LaTeX from one description of their cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

NOTHING = "—"
REPORTED = "†"
RANDOM = (
    "Seeds and groups of test videos are random: an interval is about other seeds and other videos "
    "too. One seed has no interval."
)
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
    """Rows under one line of column names, all as plain text.

    A column without a name has nothing in it: formats that need not align the blocks drop it.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def named(self, cells: Sequence[str]) -> list[str]:
        """Those of one row's cells whose column has a name."""
        return [cell for cell, name in zip(cells, self.header, strict=True) if name]


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
    align = [rules[a] for a in text.align]
    for block in text.blocks:
        names = [f"{p} {name}".strip() for p, name in zip(prefixes, block.header, strict=True)]
        parts.append("\n".join(_markdown_row(block.named(r)) for r in (names, align, *block.rows)))
    parts.append("\n".join(f"- {note.translate(MARKDOWN)}" for note in text.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.translate(MARKDOWN) for cell in cells)} |"


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


def accuracy(row: Mapping[Any, Any]) -> str:
    """``75.0 ± 7.1``, of ``top1`` and ``top1_std``, or ``75.0`` of a single seed."""
    spread = "" if pd.isna(row["top1_std"]) else f" ± {row['top1_std']:.1f}"
    return f"{row['top1']:.1f}{spread}"


def interval(row: Mapping[Any, Any]) -> str:
    """``70.1 to 79.3``, of ``low`` and ``high``; a dash where there is none."""
    if pd.isna(row["low"]):
        return NOTHING
    return f"{row['low']:.1f} to {row['high']:.1f}"


def per_cent(value: float) -> str:
    """With one decimal; a dash for what is not known."""
    return NOTHING if pd.isna(value) else f"{value:.1f}"


def _plain(value: Any) -> str:
    """A cell's text; floats have three significant digits, no exponent."""
    if pd.isna(value):
        return NOTHING
    if isinstance(value, float):
        digits = 2 - math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
        return f"{value:.{max(digits, 0)}f}"
    return str(value)

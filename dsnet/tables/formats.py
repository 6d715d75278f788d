"""File formats of a table: CSV, Markdown, LaTeX, and HTML that needs no other file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import pandas as pd

from dsnet.csvs import inert
from dsnet.provenance import canonical, record, replacing
from dsnet.tables.text import NOTHING, REPORTED, Block, TextTable

MARKDOWN = str.maketrans({**{character: "\\" + character for character in r"\|*_`<~[]"}, "\n": " "})
LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{character: "\\" + character for character in "&%$#_{}"},
        **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
        # After \\ a bracket would start an optional argument, and a star would change the spacing.
        **{"[": "{[}", "*": "{*}"},
        **{
            "\N{NO-BREAK SPACE}": "~",
            "±": r"$\pm$",
            REPORTED: r"$^{\dagger}$",
            NOTHING: "--",
            "\n": " ",
        },
    }
)
LONG = 24  # characters of a line that may be broken
CSS = """
:root { color-scheme: light dark; --ink: #1c2024; --faint: #5f6771; --line: #d5d9de;
  --paper: #ffffff; --raised: #f3f5f7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --faint: #a3abb5; --line: #3c434b; --paper: #16191d; --raised: #22272d; }
}
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.15rem; font-weight: 600; margin: 0 0 1rem; }
.scroll { overflow-x: auto; margin-bottom: 1.75rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; vertical-align: bottom; }
thead tr:last-child th { border-bottom: 2px solid var(--faint); }
tbody th { font-weight: 400; vertical-align: top; }
tbody tr > * { white-space: nowrap; }
tbody tr > .long { white-space: normal; min-width: 12rem; }
th:first-child { position: sticky; left: 0; background: var(--paper); text-align: left; }
tbody tr:hover > * { background: var(--raised); }
.group { border-left: 1px solid var(--line); }
.l { text-align: left; } .c { text-align: center; } .r { text-align: right; }
.faint, small, .notes, footer { color: var(--faint); }
small { display: block; font-size: .8rem; line-height: 1.3; }
.notes { max-width: 60rem; padding-left: 1.2rem; font-size: .9rem; }
footer { font-size: .8rem; overflow-wrap: anywhere; }
""".strip()
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{css}
</style>
</head>
<body>
<h1>{title}</h1>
{tables}
<ul class="notes">
{notes}
</ul>
<footer><details><summary>Versions and commit</summary>{origin}</details></footer>
</body>
</html>
"""


def write(
    table: pd.DataFrame,
    text: TextTable,
    csv: Path,
    markdown: Path,
    latex: Path,
    html: Path,
    *,
    page: TextTable | None = None,
) -> None:
    """Write a table as CSV (:func:`to_csv`), Markdown, LaTeX and HTML.

    All except the CSV end with package versions and commit. Each file appears when it is complete.
    ``table`` has the numbers, ``text`` the cells, and ``page`` other cells for the HTML, if any.
    """
    origin = canonical(record())
    contents = {
        csv: to_csv(table),
        markdown: f"{to_markdown(text)}\n<!-- {origin} -->\n",
        latex: f"{to_latex(text)}% {origin}\n",
        html: to_html(page or text, origin),
    }
    for path, content in contents.items():
        with replacing(path) as temporary:
            temporary.write_text(content, encoding="utf-8")


def to_csv(table: pd.DataFrame) -> str:
    """Format a table as CSV, numbers to four decimals, and none of them as -0.0."""
    return inert(table.round(4).replace(-0.0, 0.0)).to_csv(index=False, lineterminator="\n")


def to_markdown(text: TextTable) -> str:
    """Format title, one table per block (Markdown cannot merge cells), and the notes as a list."""

    def row(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.translate(MARKDOWN) for cell in cells)} |"

    prefixes = [name for name, width in text.groups for _ in range(width)]
    parts = [f"**{text.title.translate(MARKDOWN)}**"]
    align = [{"l": ":--", "c": ":-:", "r": "--:"}[a] for a in text.align]
    for block in text.blocks:
        names = [f"{p} {name}".strip() for p, name in zip(prefixes, block.header, strict=True)]
        parts.append("\n".join(row(block.named(cells)) for cells in (names, align, *block.rows)))
    parts.append("\n".join(f"- {note.translate(MARKDOWN)}" for note in text.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_latex(text: TextTable) -> str:
    """Format a ``table`` environment in the style of booktabs, never wider than the text."""

    def row(cells: Iterable[str]) -> str:
        return " & ".join(cell.translate(LATEX) for cell in cells) + r" \\"

    lines = [
        r"% needs \usepackage{booktabs,adjustbox}",
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{' '.join([text.title, *text.notes]).translate(LATEX)}}}",
        r"\begin{adjustbox}{max width=\textwidth}",
        rf"\begin{{tabular}}{{{text.align}}}",
        r"\toprule",
    ]
    if any(name for name, _ in text.groups):
        heads = [rf"\multicolumn{{{n}}}{{c}}{{{name.translate(LATEX)}}}" for name, n in text.groups]
        starts = _starts(text.groups)
        rules = [rf"\cmidrule(lr){{{column + 1}-{column + n}}}" for column, n in starts.items()]
        lines += [" & ".join(heads) + r" \\", "".join(rules)]
    for number, block in enumerate(text.blocks):
        lines += [r"\midrule"] * (number > 0)
        lines += [row(block.header), r"\midrule", *map(row, block.rows)]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{adjustbox}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _starts(groups: Iterable[tuple[str, int]]) -> dict[int, int]:
    """Return first column and width of the groups that have a name."""
    found, column = {}, 0
    for name, width in groups:
        if name:
            found[column] = width
        column += width
    return found


def to_html(text: TextTable, origin: str) -> str:
    """Format a page with title, one table per block, notes, and ``origin``, folded up, at the end.

    The first line of a cell is large. Reported numbers and empty cells are grey.
    """
    return PAGE.format(
        title=escape(text.title),
        tables="\n".join(_table(text, block) for block in text.blocks),
        notes="\n".join(f"<li>{escape(note)}</li>" for note in text.notes),
        origin=escape(origin),
        css=CSS,
    )


def _table(text: TextTable, block: Block) -> str:
    """Format one block as a table; only columns with a name count for the width of a group."""
    groups, column = [], 0
    for name, width in text.groups:
        groups.append((name, sum(map(bool, block.header[column : column + width]))))
        column += width
    starts, align = _starts(groups), block.named(text.align)
    lines = ['<div class="scroll"><table>', "<thead>"]
    if starts:
        cells = [
            f'<th colspan="{width}" class="c{" group" if name else ""}">{escape(name)}</th>'
            for name, width in groups
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    lines += [_row(block.named(block.header), align, starts, "th"), "</thead>", "<tbody>"]
    lines += [_row(block.named(row), align, starts, "td") for row in block.rows]
    return "\n".join([*lines, "</tbody>", "</table></div>"])


def _row(cells: Sequence[str], align: Sequence[str], starts: Iterable[int], tag: str) -> str:
    """Format one line; its first cell is its heading."""
    parts = []
    for column, cell in enumerate(cells):
        kinds = [align[column]] + ["group"] * (column in starts)
        kinds += ["faint"] * (cell == NOTHING or cell.endswith(REPORTED))
        kinds += ["long"] * (max(map(len, cell.split("\n"))) > LONG)
        name, scope = (tag, "") if column or tag == "th" else ("th", ' scope="row"')
        scope = ' scope="col"' if tag == "th" else scope
        first, *others = (escape(line) for line in cell.split("\n"))
        first = first.replace("+", "+<wbr>") if tag == "th" else first  # a line may break there
        content = first + "".join(f"<small>{line}</small>" for line in others)
        parts.append(f'<{name}{scope} class="{" ".join(kinds)}">{content}</{name}>')
    return f"<tr>{''.join(parts)}</tr>"

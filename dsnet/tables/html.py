"""Tables as pages of their own: they need no other file and are light or dark as the browser is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dsnet.tables.text import NOTHING, REPORTED, Block, TextTable

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
tbody th { font-weight: 400; vertical-align: top; min-width: 12rem; }
th:first-child { position: sticky; left: 0; background: var(--paper); text-align: left; }
tbody tr:hover > * { background: var(--raised); }
.group { border-left: 1px solid var(--line); }
.l { text-align: left; } .c { text-align: center; } .r { text-align: right; }
td.c, td.r { white-space: nowrap; }
.faint, small, .notes, footer { color: var(--faint); }
small { display: block; font-size: .8rem; line-height: 1.3; }
.notes { max-width: 60rem; padding-left: 1.2rem; font-size: .9rem; }
footer { font-size: .8rem; overflow-wrap: anywhere; }
""".strip()


def to_html(text: TextTable, origin: str) -> str:
    """A page with title, one table per block, notes, and where it comes from.

    Of a cell with several lines the first is written large. Numbers that are only reported are
    greyed, and so are cells without one.

    Args:
        text: the cells.
        origin: versions and commit, folded up at the end.
    """
    title = escape(text.title)
    tables = "\n".join(_table(text, block) for block in text.blocks)
    notes = "\n".join(f"<li>{escape(note)}</li>" for note in text.notes)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{CSS}
</style>
</head>
<body>
<h1>{title}</h1>
{tables}
<ul class="notes">
{notes}
</ul>
<footer><details><summary>Versions and commit</summary>{escape(origin)}</details></footer>
</body>
</html>
"""


def _table(text: TextTable, block: Block) -> str:
    align = block.named(text.align)
    starts = _starts(text, block)
    lines = ['<div class="scroll"><table>', "<thead>", *_groups(text, block)]
    lines += [_row(block.named(block.header), align, starts, "th"), "</thead>", "<tbody>"]
    lines += [_row(block.named(row), align, starts, "td") for row in block.rows]
    return "\n".join([*lines, "</tbody>", "</table></div>"])


def _widths(text: TextTable, block: Block) -> list[tuple[str, int]]:
    """Name and width of the groups, counting the columns that have a name in this block."""
    found, column = [], 0
    for name, width in text.groups:
        found.append((name, sum(map(bool, block.header[column : column + width]))))
        column += width
    return found


def _starts(text: TextTable, block: Block) -> set[int]:
    """The columns that a group with a name begins at."""
    starts, column = set(), 0
    for name, width in _widths(text, block):
        if name:
            starts.add(column)
        column += width
    return starts


def _groups(text: TextTable, block: Block) -> list[str]:
    """The line of group names; nothing when no group has a name."""
    widths = _widths(text, block)
    if not any(name for name, _ in widths):
        return []
    cells = [
        f'<th colspan="{width}" class="c{" group" if name else ""}">{escape(name)}</th>'
        for name, width in widths
    ]
    return [f"<tr>{''.join(cells)}</tr>"]


def _row(cells: Sequence[str], align: Sequence[str], starts: set[int], tag: str) -> str:
    """One line; the first cell of every line is its heading."""
    parts = []
    for column, cell in enumerate(cells):
        kinds = [align[column]] + ["group"] * (column in starts)
        kinds += ["faint"] * (cell == NOTHING or cell.endswith(REPORTED))
        name, scope = (tag, "") if column or tag == "th" else ("th", ' scope="row"')
        scope = ' scope="col"' if tag == "th" else scope
        first, *others = (escape(line) for line in cell.split("\n"))
        first = first.replace("+", "+<wbr>") if tag == "th" else first  # may break there
        content = first + "".join(f"<small>{line}</small>" for line in others)
        parts.append(f'<{name}{scope} class="{" ".join(kinds)}">{content}</{name}>')
    return f"<tr>{''.join(parts)}</tr>"

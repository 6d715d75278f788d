"""The files of a table: CSV, Markdown, LaTeX and HTML."""

from __future__ import annotations

import os

import pandas as pd

from dsnet.provenance import canonical, record, replacing
from dsnet.tables.html import to_html
from dsnet.tables.text import TextTable, to_latex, to_markdown

PathLike = str | os.PathLike[str]


def write(
    table: pd.DataFrame,
    text: TextTable,
    csv: PathLike,
    markdown: PathLike,
    latex: PathLike,
    html: PathLike,
    *,
    page: TextTable | None = None,
) -> None:
    """Write a table as CSV (numbers to four decimals), Markdown, LaTeX and HTML.

    The latter three end with the package versions and the commit, the first two of them in a
    comment. Each file appears under its name only when complete.

    Args:
        table: the numbers.
        text: the cells.
        csv: file to write, as are the next three.
        page: the cells of the HTML, where they are others.
    """
    origin = canonical(record())
    contents = {
        csv: table.round(4).to_csv(index=False, lineterminator="\n"),
        markdown: f"{to_markdown(text)}\n<!-- {origin} -->\n",
        latex: f"{to_latex(text)}% {origin}\n",
        html: to_html(page or text, origin),
    }
    for path, content in contents.items():
        with replacing(path) as temporary:
            temporary.write_text(content, encoding="utf-8")

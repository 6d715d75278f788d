"""Tables 1 and 2: what this run measured beside what the paper reports, as CSV and as text."""

from dsnet.tables.results import table1, table2
from dsnet.tables.text import (
    TextTable,
    render_plain,
    render_table1,
    render_table2,
    to_latex,
    to_markdown,
    write,
)

__all__ = [
    "TextTable",
    "render_plain",
    "render_table1",
    "render_table2",
    "table1",
    "table2",
    "to_latex",
    "to_markdown",
    "write",
]

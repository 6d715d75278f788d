"""What this run measured beside what the paper reports, and what differs beyond chance."""

from dsnet.tables.files import write
from dsnet.tables.html import to_html
from dsnet.tables.layout import COMPACT, DETAILED, Cells, render_table1, render_table2
from dsnet.tables.reading import listed, titled_fusions, titled_scores
from dsnet.tables.results import table1, table2
from dsnet.tables.significance import render_significance, significance
from dsnet.tables.study import claims, render_claims, render_study, study
from dsnet.tables.text import TextTable, render_plain, to_latex, to_markdown

__all__ = [
    "COMPACT",
    "DETAILED",
    "Cells",
    "TextTable",
    "claims",
    "listed",
    "render_claims",
    "render_plain",
    "render_significance",
    "render_study",
    "render_table1",
    "render_table2",
    "significance",
    "study",
    "table1",
    "table2",
    "titled_fusions",
    "titled_scores",
    "to_html",
    "to_latex",
    "to_markdown",
    "write",
]

"""Tables of measured results beside the paper's, with tests of the differences."""

from dsnet.tables.classes import classes_table
from dsnet.tables.formats import to_csv, to_html, to_latex, to_markdown, write
from dsnet.tables.layout import DETAILED, render_table1, render_table2
from dsnet.tables.measured import listed, titled_fusions, titled_scores
from dsnet.tables.results import table1, table2
from dsnet.tables.significance import render_significance, significance
from dsnet.tables.study import claims, render_claims, render_study, study
from dsnet.tables.text import TextTable, render_plain

__all__ = [
    "DETAILED",
    "TextTable",
    "claims",
    "classes_table",
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
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
    "write",
]

"""Figures of a run. Each function takes data and returns a matplotlib figure."""

from dsnet.figures.attention import attention_weights
from dsnet.figures.bars import table1_bars
from dsnet.figures.contact import contact_sheet, draw_contact
from dsnet.figures.cost import accuracy_cost
from dsnet.figures.intervals import intervals
from dsnet.figures.scores import draw_run
from dsnet.figures.style import save

__all__ = [
    "accuracy_cost",
    "attention_weights",
    "contact_sheet",
    "draw_contact",
    "draw_run",
    "intervals",
    "save",
    "table1_bars",
]

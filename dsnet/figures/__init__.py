"""Figures of a run. Each function takes data and returns a matplotlib figure."""

from dsnet.figures.attention import attention_weights
from dsnet.figures.bars import table1_bars
from dsnet.figures.colours import flow_colours
from dsnet.figures.contact import contact_sheet
from dsnet.figures.cost import accuracy_cost
from dsnet.figures.curves import curves_together, training_curves
from dsnet.figures.drawing import draw_contact, draw_run
from dsnet.figures.intervals import intervals
from dsnet.figures.per_class import confusion_matrices, per_class_difference
from dsnet.figures.style import save

__all__ = [
    "accuracy_cost",
    "attention_weights",
    "confusion_matrices",
    "contact_sheet",
    "curves_together",
    "draw_contact",
    "draw_run",
    "flow_colours",
    "intervals",
    "per_class_difference",
    "save",
    "table1_bars",
    "training_curves",
]

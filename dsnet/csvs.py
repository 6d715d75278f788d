"""CSV files of a run: read with the types that they were written with, and safe to open."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

# Columns of text in all our tables. The other columns are numbers.
TEXT = (
    *("dataset", "method", "column", "source", "protocol", "pretrain", "streams"),
    *("claim", "answer", "against", "group", "input", "device", "backend"),
    *("stream", "teacher", "level"),
)
# How a formula, or a text that was made safe, begins.
FORMULA = r"[=+\-@\t\r']"


def read(path: Path) -> pd.DataFrame:
    """Read a table; raise FileNotFoundError if there is none.

    The columns of :data:`TEXT` are text, also for ``2020`` or ``NA``, and empty where a value is
    missing. The others are numbers or NaN.
    """
    types = dict.fromkeys(TEXT, str)
    table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
    return table.fillna(dict.fromkeys(TEXT, "")).replace(rf"^'(?={FORMULA})", "", regex=True)


def inert(table: pd.DataFrame) -> pd.DataFrame:
    """Put ``'`` before texts that a spreadsheet would run as formulas; :func:`read` removes it."""
    return table.replace(rf"^(?={FORMULA})", "'", regex=True)

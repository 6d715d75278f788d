"""CSV files of a run: read with the types that they were written with, and safe to open."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from dsnet.provenance import opened

# Columns of text in all our tables. The other columns are numbers.
TEXT = (
    *("dataset", "method", "column", "source", "protocol", "pretrain", "streams"),
    *("claim", "answer", "against", "group", "input", "device", "backend"),
    *("stream", "teacher", "level"),
)
# How a formula, or a text that was made safe, begins.
FORMULA = r"[=+\-@\t\r']"


def read(path: Path) -> pd.DataFrame:
    """Read a table.

    The columns of :data:`TEXT` are text, also for ``2020`` or ``NA``, and empty where a value is
    missing. The others are numbers or NaN.

    Raises:
        RemakeError: the file is damaged, or a column of numbers has something else.
        FileNotFoundError: there is none.
    """
    types = dict.fromkeys(TEXT, str)
    with opened(path, "table of dsnet") as content:
        table = pd.read_csv(BytesIO(content), dtype=types, keep_default_na=False, na_values=[""])
        numbers = [name for name in table.columns if name not in TEXT]
        wrong = [name for name in numbers if not is_numeric_dtype(table[name])]
        table = table.astype(dict.fromkeys(wrong, float))  # fails, unless there are no rows
    return table.fillna(dict.fromkeys(TEXT, "")).replace(rf"^'(?={FORMULA})", "", regex=True)


def inert(table: pd.DataFrame) -> pd.DataFrame:
    """Put ``'`` before texts that a spreadsheet would run as formulas; :func:`read` removes it."""
    return table.replace(rf"^(?={FORMULA})", "'", regex=True)

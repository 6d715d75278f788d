"""Reading of the CSVs that a run leaves, with the types that they were written with."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

# Columns of text of all our tables; the others are numbers.
TEXT = (
    *("dataset", "method", "column", "source", "protocol", "pretrain", "streams"),
    *("claim", "answer", "against", "group", "input", "device", "backend"),
    *("stream", "teacher", "level"),
)


def read(path: Path) -> pd.DataFrame:
    """Read a table; names stay text where they look like numbers (``2020``) or nothing (``NA``).

    Its columns :data:`TEXT` are text, empty where there is none; the others numbers or NaN.

    Raises:
        FileNotFoundError: no such file.
    """
    types = dict.fromkeys(TEXT, str)
    table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
    return table.fillna(dict.fromkeys(TEXT, ""))

"""Reading of the CSV files of a run, with the types that they were written with."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

# Columns of text in all our tables. The other columns are numbers.
TEXT = (
    *("dataset", "method", "column", "source", "protocol", "pretrain", "streams"),
    *("claim", "answer", "against", "group", "input", "device", "backend"),
    *("stream", "teacher", "level"),
)


def read(path: Path) -> pd.DataFrame:
    """Read a table; raise FileNotFoundError if there is none.

    The columns of :data:`TEXT` are text, also for ``2020`` or ``NA``, and empty where a value is
    missing. The others are numbers or NaN.
    """
    types = dict.fromkeys(TEXT, str)
    table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
    return table.fillna(dict.fromkeys(TEXT, ""))

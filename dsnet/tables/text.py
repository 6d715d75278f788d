"""Tables of plain text: the cells for every format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

NOTHING = "—"
REPORTED = "†"
RANDOM = (
    "Seeds and groups of test videos are random: an interval is about other seeds and other videos "
    "too. One seed has no interval."
)

MACRO = (
    "Macro is the mean of the classes' accuracies, in which every class counts the same. It is "
    "shown where it differs from top-1, as it may if classes have different numbers of test videos."
)


@dataclass(frozen=True)
class Block:
    """Rows under one line of column names, all as plain text.

    A column without a name is empty. Formats that need not align the blocks drop it.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def named(self, cells: Sequence[str]) -> list[str]:
        """Return the cells of a row in the columns with names."""
        return [cell for cell, name in zip(cells, self.header, strict=True) if name]


@dataclass(frozen=True)
class TextTable:
    """A table of plain, unescaped text.

    Attributes:
        title: first sentence of the caption.
        notes: further sentences.
        align: ``l``, ``c`` or ``r`` for each column.
        groups: name and width of the column groups; the widths sum to the number of columns.
        blocks: the rows, each block with its own column names.
    """

    title: str
    notes: tuple[str, ...]
    align: str
    groups: tuple[tuple[str, int], ...]
    blocks: tuple[Block, ...]


def render_plain(
    table: pd.DataFrame,
    title: str,
    notes: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> TextTable:
    """Format any table as text: floats with three significant digits, a dash for empty cells.

    ``title`` is the first sentence of the caption, ``notes`` are further sentences, and ``headers``
    replace the names of columns.
    """
    rows = tuple(tuple(map(_plain, row)) for row in table.itertuples(index=False, name=None))
    header = tuple((headers or {}).get(column, column) for column in table.columns)
    align = "".join("r" if pd.api.types.is_numeric_dtype(t) else "l" for t in table.dtypes)
    return TextTable(title, tuple(notes), align, (("", len(header)),), (Block(header, rows),))


def _plain(value: Any) -> str:
    if pd.isna(value):
        return NOTHING
    if isinstance(value, float):
        digits = 2 - math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
        return f"{value:z.{max(digits, 0)}f}"
    return str(value)


def accuracy(row: Mapping[Any, Any]) -> str:
    """Format ``top1`` and ``top1_std`` as ``75.0 ± 7.1``, or ``75.0`` for a single seed."""
    spread = "" if pd.isna(row["top1_std"]) else f" ± {row['top1_std']:.1f}"
    return f"{row['top1']:.1f}{spread}"


def uneven(rows: Iterable[Mapping[Any, Any]]) -> bool:
    """Return whether macro accuracy and top-1 differ, to one decimal, in one of the rows."""
    return any(per_cent(row["macro"]) not in (NOTHING, per_cent(row["top1"])) for row in rows)


def interval(row: Mapping[Any, Any]) -> str:
    """Format ``low`` and ``high`` as ``70.1 to 79.3``; a dash without an interval."""
    return NOTHING if pd.isna(row["low"]) else f"{row['low']:z.1f} to {row['high']:z.1f}"


def per_cent(value: float) -> str:
    """Format a number with one decimal; a dash if it is unknown."""
    return NOTHING if pd.isna(value) else f"{value:z.1f}"


def signed(value: float) -> str:
    """Format a difference with its sign and one decimal; what rounds to zero has no sign."""
    text = f"{value:+z.1f}"
    return "0.0" if text == "+0.0" else text

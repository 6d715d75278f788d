"""Tables 1 and 2 as text, in the layout of the paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from dsnet.tables.text import (
    MACRO,
    NOTHING,
    RANDOM,
    REPORTED,
    Block,
    TextTable,
    accuracy,
    interval,
    per_cent,
    uneven,
)

BLOCKS = {  # an empty name makes both blocks equally wide
    "Method": ("RGB", "Flow", "RGB+Flow", ""),
    "Distillation methods": ("Mimic", "Mimic+RGB", "Mimic+Flow", "Mimic+RGB+Flow"),
}
WIDTH = 4  # columns per data set
PROTOCOLS = {
    "held-out": "the epoch selected on training videos set aside",
    "paper": "the epoch selected on the test split, on which MARS's code validates",
}


class Cells(NamedTuple):
    """A format for a measured cell of Table 1, and the sentence that explains it."""

    write: Callable[[Mapping[Any, Any]], str]
    note: str


def _compact(row: Mapping[Any, Any]) -> str:
    paper = "" if pd.isna(row["paper_top1"]) else f" ({row['paper_top1']:.1f})"
    return accuracy(row) + paper


def _detailed(row: Mapping[Any, Any]) -> str:
    lines = [accuracy(row)]
    if not pd.isna(row["low"]):
        lines.append(interval(row))
    if uneven([row]):
        lines.append(f"macro {row['macro']:.1f}")
    if not pd.isna(row["paper_top1"]):
        lines.append(f"paper {row['paper_top1']:.1f}")
    return "\n".join(lines)


COMPACT = Cells(_compact, "Beside a measured number the paper's stands in parentheses.")
DETAILED = Cells(
    _detailed,
    f"Under a measured number stand its 95 % interval and the paper's number for the same data set "
    f"and method. {RANDOM}",
)


def render_table1(
    table: pd.DataFrame, listed: Mapping[str, int] | None = None, cells: Cells = COMPACT
) -> TextTable:
    """Format Table 1: a row per method, column groups per data set, two blocks.

    ``table`` is from :func:`dsnet.tables.table1`. ``listed`` has the number of videos in the
    official lists of each data set, by its title. ``cells`` is :data:`COMPACT` or :data:`DETAILED`.
    """
    places = _distinct(table, ["dataset", "split"])
    titles = [dataset for dataset, _ in places]
    names = [d if titles.count(d) == 1 else f"{d}, split {split}" for d, split in places]
    measured = table[table["source"] == "measured"]
    blocks = [
        Block(
            (head, "Pre-training", *columns * len(places)),
            _table1_rows(table, places, columns, cells),
        )
        for head, columns in BLOCKS.items()
    ]
    cited = (
        f" {REPORTED} marks numbers reported in the paper (split 1), which were not measured here."
    )
    explained = cells is DETAILED or bool(measured["paper_top1"].notna().any())
    notes = [
        f"{_statistic(measured)}.{cited * (len(measured) < len(table))}"
        + f" {cells.note}" * explained,
        *[MACRO] * (cells is DETAILED and uneven(measured.to_dict("records"))),
        *_conditions(measured, listed),
    ]
    return TextTable(
        "Top-1 accuracy in per cent on the test videos.",
        tuple(notes),
        "ll" + "c" * WIDTH * len(places),
        (("", 2), *((name, WIDTH) for name in names)),
        tuple(block for block in blocks if block.rows),
    )


def _table1_rows(
    table: pd.DataFrame, places: Sequence[Any], columns: Sequence[str], written: Cells
) -> tuple[tuple[str, ...], ...]:
    """Return the cells of one block; a method has one row per kind of pre-training."""
    block = table[table["column"].isin(columns)].to_dict("records")
    measured = {row["method"] for row in block if row["source"] == "measured"}
    cells: dict[tuple[str, str], dict[tuple[Any, str], str]] = {}
    pretrain: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for row in block:  # measured rows come first; reported ones do not replace them
        key = (row["method"], "" if row["method"] in measured else row["pretrain"])
        place = ((row["dataset"], row["split"]), row["column"])
        text = f"{row['top1']:.1f}{REPORTED}" if row["source"] == "reported" else written.write(row)
        cells.setdefault(key, {}).setdefault(place, text)
        # The last row of a data set is of all streams.
        pretrain.setdefault(key, {}).setdefault(row["source"], {})[row["dataset"]] = row["pretrain"]
    places_and_columns = [(place, column) for place in places for column in columns]
    return tuple(
        (
            key[0],
            _pretraining(pretrain[key]),
            *(found.get(each, NOTHING if each[1] else "") for each in places_and_columns),
        )
        for key, found in cells.items()
    )


def _pretraining(by_source: Mapping[str, Mapping[str, str]]) -> str:
    """Return the pre-training of a method for each data set, and the paper's if it differs."""
    ours, theirs = (
        ", ".join(dict.fromkeys(by_source.get(source, {}).values()))
        for source in ("measured", "reported")
    )
    if not ours or not theirs or ours == theirs:
        return ours or theirs
    return f"{ours} ({theirs}{REPORTED})"


def _distinct(table: pd.DataFrame, columns: list[str]) -> list[tuple[Any, ...]]:
    """Return the distinct values of some columns, in order of appearance."""
    return list(table[columns].drop_duplicates().itertuples(index=False, name=None))


def _statistic(measured: pd.DataFrame) -> str:
    seeds = sorted(set(measured["seeds"]))
    if not seeds:
        return "Nothing was measured"
    if seeds == [1]:
        return "Measured with one seed"
    return f"Mean ± sample standard deviation over {' or '.join(map(str, seeds))} seeds"


def _conditions(measured: pd.DataFrame, listed: Mapping[str, int] | None) -> list[str]:
    """Describe each data set and split: clip lengths, videos, protocol, missing videos."""
    sentences = []
    for dataset, split in _distinct(measured, ["dataset", "split"]):
        rows = measured[(measured["dataset"] == dataset) & (measured["split"] == split)]
        lengths = " and ".join(str(length) for length in dict.fromkeys(rows["clip_length"]))
        videos = " or ".join(f"{n:,}" for n in dict.fromkeys(rows["n_videos"]))
        protocols = "; ".join(
            f"protocol {p}" + (f" ({PROTOCOLS[p]})" if p in PROTOCOLS else "")
            for p in dict.fromkeys(rows["protocol"])
        )
        sentence = f"{dataset}, split {split}: clips of {lengths} frames, {videos} test videos, "
        missing = int(rows["n_missing"].max())
        if missing:
            of = f" of the {listed[dataset]:,}" if listed and dataset in listed else ""
            protocols += f"; {missing:,}{of} listed videos were missing"
        sentences.append(f"{sentence}{protocols}.")
    return sentences


def render_table2(table: pd.DataFrame, listed: Mapping[str, int] | None = None) -> TextTable:
    """Format Table 2 with intervals and the paper's numbers; see :func:`render_table1`."""
    places = _distinct(table, ["dataset", "split", "clip_length"])
    paper = "Paper (UCF-101, split 1, 16f)"
    ours = "; ".join(f"{dataset}, split {split}, {length}f" for dataset, split, length in places)
    found = table.to_dict("records")
    macro = uneven(found)
    cited = bool(table["paper_top1"].notna().any())
    rows = tuple(
        (row["method"], accuracy(row), interval(row))
        + (per_cent(row["paper_top1"]),) * cited
        + (per_cent(row["macro"]),) * macro
        for row in found
    )
    notes = [
        f"{_statistic(table)}. {RANDOM}",
        *["The paper's numbers are of UCF-101, split 1, 16 frames."] * cited,
        *[MACRO] * macro,
        *_conditions(table, listed),
    ]
    columns = ("Method", ours or "Top-1", "95 % interval")
    header = columns + (paper,) * cited + ("Macro",) * macro
    return TextTable(
        "Ablation: top-1 accuracy in per cent on the test videos.",
        tuple(notes),
        "l" + "c" * (len(header) - 1),
        (("", len(header)),),
        (Block(header, rows),),
    )

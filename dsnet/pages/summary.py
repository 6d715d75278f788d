"""What a run found, in three numbers and one picture: the first page of the report."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dsnet.pages.page import write
from dsnet.tables.text import signed

Rows = Mapping[str, Mapping[Any, Any]]


class Number(NamedTuple):
    """A number with its unit, and what it says."""

    value: str
    unit: str
    says: str


def summary_page(
    table: pd.DataFrame,
    latency: pd.DataFrame,
    streams: Sequence[str],
    titles: Mapping[str, str],
    picture: Path,
    output: Path,
) -> None:
    """Write the numbers of the first data set, split and clip length of a run.

    Args:
        table: of :func:`dsnet.tables.table1`.
        latency: of :func:`dsnet.latency.measure`.
        streams: the RGB stream, the student and the flow stream.
        titles: the streams' titles by name.
        picture: an SVG.
        output: the page, also to be included in another.
    """
    rows = table[table["source"] == "measured"]
    first = rows.iloc[0]
    place = ["dataset", "split", "clip_length"]
    here = rows[(rows[place] == first[place]).all(axis=1)]
    write(
        "summary.html",
        output,
        where=f"{first['dataset']}, split {first['split']:.0f}, {first['clip_length']:.0f} frames",
        others=len(rows[place].drop_duplicates()) - 1,
        numbers=_numbers(_by_streams(here), _by_streams(latency), streams, titles),
        picture=base64.b64encode(picture.read_bytes()).decode(),
    )


def _by_streams(table: pd.DataFrame) -> Rows:
    return {row["streams"]: row for row in table.to_dict("records")}


def _numbers(
    top1: Rows, cost: Rows, streams: Sequence[str], titles: Mapping[str, str]
) -> list[Number]:
    rgb, student, flow = streams
    beside = flow if student == rgb else rgb  # without a student, the two streams are compared
    row, plain, both = (top1[name] for name in (student, beside, f"{rgb}+{flow}"))
    gain = row["top1"] - plain["top1"]
    seeds = "one seed"
    if row["seeds"] > 1:
        seeds = f"{row['seeds']:.0f} seeds, \N{PLUS-MINUS SIGN}{row['top1_std']:.1f}"
    spent = cost[student]
    two, with_flow = f"{titles[rgb]} + {titles[flow]}", cost.get(f"{rgb}+{flow}")
    # What imported flow costs is not known.
    takes = f"takes {with_flow['ms_total']:.1f} ms and " if with_flow else ""
    return [
        Number(
            f"{row['top1']:.1f}",
            "%",
            f"top-1 of {titles[student]}, {row['n_videos']:.0f} test videos, {seeds}",
        ),
        Number(
            signed(gain).replace("-", "\N{MINUS SIGN}"),
            "points",
            f"beside {titles[beside]}, which has {plain['top1']:.1f} %",
        ),
        Number(
            f"{spent['ms_total']:.1f}",
            "ms",
            f"a clip on {spent['device']}; {two} {takes}has {both['top1']:.1f} %",
        ),
    ]

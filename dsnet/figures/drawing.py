"""From the files of a run to its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dsnet import csvs
from dsnet.figures.contact import contact_sheet, evenly
from dsnet.figures.curves import curves_together, training_curves
from dsnet.figures.per_class import confusion_matrices, per_class_difference
from dsnet.figures.style import save
from dsnet.scores import read_scores

CONTACT_VIDEOS = 10


def draw_run(
    scores: Sequence[Path],
    histories: Sequence[Path],
    streams: Mapping[str, Mapping[str, Any]],
    compare: Sequence[str],
    png: Sequence[Path],
    svg: Sequence[Path],
) -> None:
    """Draw training curves, confusion matrices and the per-class difference of two streams.

    Args:
        scores: ``scores.h5`` of all streams and seeds of one data set, split and clip length.
        histories: ``history.csv`` of the same, in the same order.
        streams: the config's streams.
        compare: the two streams whose difference is drawn, first minus second.
        png: the files to write: training curves apart and together, confusion, difference.
        svg: the same.

    Raises:
        RemakeError: one of ``scores`` is damaged.
        ValueError: the two streams have different classes.
    """
    loaded = [read_scores(path) for path in scores]
    keys = [(s.run["stream"], s.run["seed"]) for s in loaded]
    titles = {name: stream["title"] for name, stream in streams.items()}
    curves = {key: csvs.read(path) for key, path in zip(keys, histories, strict=True)}
    first = [s for s in loaded if s.run["seed"] == loaded[0].run["seed"]]
    a, b = ([s for s in loaded if s.run["stream"] == name] for name in compare)
    figures = (
        training_curves(curves, titles),
        curves_together(curves, titles),
        confusion_matrices(first, titles),
        per_class_difference(a, b, (titles[compare[0]], titles[compare[1]])),
    )
    for figure, *paths in zip(figures, png, svg, strict=True):
        save(figure, *paths)


def draw_contact(clips_path: Path, png: Path, svg: Path) -> None:
    """Draw frames and flow of the first test video of up to ten classes, spread over all."""
    from dsnet import clips  # and with it PyTorch, which all other figures do without

    reader = clips.open_clips(clips_path)
    table = clips.table(reader)
    test = table[table["split1"] == "test"]
    firsts = (test if len(test) else table).drop_duplicates("label").sort_values("label")
    chosen = firsts.iloc[evenly(len(firsts), CONTACT_VIDEOS)]
    ids, labels = list(chosen["id"]), list(chosen["label"])
    reader.verify(ids, reader.modalities)
    save(contact_sheet(reader, ids, labels, reader.extra["classes"]), png, svg)

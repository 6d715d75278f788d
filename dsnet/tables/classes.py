"""Accuracy of every class and stream, with intervals for few videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dsnet.scores import Scores, per_class
from dsnet.tables.statistics import deviation, wilson

CLASS_COLUMNS = (
    *("dataset", "split", "clip_length", "class", "stream", "method", "top1", "top1_std"),
    *("low", "high", "seeds", "n_videos"),
)


def classes_table(scores: Sequence[Scores], titles: Mapping[str, str]) -> pd.DataFrame:
    """Collect the accuracy of every class and stream on the test videos of a split.

    Args:
        scores: scores of every stream and seed, of one data set, split and clip length.
        titles: the streams' titles by name.

    Returns:
        Columns :data:`CLASS_COLUMNS`, a row per class and stream. ``top1`` is the mean over seeds
        in per cent, ``top1_std`` the sample standard deviation. ``low`` and ``high`` are
        :func:`~dsnet.tables.statistics.wilson`'s interval of ``top1`` for ``n_videos``. All seeds
        see the same videos, so seeds do not add to ``n_videos``. A class without test videos has no
        accuracy.
    """
    by_stream: dict[str, list[Scores]] = {}
    for item in scores:
        by_stream.setdefault(item.run["stream"], []).append(item)
    rows = []
    for label, name in enumerate(scores[0].classes):
        for stream, items in by_stream.items():
            run, test = items[0].run, items[0].parts["test"]
            found = [per_class(i.parts["test"].videos, i.parts["test"].labels) for i in items]
            top1 = np.array([of_classes[label] for of_classes in found], float)
            count = int((test.labels == label).sum())
            low, high = wilson(float(top1.mean()) / 100, count)
            rows.append(
                {
                    **{"dataset": run["title"], "split": run["split"]},
                    **{"clip_length": run["clip_length"], "class": name, "stream": stream},
                    **{"method": titles[stream], "top1": float(top1.mean())},
                    **{"top1_std": deviation(top1.tolist()), "low": 100 * low, "high": 100 * high},
                    **{"seeds": len(items), "n_videos": count},
                }
            )
    return pd.DataFrame(rows, columns=list(CLASS_COLUMNS))

"""Results as the files of a run have them: two classes, few videos, and what is right by choice."""

from dataclasses import replace
from importlib import resources
from itertools import product

import numpy as np
import pandas as pd

from dsnet import tables
from dsnet.scores import Part, Scores

PAPER = pd.read_csv(str(resources.files("dsnet") / "paper" / "table1.csv"))
STREAMS = {
    "flow": {
        "title": "Flow",
        "input": "flow",
        "pretrained": "weights/Flow_Kinetics_{clip_length}f.pth",
    },
    "rgb": {"title": "RGB", "input": "rgb", "init": None},
    "left-out": None,
    "mars": {"title": "MARS", "input": "rgb", "init": "flow", "teacher": "flow"},
    "ds": {"title": "Dual-action Stream", "input": "rgb", "init": "flow", "teacher": "flow"},
}
TRAINED = [name for name, stream in STREAMS.items() if stream]
FUSED = [
    *[("rgb", "flow"), ("mars", "rgb"), ("flow", "mars"), ("ds", "rgb"), ("ds", "flow")],
    *[("mars", "flow", "rgb"), ("ds", "rgb", "flow")],
]


def run(seed=0, title="UCF-101", split=1, length=16, missing=0, protocol="held-out", **more):
    return {
        **{"dataset": title.lower(), "title": title, "split": split, "clip_length": length},
        **{"seed": seed, "protocol": protocol, "n_missing": missing, **more},
    }


def first(count, of=10):
    """Whether each of ``of`` videos is right, when the first ``count`` are."""
    return np.arange(of) < count


def part(right, ids=None, groups=None):
    """Scores of two classes that are right where ``right``; each video its own group by default."""
    labels = np.arange(len(right)) % 2
    logits = np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)]
    ids = tuple(ids or map(str, range(len(right))))
    return Part(ids, labels, logits, np.ones(len(right), np.int64), tuple(groups or ids))


def scores(stream, right, ids=None, selection=None, groups=None, **where):
    """Scores of one stream: which test videos are right, and which of those that select."""
    parts = {"test": part(right, ids, groups)}
    if selection is not None:
        parts["validation"] = part(selection)
    return Scores(run(stream=stream, **where), ("a", "b"), parts)


def fusion(*streams, top1, kind="average", of=10, **where):
    """A fusion that is right for ``top1`` per cent of the videos, to the nearest."""
    return {
        **{"run": run(streams=list(streams), kind=kind, **where), "top1": top1, "n_videos": of},
        "right": first(round(top1 * of / 100), of).tolist(),
    }


def experiment(seeds=(0,), **where):
    """Everything Table 1 needs; top-1 of stream i is 50 + 10 i + 10 seed, of fusion i 70 + i."""
    single = [
        scores(name, first(5 + i + seed), seed=seed, **where)
        for (i, name), seed in product(enumerate(TRAINED), seeds)
    ]
    fused = [
        fusion(*names, top1=70.0 + i + seed, seed=seed, **where)
        for (i, names), seed in product(enumerate(FUSED), seeds)
    ]
    return single, fused


def one_video_of_a_class(right, stream="rgb", **where):
    """Scores of one stream, right where ``right``; the last video is the only one of class b."""
    item = scores(stream, right, **where)
    labels = (np.arange(len(right)) == len(right) - 1).astype(int)
    logits = np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)]
    test = replace(item.parts["test"], labels=labels, clips=logits)
    return [replace(item, parts={"test": test})], []


def table1(single, fused, streams=STREAMS):
    students = [n for n, s in streams.items() if s and s["input"] == "rgb" and n != "rgb"]
    return tables.table1(single, fused, streams, ["rgb", "flow"], students)


def row(table, **where):
    chosen = table[np.logical_and.reduce([table[k] == v for k, v in where.items()])]
    assert len(chosen) == 1, chosen
    return chosen.iloc[0]


ABLATION = [
    {"method": "Control", "stream": "rgb"},
    {"method": "Baseline (MARS)", "stream": "mars", "fuse": [], "by": "average"},
    {"method": "Dual-action Stream + Flow", "stream": "ds", "fuse": ["flow"]},
    {
        **{"method": "Dual-action Stream + Flow + attention fusion"},
        **{"stream": "ds", "fuse": ["flow"], "by": "attention"},
    },
]


def attention(seed, **where):
    return fusion("flow", "ds", top1=90.0 + seed, kind="attention", seed=seed, **where)


def table2(title="UCF-101"):
    single, fused = experiment(seeds=(0, 1), title=title)
    fused += [attention(s, title=title) for s in (0, 1)]
    more, other = experiment(seeds=(0, 1), title=title, length=64)
    return tables.table2(single + more, fused + other, ABLATION)


def even(table):
    """The table as if classes had equally many videos and fusions the ``top1`` that they say."""
    return table.assign(macro=table["top1"])

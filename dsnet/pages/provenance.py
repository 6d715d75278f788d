"""What a run was made with: versions, commit, settings of every artifact, time and memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from dsnet import clips, costs
from dsnet.pages import settings
from dsnet.pages.page import write
from dsnet.provenance import canonical
from dsnet.scores import open_scores

PathLike = str | os.PathLike[str]
Row = dict[str, Any]
# What a record says beside the code and the packages; shown with each training.
OF_A_JOB = ("device", "processes")


def provenance_page(
    clips_paths: Sequence[PathLike],
    models: Sequence[PathLike],
    scores: Sequence[PathLike],
    fusions: Sequence[PathLike],
    benchmarks: PathLike,
    titles: Mapping[str, str],
    output: PathLike,
) -> None:
    """Write what the artifacts of an experiment say of themselves, and what their jobs cost.

    Args:
        clips_paths: ``clips.h5`` of every data set.
        models: ``model.pt`` of every stream and run.
        scores: ``scores.h5`` of the same.
        fusions: the JSON of every fusion.
        benchmarks: the folder of Snakemake's measurements.
        titles: the streams' titles, in the order to be shown.
        output: the page.

    Raises:
        CostError: there are no measurements.
        RemakeError: one of ``clips_paths`` or ``scores`` is damaged.
    """
    data = [_data(path) for path in clips_paths]
    trained = sorted((_trained(path) for path in models), key=_order(titles))
    fused = [json.loads(Path(path).read_text(encoding="utf-8")) for path in fusions]
    records = {
        "clips": [item["provenance"] for item in data],
        "models": [item["provenance"] for item in trained],
        "scores": [_scored(path) for path in scores],
        "fusions": [item["provenance"] for item in fused],
    }
    # motions/split1/16f/seed0/fusion/ds+flow.average, as Snakemake's measurements are named.
    fusion_places = {_last(Path(path).with_suffix(""), 6) for path in fusions}
    made = {item["place"] for item in trained} | fusion_places
    found = costs.jobs(benchmarks)
    found = found[costs.belonging(found, {item["name"] for item in data}, made)]
    of_streams = settings.by_stream(trained, titles)
    write(
        "provenance.html",
        output,
        made_by=_makers(records),
        runs=_runs([item["spec"] for item in trained]),
        stages=_stages(found),
        data=data,
        shared=settings.shared(of_streams),
        differing=settings.differing(of_streams),
        trained=[_with_cost(item, found) for item in trained],
        fusion=_fusion_settings(fused),
        titles=titles,
    )


def _last(path: Path, parts: int) -> str:
    """The last parts of a path: from the data set on, where it is one of an artifact."""
    return "/".join(path.parts[-parts:])


def _fusion_settings(fused: Iterable[Row]) -> list[settings.Settings]:
    """How fusions are made, every way once; their kinds are in their names."""
    specs = {canonical({k: v for k, v in item["spec"].items() if k != "kind"}) for item in fused}
    return [settings.flat(json.loads(text)) for text in sorted(specs)]


def _order(titles: Mapping[str, str]) -> Callable[[Row], tuple[int, str]]:
    """Streams as the config has them, and their runs in the order of their names."""
    names = list(titles)
    return lambda item: (names.index(item["run"]["stream"]), canonical(item["run"]))


def _data(path: PathLike) -> Row:
    """What a data set's ``clips.h5`` says of itself."""
    reader = clips.open_clips(path)
    extra = reader.extra
    return {
        "name": Path(path).parent.name,
        "videos": len(reader.videos),
        "classes": len(extra["classes"]),
        "listed": extra["n_listed"],
        "missing": extra["n_missing"],
        "backends": extra["flow_backends"],
        "spec": settings.flat(reader.spec),
        "provenance": reader.provenance,
    }


def _trained(path: PathLike) -> Row:
    """What a ``model.pt`` says of itself."""
    # Mapped, so that the weights, which may be gigabytes, are not read.
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return {
        "place": _last(Path(path).parent, 5),  # motions/split1/16f/seed0/ds
        "run": content["spec"]["run"],
        "spec": content["spec"],
        "epoch": content["epoch"],
        "epochs": content["last"]["epoch"],
        "warnings": content["warnings"],
        "provenance": content["provenance"],
    }


def _scored(path: PathLike) -> Any:
    """What a ``scores.h5`` was made with."""
    with open_scores(path) as file:
        return json.loads(file.attrs["provenance"])


def _makers(records: Mapping[str, Iterable[Row]]) -> list[Row]:
    """Different records of code, packages and machine, and of how many artifacts each is."""
    found: dict[str, Row] = {}
    for kind, items in records.items():
        for item in items:
            of_all = {key: value for key, value in item.items() if key not in OF_A_JOB}
            row = found.setdefault(canonical(of_all), {**of_all, "counts": {}})
            row["counts"][kind] = row["counts"].get(kind, 0) + 1
    return list(found.values())


def _runs(specs: Iterable[Row]) -> dict[str, list[Any]]:
    """The values of each word of the runs but the stream's, in order: protocol, splits, seeds."""
    runs = [spec["run"] for spec in specs]
    keys = ("dataset", "protocol", "split", "clip_length", "seed")
    return {key: sorted({run[key] for run in runs}) for key in keys}


def _stages(found: pd.DataFrame) -> list[Row]:
    """Jobs, seconds and memory of each stage, and of all together."""
    parts = [(name, part) for name, part in found.groupby("stage", sort=False)]
    total = found["seconds"].sum()
    return [
        {
            "stage": name,
            "jobs": len(part),
            "seconds": part["seconds"].sum(),
            "share": part["seconds"].sum() / total,
            "cpu_seconds": part["cpu_seconds"].sum(),
            "longest": part["seconds"].max(),
            "memory_mb": part["memory_mb"].max(),
        }
        for name, part in [*parts, ("all", found)]
    ]


def _with_cost(item: Row, found: pd.DataFrame) -> Row:
    """A training with its seconds and memory; NaN where Snakemake did not measure it."""
    own = found[found["place"] == f"{item['place']}/train"]
    nan = float("nan")
    seconds, memory = (own[c].iloc[0] if len(own) else nan for c in ("seconds", "memory_mb"))
    return {**item, "seconds": seconds, "memory_mb": memory}

"""Similarity of the features of students and their teachers, and maps of the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from dsnet import clips, models
from dsnet.clips import normalise
from dsnet.devices import choose_device
from dsnet.experiment.specs import DataSpec, TrainSpec
from dsnet.inference import to_device
from dsnet.models import Backbone
from dsnet.provenance import canonical, record, replacing
from dsnet.spacing import middles
from dsnet.store import Reader

CLIPS = 64  # test videos, spread over all classes
PLACES = 32  # in time and space, per clip and level
SHOWN = 4  # clips with stored maps
COLUMNS = ("stream", "teacher", "level", "cka", "clips", "examples")


def cka(x: np.ndarray, y: np.ndarray) -> float:
    """Compute the debiased linear centred kernel alignment of two sets of features.

    It is 1 for features that are equal up to rotation, scale and shift. Its expected value is 0 for
    independent features, even with few examples per channel. Source: Kornblith et al. (2019), with
    the HSIC estimator of Song et al. (2012) in the form of Szekely and Rizzo (2014).

    Args:
        x: (n, C) float, n at least 4.
        y: (n, D) float, the same examples.

    Returns:
        A number of at most 1, up to rounding. NaN if n is below 4, or if the features of all
        examples but one are equal.
    """
    if len(x) < 4:
        return float("nan")
    a, b = _centred(x), _centred(y)
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / scale if scale else float("nan")


def _centred(x: np.ndarray) -> np.ndarray:
    """Compute the products of examples, (n, n), U-centred: a row without its diagonal sums to 0.

    The HSIC of two such matrices is the sum of their products divided by n (n - 3).
    """
    n = len(x)
    x = x.astype(np.float64)
    gram = (x - x.mean(axis=0)) @ (x - x.mean(axis=0)).T
    size = np.linalg.norm(gram)
    np.fill_diagonal(gram, 0)
    rows = gram.sum(axis=0) / (n - 2)
    gram += rows.sum() / (n - 1) - rows - rows[:, None]
    np.fill_diagonal(gram, 0)
    if np.linalg.norm(gram) <= 1e-9 * size:  # only rounding is left
        gram[:] = 0
    return gram


def compare(
    paths: Mapping[str, Path],
    teachers: Mapping[str, str],
    clips_path: Path,
    table: Path,
    maps: Path,
    device: str = "auto",
    threads: int = 1,
) -> pd.DataFrame:
    """Compare the features of RGB streams with those of flow streams, level by level.

    Args:
        paths: ``model.pt`` by stream, all of one run.
        teachers: flow stream to compare with, by RGB stream.
        clips_path: ``clips.h5``.
        table: CSV to write, :data:`COLUMNS`; an example is one place of a clip.
        maps: ``.npz`` to write: ``rgb`` (S, T, H, W, 3) and ``flow`` (S, T, H, W, 2), uint8, the
            networks' inputs for S clips; ``ids`` and ``classes`` of their videos; ``streams``;
            ``bound``, the flow in pixels that 255 stands for; ``rounding``; for every level with
            places, the mean over channels of the absolute features, (streams, S, T', H', W')
            float32; ``about``, JSON.
        device, threads: where the networks run, and their CPU threads.

    Raises:
        CheckpointError: a path is not the file of a trained stream.
        DamagedError: ``clips_path`` is damaged.
    """
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    reader = clips.open_clips(clips_path)
    networks: dict[str, tuple[Backbone, str]] = {}
    for name, path in paths.items():
        network, content = models.load_trained(path, reader.spec)
        to_device(network.eval(), chosen)
        networks[name] = network, content["input"]
    spec = content["spec"]  # the same for all networks: they are of one run
    data = _clips(reader, spec)
    shown = middles(len(data), min(SHOWN, len(data)))
    examples, pictures = _features(networks, data, shown, chosen)
    rows = [
        (name, teacher, level, cka(own, examples[teacher][level]), len(data), len(own))
        for name, teacher in ((name, teachers[name]) for name in paths if name in teachers)
        for level, own in examples[name].items()
    ]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    with replacing(table) as temporary:
        found.to_csv(temporary, index=False, float_format="%.6f")
    about = {"run": spec.run.values(), "provenance": record(device=str(chosen))}
    videos, reader = data.videos, data.videos.reader
    flow = DataSpec.model_validate(reader.spec).flow
    captions: dict[str, Any] = {
        "streams": list(networks),
        "ids": [videos.ids[i] for i in shown],
        "classes": [reader.extra["classes"][videos.labels[i]] for i in shown],
        "bound": flow.bound,
        "rounding": flow.rounding,
        "about": canonical(about),
    }
    with replacing(maps) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **{**captions, **pictures})
    return found


def _clips(reader: Reader, spec: TrainSpec) -> clips.ScoringClips:
    """Return the middle clips, RGB and flow, of test videos spread over all classes."""
    table = clips.table(reader)
    test = table[table["id"].isin(clips.parts(reader, spec)["test"])]
    test = test.sort_values("label", kind="stable").iloc[middles(len(test), min(CLIPS, len(test)))]
    videos = clips.ClipSource.of_spec(reader, test["id"].tolist(), ("rgb", "flow"), spec)
    videos.verify()
    return clips.ScoringClips(videos, most=1)


@torch.no_grad()
def _features(
    networks: Mapping[str, tuple[Backbone, str]],
    data: clips.ScoringClips,
    shown: Sequence[int],
    device: torch.device,
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Return features at places, (n, C) by stream and level, and inputs and maps of some clips.

    The places are drawn per clip and level, and are the same for all streams.
    """
    examples: dict[str, dict[str, list[np.ndarray]]] = {
        name: {level: [] for level in network.levels} for name, (network, _) in networks.items()
    }
    seen: dict[str, list[np.ndarray]] = {"rgb": [], "flow": []}
    maps: dict[str, list[np.ndarray]] = {}
    for index in tqdm(range(len(data)), "features", unit="clip", disable=None):
        clip, _ = data[index]
        found = {}
        for name, (network, modality) in networks.items():
            settings = data.videos.settings.model_copy(update=network.statistics)
            batch = normalise(clip[modality][None], modality, settings, device)
            found[name] = network.forward_features(batch)[1]
            for number, (level, features) in enumerate(found[name].items()):
                examples[name][level].append(_sample(features[0], (index, number)))
        if index in shown:
            for modality, kept in seen.items():
                kept.append(clip[modality].numpy())
            for level in network.levels:
                seen_by = [f[level][0] for f in found.values()]
                if seen_by[0].ndim == 4:
                    strength = [f.abs().mean(dim=0).cpu().numpy() for f in seen_by]
                    maps.setdefault(level, []).append(np.stack(strength))
    joined = {n: {k: np.concatenate(v) for k, v in e.items()} for n, e in examples.items()}
    inputs = {modality: np.stack(kept) for modality, kept in seen.items()}
    return joined, {**inputs, **{level: np.stack(m, axis=1) for level, m in maps.items()}}


def _sample(features: Tensor, key: tuple[int, int]) -> np.ndarray:
    """Return features at places drawn from ``key``: (C, T, H, W) or (C,) to (n, C) float32."""
    flat = features.flatten(1) if features.ndim > 1 else features[:, None]
    places = np.random.default_rng(key).permutation(flat.shape[1])[:PLACES]
    return flat[:, torch.from_numpy(places).to(flat.device)].T.float().cpu().numpy()

"""Cost of inference: milliseconds per clip, parameters and GFLOPs, with and without flow."""

from __future__ import annotations

import copy
import logging
import statistics
import timeit
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from dsnet import clips, flow, models
from dsnet.devices import choose_device
from dsnet.experiment.results import Latency
from dsnet.experiment.specs import DataSpec
from dsnet.flow.paths import along
from dsnet.inference import to_device
from dsnet.models import CHANNELS, Backbone
from dsnet.provenance import canonical
from dsnet.store import Reader
from dsnet.tables import TextTable, render_plain

log = logging.getLogger(__name__)
Loaded = tuple[Backbone, Mapping[str, Any]]  # of a ``model.pt``
HEADERS = {
    "method": "Method",
    "input": "Networks",
    "params_m": "Parameters (M)",
    "gflops": "GFLOPs",
    "ms_network": "Networks (ms)",
    "ms_flow": "Flow (ms)",
    "ms_total": "Total (ms)",
    "device": "Device",
    "backend": "Flow backend",
}


def measure(
    rows: Sequence[tuple[str, Sequence[Path]]],
    clips_path: Path,
    options: Latency,
    device: str = "auto",
    threads: int = 1,
) -> pd.DataFrame:
    """Measure the time of single clips through networks, and of flow if one of them sees it.

    An architecture is timed once: it costs the same in all rows, and with other weights. The
    architectures take turns, so that a slow while of the machine is in the times of all.

    Args:
        rows: title and the ``model.pt`` files that are run one after the other.
        clips_path: ``clips.h5``. Flow is timed on its frames, with as many pairs as lie in the
            time of a clip, and with the backend and settings of its spec.
        options: the config's ``latency``.
        device, threads: where the networks run, and their CPU threads.

    Returns:
        One row per entry of ``rows``: the columns of :data:`HEADERS`, and ``streams``, the streams'
        names joined by ``+``. GFLOPs count two per multiply-add. Times are medians in ms per clip.

    Raises:
        CheckpointError: a path is not the file of a trained stream.
        DamagedError: ``clips_path`` is damaged.
    """
    torch.set_num_threads(threads)
    chosen = choose_device(device)
    reader = clips.open_clips(clips_path)
    loaded = {path: models.load_trained(path, reader.spec) for _, paths in rows for path in paths}
    (length,) = {content["spec"].run.clip_length for _, content in loaded.values()}
    ms_flow, backend = 0.0, ""
    if any(content["input"] == "flow" for _, content in loaded.values()):
        spec = DataSpec.model_validate(reader.spec).flow
        method, gray = flow.of_spec(spec), _gray(reader, length * spec.stride)
        (ms_flow,) = _times([lambda: along(method(gray), spec.stride)], options)
        backend = method.name
    costs = _costs(loaded, chosen, options)
    found = []
    for title, paths in rows:
        inputs = [loaded[path][1]["input"] for path in paths]
        with_flow = ms_flow if "flow" in inputs else 0.0
        ms = sum(costs[path]["ms"] for path in paths)
        found.append(
            {
                "method": title,
                "streams": "+".join(loaded[path][1]["spec"].run.stream for path in paths),
                "input": "+".join(inputs),
                "params_m": sum(costs[path]["params"] for path in paths) / 1e6,
                "gflops": sum(costs[path]["flops"] for path in paths) / 1e9,
                "ms_network": ms,
                "ms_flow": with_flow,
                "ms_total": ms + with_flow,
                "device": _name(chosen),
                "backend": backend if "flow" in inputs else "",
            }
        )
        log.info("%s", found[-1])
    return pd.DataFrame(found)


def _costs(
    loaded: Mapping[Path, Loaded], device: torch.device, options: Latency
) -> dict[Path, dict[str, float]]:
    """Measure networks with one clip: ms, operations (two per multiply-add), parameters."""
    kinds = {path: _architecture(content) for path, (_, content) in loaded.items()}
    each = {kinds[path]: pair for path, pair in loaded.items()}
    found = {kind: _counts(*pair) for kind, pair in each.items()}
    with torch.no_grad():
        times = _times([_runner(*pair, device) for pair in each.values()], options)
    for counts, ms in zip(found.values(), times, strict=True):
        counts["ms"] = ms
    return {path: found[kind] for path, kind in kinds.items()}


def _architecture(content: Mapping[str, Any]) -> str:
    """Return what the cost of a network follows from, all but its weights."""
    size = content["spec"].clips.crop
    return canonical([content["arch"], content["input"], len(content["classes"]), size])


def _clip(content: Mapping[str, Any]) -> torch.Tensor:
    size, length = content["spec"].clips.crop, content["spec"].run.clip_length
    return torch.randn(1, CHANNELS[content["input"]], length, size, size)


def _counts(network: Backbone, content: Mapping[str, Any]) -> dict[str, float]:
    # Counted without computing, and as the network is defined: what a device adds is not counted.
    with FlopCounterMode(display=False) as counter:
        copy.deepcopy(network.eval()).to("meta")(_clip(content).to("meta"))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return {"flops": counter.get_total_flops(), "params": parameters}


def _runner(
    network: Backbone, content: Mapping[str, Any], device: torch.device
) -> Callable[[], None]:
    """Return a function that runs one clip through a network on its device, to the end."""
    to_device(network.eval(), device)
    clip = _clip(content).to(device, memory_format=torch.channels_last_3d)

    def run() -> None:
        network(clip)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


def _gray(reader: Reader, length: int) -> np.ndarray:
    """Return frames of the first video, (length + 1, H, W) uint8; a shorter video is looped."""
    id = next(iter(reader.videos))
    positions = np.arange(length + 1) % reader.videos[id].frames("rgb")
    reader.verify([id], ["rgb"])
    frames = clips.load(reader, id, "rgb", positions)
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])


def _times(runs: Sequence[Callable[[], object]], options: Latency) -> list[float]:
    """Return each run's median time in milliseconds.

    The runs take turns for ``repeats`` rounds, after ``warmup`` rounds.
    """
    rounds = range(options.warmup + options.repeats)
    times = [[timeit.timeit(run, number=1) for run in runs] for _ in rounds]
    return [1e3 * statistics.median(own) for own in zip(*times[options.warmup :], strict=True)]


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''}"


def render(table: pd.DataFrame) -> TextTable:
    """Format the table of :func:`measure` with headings and units."""
    note = "Medians per clip, batch size 1; GFLOPs count two per multiply-add."
    shown = table.drop(columns="streams")
    return render_plain(shown, "Cost of inference per clip", [note], HEADERS)

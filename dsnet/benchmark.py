"""Speed of a stream's network on this machine, in the forms that people can run it in."""

from __future__ import annotations

import logging
import os
import tempfile
import timeit
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from dsnet.devices import choose_device, machine
from dsnet.disk import PathLike
from dsnet.export import ExportError, Run, difference, export, load
from dsnet.models import CHANNELS
from dsnet.predict.streams import Stream
from dsnet.tables import render_plain

log = logging.getLogger(__name__)
WARM_UP = 3  # rounds that do not count
# Largest difference of a logit, relative to the largest. On GPUs the inputs of convolutions keep 10
# bits after the point (TF32).
TOLERANCE = {"cpu": 1e-3, "cuda": 1e-2}
PYTORCH, COMPILED, PT2, ONNX = "PyTorch", "compiled", "torch.export", "ONNX Runtime"
KINDS = {PT2: "pt2", ONNX: "onnx"}  # of exported files


@dataclass(frozen=True)
class Speed:
    """What :func:`benchmark` measured.

    Attributes:
        model: the file.
        machine: date, processor and versions; on a GPU its name, too.
        threads: CPU threads of all forms.
        batch, rounds: clips of a batch, and measurements.
        forms: of each form its ``form``; ``device``; ``ms`` and ``ms_90``, median and 90th
            percentile of the milliseconds of a single clip; ``clips_per_second`` in batches, from
            the median; ``difference``, the largest from PyTorch's logits, relative to the largest.
            A form that could not run has ``form`` and ``reason``.
    """

    model: str
    machine: str
    threads: int
    batch: int
    rounds: int
    forms: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def describe(self) -> str:
        """Format the measurements as an aligned table; a form that could not run has a line."""
        headers = {
            "form": "form",
            "device": "device",
            "ms": "ms per clip",
            "ms_90": "90th percentile",
            "clips_per_second": f"clips/s in batches of {self.batch}",
            "difference": "differs by",
        }
        table = pd.DataFrame(
            [
                row | {"difference": f"{row['difference']:.0e}"}
                for row in self.forms
                if "reason" not in row
            ],
            columns=list(headers),
        )
        (block,) = render_plain(table, "", headers=headers).blocks
        lines = [
            self.model,
            f"{self.machine}; CPU threads: {self.threads}; {self.rounds} rounds",
            "",
            pd.DataFrame(block.rows, columns=block.header).to_string(index=False),
        ]
        lines += [f"{row['form']}: {row['reason']}" for row in self.forms if "reason" in row]
        return "\n".join(lines)


@torch.inference_mode()
def benchmark(
    model: PathLike,
    *,
    onnx: bool = False,
    batch: int = 8,
    rounds: int = 20,
    device: str = "auto",
    threads: int | None = None,
) -> Speed:
    """Measure how fast a stream's network is: single clips, and batches.

    The forms are PyTorch as ``dsnet predict`` runs it, the same compiled by ``torch.compile``, and
    the files of ``dsnet export``. Each gets clips of bytes, (N, T, crop, crop, C), and gives logits
    in the memory of the CPU. They take turns in every round, so other work on the machine slows all
    alike. A form whose logits differ from PyTorch's is not measured. Exported files run on the CPU.

    Args:
        model: ``model.pt`` of a stream.
        onnx: measure ONNX Runtime, too; it needs ``pip install 'dsnet[export]'``.
        batch: clips of a batch.
        rounds: measurements of each form, after :data:`WARM_UP` that do not count.
        device: of PyTorch and the compiled form: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads of all forms; the default is all cores.

    Raises:
        CheckpointError: ``model`` is not the file of a trained stream.
        PredictError: it does not say how its videos were prepared.
        DeviceError: there is no GPU, but one was asked for.
    """
    threads = threads or os.cpu_count() or 1
    torch.set_num_threads(threads)
    stream = Stream(model, choose_device(device))
    clips, batches = _noise(stream, 1), _noise(stream, batch)
    runs: dict[str, Run] = {PYTORCH: stream.logits}
    rows: dict[str, dict[str, Any]] = {PYTORCH: {"device": _name(stream.device), "difference": 0.0}}
    for name in (COMPILED, PT2, ONNX) if onnx else (COMPILED, PT2):
        log.info("preparing: %s", name)
        try:
            runs[name], rows[name] = _prepared(name, stream, threads, (clips, batches))
        except (ExportError, RuntimeError) as error:  # PyTorch finds no compiler, say
            rows[name] = {"reason": str(error).splitlines()[0]}
    single, many = _times(runs, clips, rounds), _times(runs, batches, rounds)
    for name in runs:
        rows[name] |= {
            "ms": 1e3 * float(np.median(single[name])),
            "ms_90": 1e3 * float(np.percentile(single[name], 90)),
            "clips_per_second": batch / float(np.median(many[name])),
        }
    return Speed(
        os.fspath(model),
        machine("dsnet", "torch", *(["onnxruntime"] if ONNX in runs else [])),
        threads,
        batch,
        rounds,
        [{"form": name, **row} for name, row in rows.items()],
    )


def _noise(stream: Stream, count: int) -> Tensor:
    """Return clips of noise, (count, T, crop, crop, C) uint8."""
    crop = stream.settings.crop
    shape = (count, stream.length, crop, crop, CHANNELS[stream.input])
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _prepared(
    name: str, stream: Stream, threads: int, examples: Sequence[Tensor]
) -> tuple[Run, dict[str, Any]]:
    """Return a form and what its row begins with; raise ExportError for other logits."""
    run = _compiled(stream) if name == COMPILED else _exported(stream.path, KINDS[name], threads)
    worst = float(np.max([difference(stream.logits(clips), run(clips)) for clips in examples]))
    if not worst <= TOLERANCE[stream.device.type]:
        raise ExportError(f"its logits differ by {worst:.2g} of the largest")
    on = _name(stream.device) if name == COMPILED else "CPU"
    return run, {"device": on, "difference": worst}


def _compiled(stream: Stream) -> Run:
    other = Stream(stream.path, stream.device)
    # For each size of batch by itself, as those do who want speed.
    other.network = torch.compile(other.network, dynamic=False)  # type: ignore[assignment]
    return other.logits


def _exported(model: Path, kind: str, threads: int) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network.{kind}"
        export(model, path, kind)
        return load(path, kind, threads)


def _times(runs: Mapping[str, Run], clips: Tensor, rounds: int) -> dict[str, list[float]]:
    """Measure the seconds of ``rounds`` runs of each form; all forms take turns."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in tqdm(range(WARM_UP + rounds), f"clips: {len(clips)}", unit="round", disable=None):
        for name, run in runs.items():
            found[name].append(timeit.timeit(partial(run, clips), number=1))
    return {name: times[WARM_UP:] for name, times in found.items()}

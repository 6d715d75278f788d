"""Export of a stream's network as ONNX or as a program of torch.export."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dsnet import models
from dsnet.clips import normalise
from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.experiment.data import Clips
from dsnet.models import CHANNELS
from dsnet.provenance import keep_input, replacing

log = logging.getLogger(__name__)
Run = Callable[[Tensor], np.ndarray]
INPUT, OUTPUT = "clips", "logits"
ANY_NUMBER = {INPUT: {0: torch.export.Dim("N")}}  # clips per batch
# Largest difference from PyTorch's logits, relative to the largest logit. Float32 rounding over a
# hundred layers stays below a tenth of it.
TOLERANCE = 1e-3
TALKATIVE = ("onnx_ir", "onnxscript", "torch.onnx")
CHECKED = (1, 3)  # batch sizes that are compared


class ExportError(UserError):
    """A model that cannot be exported, or an exported model with other outputs."""


class FromBytes(nn.Module):
    """A network with its normalisation: (N, T, H, W, C) uint8 pixels to (N, K) float32 logits."""

    def __init__(self, network: nn.Module, modality: str, settings: Clips) -> None:
        super().__init__()
        self.network, self.modality, self.settings = network, modality, settings
        self.eval()

    def forward(self, clips: Tensor) -> Tensor:
        """Compute the logits."""
        return self.network(normalise(clips, self.modality, self.settings))


def export(model: PathLike, output: PathLike, kind: str) -> float:
    """Write the network of a ``model.pt`` in another format and compare it with the original.

    The input is clips after the test transform, (N, T, crop, crop, C) uint8, for any N. The output
    is logits, (N, K). The file has a JSON text under the key ``dsnet``, in ONNX's metadata or in
    the extra files of the ``.pt2``: classes, input, clip_length, stride, crop, and how frames and
    flow are made.

    Args:
        model: ``model.pt``.
        output: the file to write.
        kind: ``onnx``, or ``pt2``, which ``torch.export.load`` reads.

    Returns:
        The largest difference from PyTorch's logits for batches of one and three clips, relative to
        the largest logit of the batch.

    Raises:
        UserError: ``output`` is ``model`` itself.
        CheckpointError: ``model`` is not the file of a trained stream.
        ExportError: packages are missing (``pip install 'dsnet[export]'``), or the outputs differ.
    """
    keep_input(model, output)
    network, content = models.load_trained(model)
    settings = content["spec"].clips.model_copy(update=network.statistics)
    module = FromBytes(network, content["input"], settings).requires_grad_(False)
    about = json.dumps(_about(content), ensure_ascii=False)
    write = {"onnx": _write_onnx, "pt2": _write_program}[kind]
    with replacing(output) as temporary, torch.inference_mode(False), torch.no_grad():
        with _quiet():
            write(module, _clips(content, 2), about, temporary)
        worst = _compare(module, load(temporary, kind), content)
        if not worst <= TOLERANCE:
            raise ExportError(
                f"{os.fspath(model)}: the exported network's logits differ by {worst:.2g} of the "
                f"largest; nothing was written"
            )
    log.info("wrote %s; its logits differ by at most %.1g of the largest", output, worst)
    return worst


def load(path: PathLike, kind: str, threads: int = 0) -> Run:
    """Load an exported network, to run on the CPU.

    Args:
        path, kind: a file of :func:`export`.
        threads: of ONNX Runtime; 0 is all cores. A ``.pt2`` has PyTorch's threads.

    Returns:
        A function of clips, (N, T, crop, crop, C) uint8, that returns logits, (N, K) float32.
    """
    if kind == "pt2":
        with open(path, "rb") as file:
            program = torch.export.load(file).module()
        return lambda clips: program(clips).numpy()
    onnxruntime = _package("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda clips: session.run([OUTPUT], {INPUT: clips.numpy()})[0]


@contextmanager
def _quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _about(content: Mapping[str, Any]) -> dict[str, Any]:
    spec = content["spec"]
    return {
        "classes": content["classes"],
        "input": content["input"],
        "clip_length": spec.run.clip_length,
        "stride": spec.clips.stride,
        "crop": spec.clips.crop,
        "data": content.get("data"),
        "run": spec.run.values(),
        "provenance": content["provenance"],
    }


def _clips(content: Mapping[str, Any], count: int) -> Tensor:
    """Return clips of noise, (count, T, crop, crop, C) uint8."""
    length, crop = content["spec"].run.clip_length, content["spec"].clips.crop
    shape = (count, length, crop, crop, CHANNELS[content["input"]])
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(count)).byte()


def _compare(module: nn.Module, exported: Run, content: Mapping[str, Any]) -> float:
    """Return the largest difference of a logit, relative to the largest logit of the batch."""
    worst = 0.0
    for count in CHECKED:
        clips = _clips(content, count)
        # Not max(), which would ignore NaN.
        worst = float(np.maximum(worst, difference(module(clips).numpy(), exported(clips))))
    return worst


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the largest difference of logits, (N, K), relative to the largest of ``ours``.

    Raises ExportError if their shapes differ.
    """
    if ours.shape != theirs.shape:
        raise ExportError(f"the exported network puts out {theirs.shape}, not {ours.shape}")
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def _write_onnx(module: nn.Module, example: Tensor, about: str, path: Path) -> None:
    onnx = _package("onnx")
    _package("onnxscript")
    program = torch.onnx.export(
        module,
        (example,),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=ANY_NUMBER,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {"dsnet": about})
    onnx.save(proto, path)


def _write_program(module: nn.Module, example: Tensor, about: str, path: Path) -> None:
    program = torch.export.export(module, (example,), dynamic_shapes=ANY_NUMBER)
    with open(path, "wb") as file:
        torch.export.save(program, file, extra_files={"dsnet": about})


def _package(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise ExportError(f"{error}; ONNX needs pip install 'dsnet[export]'") from error

"""Trained streams that score clips, and the check whether two can be fused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from dsnet import fusion, models
from dsnet.clips import normalise, span
from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.experiment.data import Clips
from dsnet.experiment.specs import DataSpec
from dsnet.fusion.average import Average
from dsnet.inference import to_device


class PredictError(UserError):
    """A model or a video that allows no prediction."""


class Stream:
    """A ``model.pt`` that is ready to score clips.

    Attributes:
        path: the file.
        input: ``rgb`` or ``flow``.
        classes: names, in label order.
        data: specs ``rgb`` and ``flow`` of its frames and planes.
        teacher: name of the flow stream that it was distilled from, or None.
        length: frames of a clip.
        span: frames from its first to its last, with those that a stride skips.
        settings: the config's ``clips``: crop, means and stride.

    Raises:
        CheckpointError: the file is not that of a trained stream.
        PredictError: it does not say how its videos were prepared.
    """

    def __init__(self, path: PathLike, device: torch.device) -> None:
        self.path, self.device = Path(path), device
        network, content = models.load_trained(path)
        if "data" not in content:
            raise PredictError(
                f"{self.path} does not say how its videos were prepared: it was trained by an "
                f"earlier dsnet; train it with this one"
            )
        self.input: str = content["input"]
        self.classes: tuple[str, ...] = tuple(content["classes"])
        self.data = DataSpec.model_validate(content["data"])
        self.teacher: str | None = content["spec"].stream.teacher
        self.length: int = content["spec"].run.clip_length
        self.settings: Clips = content["spec"].clips.model_copy(update=network.statistics)
        self.span = span(self.length, self.settings.stride)
        to_device(network.eval(), device)
        self.network = network

    @torch.inference_mode()
    def logits(self, clips: torch.Tensor) -> np.ndarray:
        """Compute logits, (N, K) float32, of clips, (N, T, crop, crop, C) uint8.

        Raises PredictError if they have NaN or infinity.
        """
        out = self.network(normalise(clips, self.input, self.settings, self.device))
        return self._finite(out)

    @torch.inference_mode()
    def features(self, clips: torch.Tensor, level: str) -> np.ndarray:
        """Compute a level's features, (N, C) float32, the mean over their positions if they have.

        ``clips`` and errors are those of :meth:`logits`.
        """
        clips = normalise(clips, self.input, self.settings, self.device)
        found = self.network.forward_features(clips)[1][level]
        return self._finite(found.flatten(2).mean(2) if found.ndim > 2 else found)

    def check_level(self, level: str) -> None:
        """Raise PredictError unless the network has features of this name."""
        if level not in self.network.levels:
            raise PredictError(
                f"{self.path} has no level {level}; expected {', '.join(self.network.levels)}"
            )

    def _finite(self, out: torch.Tensor) -> np.ndarray:
        if not torch.isfinite(out).all():
            raise PredictError(f"{self.path}: the network puts out NaN or infinity; train it again")
        return out.float().cpu().numpy()


def load_streams(
    model: PathLike, flow: PathLike | bool, device: torch.device
) -> tuple[fusion.Fusion, list[Stream]]:
    """Load the streams of a classifier, and how to fuse them; see :class:`VideoClassifier`."""
    if os.fspath(model).endswith(".json"):
        if flow is not False:
            raise PredictError(f"{os.fspath(model)} names its flow stream; leave out another")
        threads = torch.get_num_threads()
        fuse, folders = fusion.load(model)
        torch.set_num_threads(threads)  # a fit uses one thread
        streams = [Stream(folder / "model.pt", device) for folder in folders]
    else:
        fuse, streams = Average(), [Stream(model, device)]
        if flow is not False:
            streams.append(Stream(_flow_beside(streams[0]) if flow is True else flow, device))
            _check_inputs(*streams)
    for other in streams[1:]:
        _check_pair(streams[0], other)
    return fuse, streams


def _flow_beside(stream: Stream) -> Path:
    """Return ``model.pt`` of the same run's flow stream: the teacher, or the one named ``flow``.

    Raises PredictError if there is none.
    """
    name = stream.teacher or "flow"
    path = stream.path.parent.parent / name / "model.pt"
    if not path.is_file():
        raise PredictError(f"no flow stream {path}; name one (--flow-model, or flow=PATH)")
    return path


def _check_inputs(first: Stream, second: Stream) -> None:
    """Raise PredictError unless these are an RGB and a flow stream."""
    if (first.input, second.input) != ("rgb", "flow"):
        raise PredictError(
            f"expected an RGB and a flow stream, not {first.path} ({first.input}) and "
            f"{second.path} ({second.input})"
        )


def _check_pair(first: Stream, second: Stream) -> None:
    """Raise PredictError unless both have the same classes, frames and clips."""
    for what in ("classes", "length", "data", "settings"):
        if getattr(first, what) != getattr(second, what):
            raise PredictError(
                f"{first.path} and {second.path} differ in their {what}: "
                f"{getattr(first, what)} and {getattr(second, what)}"
            )
